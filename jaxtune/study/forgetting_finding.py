"""What the perplexities and losses of Figure 2 say, by a rule."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxtune.stats.intervals import Estimate, Reduced, bootstrap
from jaxtune.study.finding import Finding, agreement

TITLE = "Figure 2: forgetting, and what failed trials learn instead"
PAPER = (
    "On WikiText-2, a failed BERT-large has a masked-LM perplexity of 7e3 to 1e8 and a successful"
    " one of 13 to 27, the pre-trained one 9.4. Putting back about the top 10 of 24 layers mends"
    " two of three failed trials (18 the third): what is forgotten sits in the top layers. But"
    " failed trials do not reduce the training loss at all, so that forgetting comes with failed"
    " optimisation and is not its cause."
)
MENDED = 2.0  # times the pre-trained perplexity
TOP_SHARE = 0.5  # of the layers: "the top layers"
UNLEARNED = 0.95  # of the loss of the best constant probabilities
RULE = (
    "The rule: (1) every failed trial's perplexity exceeds every successful one's, their 95 %"
    f" intervals apart; (2) in most failed trials, putting back at most {TOP_SHARE:.0%} of the"
    f" layers, from the top, brings it within {MENDED:g} times the pre-trained one for good; (3)"
    f" every failed trial ends at {UNLEARNED:.0%} or more of the loss of the best constant"
    " probabilities."
)
RESAMPLES = 1999
MOST_LISTED = 5  # trials of a kind
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
        """The fewest top layers after which the perplexity stays within `MENDED` times the
        pre-trained one.
        """
        high = np.flatnonzero(self.perplexity > MENDED * self.perplexity[-1])
        return int(high[-1]) + 1 if high.size else 0


def perplexity_interval(losses: np.ndarray, sequences: np.ndarray) -> Estimate:
    """Of a text, with an interval over its sentences: words of one sentence are no independent
    draws.
    """
    sums = np.bincount(sequences, losses.astype(np.float64))
    counts = np.bincount(sequences).astype(np.float64)
    sums, counts = sums[counts > 0], counts[counts > 0]

    def mean_loss(sums: np.ndarray, counts: np.ndarray, axis: int) -> Reduced:
        return sums.sum(axis=axis) / counts.sum(axis=axis)

    found = bootstrap((sums, counts), mean_loss, paired=True, num_resamples=RESAMPLES)
    with np.errstate(over="ignore"):
        ends = [None if end is None else float(np.exp(end)) for end in found[:3]]
    return found._replace(value=ends[0], low=ends[1], high=ends[2])


def judge(measured: Sequence[Measured], floor: float | None) -> Finding:
    """What the numbers say, by `RULE`; `floor` is the task's `constant_loss`."""
    failed, successful, corrected = (
        [each for each in measured if each.kind == kind] for kind in KINDS
    )
    depth = len(measured[0].perplexity) - 1
    local = bool(np.median([each.mended for each in failed]) <= TOP_SHARE * depth)
    unlearned = None
    learning = "The task has no classes, and no constant to compare the training loss with."
    if floor is not None:
        unlearned = bool(min(each.train_loss for each in failed) >= UNLEARNED * floor)
        shares = [
            _listed([each.train_loss / floor for each in group], "{:.0%}".format)
            for group in (failed, successful, corrected)
        ]
        learning = (
            f"In the last epoch the failed trials' training loss is {shares[0]} of that of constant"
            f" probabilities ({floor:.3f} nats), the successful ones' {shares[1]}"
            + (f", the corrected ones' {shares[2]}." if corrected else ".")
        )
    groups = [("failed", failed), ("successful", successful), ("corrected", corrected)]
    groups = [(name, group) for name, group in groups if group]
    asked = "; ".join(f"{name} {_perplexities(group)}" for name, group in groups)
    mended = "; ".join(
        f"{name} {_listed([float(each.mended) for each in group], '{:g}'.format)}"
        for name, group in groups
    )
    moved = "; ".join(
        f"{name} {_listed([each.moved for each in group], '{:.1%}'.format)}"
        for name, group in groups
    )
    here = (
        f"Pre-trained perplexity {measured[0].perplexity[-1]:.2f}. Fine-tuned: {asked}. Layers to"
        f" put back, of {depth}: {mended}. {learning} Of its norm the encoder has moved: {moved}."
    )
    parts = {
        "failed_forget_more": _exceeds(failed, successful),
        "in_the_top_layers": local,
        "learn_nothing": unlearned,
    }
    why = f"{RULE} Here: {'; '.join(f'({i}) {_yes(v)}' for i, v in enumerate(parts.values(), 1))}."
    numbers: dict[str, Any] = {
        "pretrained_perplexity": float(measured[0].perplexity[-1]),
        "parts": parts,
        "constant_loss": floor,
        "trials": [
            {
                "trial": each.trial,
                "kind": each.kind,
                "perplexity": each.fine_tuned._asdict(),
                "layers_to_put_back": each.mended,
                "all_layers_but_no_embeddings": each.blocks_only,
                "train_loss": each.train_loss,
                "moved": each.moved,
            }
            for each in measured
        ],
    }
    return Finding(TITLE, PAPER, here, agreement([*parts.values()]), why, numbers)


def _exceeds(failed: Sequence[Measured], successful: Sequence[Measured]) -> bool | None:
    """Whether all of one group's intervals lie above all of the other's; None where two overlap or
    one is missing.
    """
    # A missing end is not a number, and decides nothing.
    lows, highs, other_lows, other_highs = (
        np.array([getattr(each.fine_tuned, end) for each in group], float)
        for group in (failed, successful)
        for end in ("low", "high")
    )
    if lows.min() > other_highs.max():
        return True
    return False if highs.min() < other_lows.max() else None


def _perplexities(group: Sequence[Measured]) -> str:
    """With their intervals where there are few."""
    if len(group) <= MOST_LISTED:
        return ", ".join(map(_words_of, group))
    return _listed([float(each.perplexity[0]) for each in group], _short)


def _words_of(each: Measured) -> str:
    value, low, high = (_short(end) for end in each.fine_tuned[:3])
    return f"{value} (95 % interval {low} to {high})" if low else value


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if value >= 1e4 else f"{value:,.1f}"


def _yes(part: bool | None) -> str:
    return "not decided" if part is None else "yes" if part else "no"


def _listed(values: Sequence[float], show: Callable[[float], str]) -> str:
    """Each, or of many the middle and the ends."""
    if len(values) <= MOST_LISTED:
        return ", ".join(map(show, values))
    low, middle, high = map(show, (min(values), float(np.median(values)), max(values)))
    return f"{middle} ({low} to {high}, median and range of {len(values)})"
