"""Figure 2: does a failed trial forget what pre-training taught it? Perplexity with layers put
back, and training curves.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxtune.core.errors import UserError
from jaxtune.core.failure import constant_loss
from jaxtune.data.corpus import mask_token_of, maskable_words, miniature_held_out, read_texts
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import tokenize_chunks
from jaxtune.models.heads import MaskedLM
from jaxtune.models.pretrained import load_masked_lm, locate, read_config
from jaxtune.stats.intervals import Estimate, Reduced, bootstrap
from jaxtune.study.context import Study
from jaxtune.study.finding import MOST_LISTED, Claim, Finding, decided, listed
from jaxtune.study.kept_trials import KeptTrials
from jaxtune.study.layer_replacement import (
    Compared,
    MaskedText,
    check_blocks,
    curve,
    distance,
    encoder_of,
    hide_words,
    perplexity,
)
from jaxtune.study.measures import by_correction, choose, joined, not_diverged
from jaxtune.study.settings import check_text
from jaxtune.sweep.early_stop import UNLEARNT

TITLE = "Figure 2: forgetting, and what failed trials learn instead"
PAPER = (
    "Failed trials forget, in the top layers: putting back about 10 of BERT-large's 24 mends two of"
    " three. On WikiText-2 a failed trial has a masked-LM perplexity of 7e3 to 1e8, a successful"
    " one of 13 to 27, the pre-trained model 9.4; the third failed trial needs 18 layers. But"
    " failed trials do not reduce the training loss at all, so that forgetting comes with failed"
    " optimisation and is not its cause."
)
MENDED = 2.0  # times the pre-trained perplexity
TOP_SHARE = 0.5  # of the layers: "the top layers"
RESAMPLES = 1999
# Of trials. The rule is about the first two, of the paper's setting; the third stand beside them.
FAILED, SUCCESSFUL, CORRECTED = KINDS = ("failed", "successful", "successful, with correction")


class Measured(NamedTuple):
    """A trial's perplexities."""

    trial: int
    kind: str  # of KINDS
    train_loss: float  # nats, mean over the last epoch
    moved: float  # distance of the encoder from the pre-trained one, over the latter's norm
    perplexity: np.ndarray  # [top]
    fine_tuned: Estimate  # at top = 0, over the text's sentences
    blocks_only: float  # all blocks put back, the embeddings not

    @property
    def mended(self) -> int:
        """The fewest top layers to put back for a perplexity near the pre-trained one for good."""
        # So that one that is no number is no low one.
        high = np.flatnonzero(~(self.perplexity <= MENDED * self.perplexity[-1]))
        return int(high[-1]) + 1 if high.size else 0

    def numbers(self) -> dict[str, Any]:
        """As the finding keeps them."""
        return {
            "trial": self.trial,
            "kind": self.kind,
            "perplexity": self.fine_tuned,
            "layers_to_put_back": self.mended,
            "all_layers_but_no_embeddings": self.blocks_only,
            "train_loss": self.train_loss,
            "moved": self.moved,
        }


class Asked(NamedTuple):
    """What every trial is asked."""

    text: MaskedText
    pretrained: MaskedLM | None  # None in a dry run with random weights
    about: str  # the text, in words


def run(study: Study) -> Finding:
    """Three failed and three successful trials of the default recipe."""
    config = study.config
    asked = _ask(study)
    sweep = study.main()
    rows = study.rows(sweep)
    arm, _ = by_correction(rows)
    chosen = choose(arm, config.shown_trials, sweep)
    arm = not_diverged(arm)
    corrected = rows[rows["bias_correction"] & ~rows["failed"]]["trial"].tolist()
    corrected = corrected[: config.shown_trials]
    kinds = dict.fromkeys(chosen.failed, FAILED) | dict.fromkeys(chosen.successful, SUCCESSFUL)
    kinds |= dict.fromkeys(corrected, CORRECTED)
    kept = KeptTrials(sweep, kinds)
    measured = [_measure(asked, kept, trial, kind) for trial, kind in kinds.items()]
    perplexities = joined([_perplexity_table(one) for one in measured])
    failed = arm.loc[arm["failed"], "trial"].tolist()[: config.most_curves]
    curves = _curves(study, sweep, arm, failed)
    study.write("forgetting", perplexity=perplexities, curves=curves)
    floor = None if kept.task.num_labels == 1 else constant_loss(kept.task.train.labels)
    notes = [
        f"Shown: {chosen.rule}; diverged trials have no parameters to ask. Beside"
        " them, and outside the rule, the lowest successful ones with correction:"
        f" {', '.join(map(str, corrected)) or 'there is none'}.",
        asked.about,
        "Head and decoder are the pre-trained ones (the decoder is the pre-trained word embedding,"
        " also where the encoder's is fine-tuned). The embeddings count as part of the lowest"
        " layer, so that all layers put back is exactly the pre-trained model.",
        f"Curves: mean and one standard deviation over the first {len(failed)} failed trials.",
    ]
    return judge(measured, floor, notes)


