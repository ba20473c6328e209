"""Figure 2: does a failed trial forget what pre-training taught it? Perplexity with layers put
back, and training curves.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxtune.core.errors import UserError
from jaxtune.core.metrics import constant_loss
from jaxtune.data.corpus import mask_token_of, maskable_words, miniature_held_out, read_texts
from jaxtune.data.tokens import load_tokenizer, tokenize_chunks
from jaxtune.models.heads import MaskedLM
from jaxtune.models.pretrained import load_masked_lm, locate, read_config
from jaxtune.study.context import Study, write_table
from jaxtune.study.figures.layer_replacement import (
    Compared,
    check_blocks,
    curve,
    distance,
    encoder_of,
    perplexity,
)
from jaxtune.study.finding import Finding
from jaxtune.study.forgetting_finding import (
    CORRECTED,
    FAILED,
    PAPER,
    SUCCESSFUL,
    TITLE,
    Measured,
    judge,
    perplexity_interval,
)
from jaxtune.study.kept_trials import KeptTrials
from jaxtune.study.masked_text import MaskedText, hide_words
from jaxtune.study.selection import choose
from jaxtune.study.settings import check_text

HEADS = (
    "Head and decoder are the pre-trained ones (the decoder is the pre-trained word embedding, also"
    " where the encoder's is fine-tuned). The embeddings count as part of the lowest layer, so that"
    " all layers put back is exactly the pre-trained model."
)


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
    arm = rows[~rows["bias_correction"] & ~rows["diverged"]]
    chosen = choose(arm, config.shown_trials, sweep)
    corrected = rows[rows["bias_correction"] & ~rows["failed"]]["trial"].tolist()
    corrected = corrected[: config.shown_trials]
    kinds = dict.fromkeys(chosen.failed, FAILED) | dict.fromkeys(chosen.successful, SUCCESSFUL)
    kinds |= dict.fromkeys(corrected, CORRECTED)
    kept = KeptTrials(sweep, kinds)
    measured = [_measure(asked, kept, trial, kind) for trial, kind in kinds.items()]
    folder = study.folder("forgetting")
    write_table(folder / "perplexity.parquet", _table(measured))
    failed = arm.loc[arm["failed"], "trial"].tolist()[: config.most_curves]
    write_table(folder / "curves.parquet", _curves(study, sweep, arm, failed))
    floor = None if kept.task.num_labels == 1 else constant_loss(kept.task.train.labels)
    notes = (
        (
            f"Shown: {chosen.rule}; without diverged trials, which have no parameters to ask."
            " Beside them, and outside the rule, the lowest successful ones with correction:"
            f" {', '.join(map(str, corrected)) or 'there is none'}."
        ),
        asked.about,
        HEADS,
        f"Curves: mean and one standard deviation over the first {len(failed)} failed trials.",
    )
    return dataclasses.replace(judge(measured, floor), notes=notes)


def _ask(study: Study) -> Asked:
    """Reads model and text before any sweep runs; raises UserError for what cannot be used."""
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
    sentences, source = _sentences(config.text)
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


def _sentences(text: str | None) -> tuple[list[str], str]:
    if text is not None:
        return read_texts(Path(text)), Path(text).name
    return miniature_held_out(), "the sentences that validated the miniature's pre-training"


def _measure(asked: Asked, kept: KeptTrials, trial: int, kind: str) -> Measured:
    pretrained, text = asked.pretrained, asked.text
    assert pretrained is not None
    encoder = encoder_of(kept.params(trial), pretrained.encoder)
    losses = curve(Compared(encoder, pretrained, text), f"trial {trial} ({kind}), layers put back")
    return Measured(
        trial=trial,
        kind=kind,
        train_loss=float(kept.members[trial].row["train_loss"]),
        moved=distance(encoder, pretrained.encoder),
        perplexity=perplexity(losses.losses),
        fine_tuned=perplexity_interval(
            losses.losses[0], np.asarray(text.sequences)[np.asarray(text.present)]
        ),
        blocks_only=float(perplexity(losses.blocks_only)),
    )


def _table(measured: list[Measured]) -> pd.DataFrame:
    """Long form: trial kind top perplexity."""
    parts = [
        pd.DataFrame(
            {
                "trial": each.trial,
                "kind": each.kind,
                "top": np.arange(len(each.perplexity)),
                "perplexity": each.perplexity,
            }
        )
        for each in measured
    ]
    return pd.concat(parts, ignore_index=True)


def _curves(study: Study, sweep: Path, arm: pd.DataFrame, trials: list[int]) -> pd.DataFrame:
    """Training loss and dev metric: trial step name value metric trivial."""
    curves = study.history(sweep, trials)
    metric = arm["metric"].iloc[0]
    curves = curves[curves["name"].isin(["loss", f"dev/{metric}"])]
    return curves.assign(metric=metric, trivial=arm["trivial"].iloc[0]).reset_index(drop=True)


__all__ = ["PAPER", "TITLE", "run"]