def _ask(study: Study) -> Asked:
    """Reads model and text before any sweep; raises UserError for what cannot be used."""
    config = study.config
    folder = locate(config.model)
    encoder, _ = read_config(folder)
    check_blocks(config.model, encoder.shared_block)
    check_text(config)
    if config.random_weights and not config.dry_run:
        raise UserError(
            "random_weights is true, and without pre-training there is nothing to forget; give a"
            " model with weights."
        )
    if config.text is None:
        source = "the sentences that validated the miniature's pre-training"
        sentences = miniature_held_out()
    else:
        source, sentences = Path(config.text).name, read_texts(Path(config.text))
    tokenizer = load_tokenizer(folder)
    length = min(config.text_length, encoder.max_length)
    table = tokenize_chunks(tokenizer, sentences, length)
    table = table.take(np.arange(min(len(table), config.text_sequences or len(table))))
    words, mask_token = maskable_words(tokenizer), mask_token_of(tokenizer, folder)
    text = hide_words(
        table, words, mask_token, config.mask_rate, config.mask_seed, encoder.hidden_size
    )
    about = (
        f"Text: {source}, a line, or a piece of at most {length} tokens, at a time ({len(table):,}"
        f" pieces). Of its words without the special tokens {config.mask_rate:.0%} are hidden"
        f" ({int(np.sum(text.present)):,}, drawn without replacement by numpy's"
        f" default_rng({config.mask_seed})), all of them shown as the mask token: none is replaced"
        " or kept. Intervals: over the pieces."
    )
    pretrained = None if config.random_weights else load_masked_lm(folder, encoder)
    return Asked(text, pretrained, about)


def _measure(asked: Asked, kept: KeptTrials, trial: int, kind: str) -> Measured:
    pretrained, text = asked.pretrained, asked.text
    assert pretrained is not None
    encoder = encoder_of(kept.params(trial), pretrained.encoder)
    losses = curve(Compared(encoder, pretrained, text), f"trial {trial} ({kind}), layers put back")
    sequences = np.asarray(text.sequences)[np.asarray(text.present)]
    return Measured(
        trial=trial,
        kind=kind,
        train_loss=float(kept.members[trial].row["train_loss"]),
        moved=distance(encoder, pretrained.encoder),
        perplexity=perplexity(losses.losses),
        fine_tuned=perplexity_interval(losses.losses[0], sequences),
        blocks_only=float(perplexity(losses.blocks_only)),
    )


def _perplexity_table(one: Measured) -> pd.DataFrame:
    tops = np.arange(len(one.perplexity))
    columns = {"trial": one.trial, "kind": one.kind, "top": tops, "perplexity": one.perplexity}
    return pd.DataFrame(columns)


def _curves(study: Study, sweep: Path, arm: pd.DataFrame, trials: list[int]) -> pd.DataFrame:
    """Training loss and dev metric: trial step name value metric trivial."""
    curves = study.history(sweep, trials)
    metric = arm["metric"].iloc[0]
    curves = curves[curves["name"].isin(["loss", f"dev/{metric}"])]
    return curves.assign(metric=metric, trivial=arm["trivial"].iloc[0]).reset_index(drop=True)


def perplexity_interval(losses: np.ndarray, sequences: np.ndarray) -> Estimate:
    """Of a text, over its sentences: words of one sentence are no independent draws."""
    sums = np.bincount(sequences, losses.astype(np.float64))
    counts = np.bincount(sequences).astype(np.float64)
    sums, counts = sums[counts > 0], counts[counts > 0]

    def mean_loss(sums: np.ndarray, counts: np.ndarray, axis: int) -> Reduced:
        return sums.sum(axis=axis) / counts.sum(axis=axis)

    found = bootstrap((sums, counts), mean_loss, paired=True, num_resamples=RESAMPLES)
    with np.errstate(over="ignore"):  # a perplexity may be infinite
        ends = [None if end is None else float(np.exp(end)) for end in found[:3]]
    return found._replace(value=ends[0], low=ends[1], high=ends[2])


def judge(measured: Sequence[Measured], floor: float | None, notes: Sequence[str] = ()) -> Finding:
    """What the numbers say; `floor` is the task's `constant_loss`."""
    groups = {
        name: [one for one in measured if one.kind == kind]
        for name, kind in zip(("failed", "successful", "corrected"), KINDS, strict=True)
    }
    failed, successful = groups["failed"], groups["successful"]

    def of_each(words: Callable[[Sequence[Measured]], str]) -> str:
        return "; ".join(f"{name} {words(group)}" for name, group in groups.items() if group)

    def each(value: Callable[[Measured], float], form: str) -> str:
        return of_each(lambda group: listed([float(value(one)) for one in group], form.format))

    pretrained = float(measured[0].perplexity[-1])
    depth = len(measured[0].perplexity) - 1
    learned, unlearned = "the task has no classes, and no constant to compare with", None
    if floor is not None:
        learned = f"{each(lambda one: one.train_loss / floor, '{:.0%}')} of {floor:.3f} nats"
        unlearned = bool(min(one.train_loss for one in failed) >= UNLEARNT * floor)
    claims = {
        "failed_forget_more": Claim(
            "every failed trial has a higher perplexity than every successful one (intervals"
            " apart)",
            of_each(_perplexities),
            _exceeds(failed, successful),
        ),
        "in_the_top_layers": Claim(
            f"putting back at most {TOP_SHARE:.0%} of the layers, from the top, brings most failed"
            f" trials within {MENDED:g} times the pre-trained perplexity for good",
            f"layers to put back, of {depth}: {each(lambda one: one.mended, '{:g}')}",
            bool(np.median([one.mended for one in failed]) <= TOP_SHARE * depth),
        ),
        "learn_nothing": Claim(
            f"every failed trial ends at {UNLEARNT:.0%} or more of the training loss of the best"
            " constant probabilities",
            learned,
            unlearned,
        ),
    }
    numbers = {
        "pretrained_perplexity": pretrained,
        "parts": {name: claim.holds for name, claim in claims.items()},
        "constant_loss": floor,
        "trials": [one.numbers() for one in measured],
    }
    return Finding(
        title=TITLE,
        paper=PAPER,
        here=(
            f"Median perplexity: {of_each(_median)}; pre-trained {pretrained:.2f}. Of its norm the"
            f" encoder has moved: {each(lambda one: one.moved, '{:.1%}')}."
        ),
        claims=[*claims.values()],
        numbers=numbers,
        notes=notes,
    )


def _exceeds(failed: Sequence[Measured], successful: Sequence[Measured]) -> bool | None:
    """Whether all of one group's intervals lie above all of the other's; None: not decided."""
    # A missing end is not a number, and decides nothing.
    lows, highs, other_lows, other_highs = (
        np.array([getattr(one.fine_tuned, end) for one in group], float)
        for group in (failed, successful)
        for end in ("low", "high")
    )
    above, below = lows.min() > other_highs.max(), highs.min() < other_lows.max()
    return decided(bool(above), bool(below))


def _median(group: Sequence[Measured]) -> str:
    return _short(float(np.median([one.perplexity[0] for one in group])))


def _perplexities(group: Sequence[Measured]) -> str:
    """With their intervals where there are few."""
    if len(group) > MOST_LISTED:
        return listed([float(one.perplexity[0]) for one in group], _short)
    words = []
    for one in group:
        value, low, high = (None if end is None else _short(end) for end in one.fine_tuned[:3])
        words.append(f"{value} (95% interval {low} to {high})" if low else str(value))
    return ", ".join(words)


def _short(value: float) -> str:
    return f"{value:.3g}" if value >= 1e4 else f"{value:,.1f}"
