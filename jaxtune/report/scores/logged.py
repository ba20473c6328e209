"""What a run of another trainer has logged, and which of its numbers is the score."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxtune.core.errors import UserError
from jaxtune.core.metrics import METRICS
from jaxtune.core.words import quoted
from jaxtune.report.sources import Curve

# Words in the names of numbers that are logged beside scores.
NO_SCORES = ("loss", "time", "per_second", "samples", "epoch", "learning_rate", "grad_norm")
# What the last word in the name of an error ends in or is (`logloss`, `ece`), but for numbers and
# the words of AFTER; `neg_loss` is none.
ERROR_ENDS = ("loss", "error", "perplexity", "ppl", "entropy", "deviance", "mse", "mae", "mape")
ERRORS = {
    *("err", "wer", "cer", "ter", "eer", "ece", "nll", "bpc", "bpb", "brier", "xent"),
    *("msle", "rmsle"),
}
AFTER = {
    *("rate", "score", "mean", "avg", "average", "total", "best", "min", "last", "final"),
    *("epoch", "step", "train", "dev", "val", "valid", "validation", "eval", "test"),
}
DEV_PREFIXES = ("eval_", "eval/", "dev/", "dev_", "val/", "val_", "validation/", "validation_")
# What others call the metrics that jaxtune knows.
ALIASES = {
    "acc": "accuracy",
    "matthews_correlation": "matthews",
    "mcc": "matthews",
    "f1_score": "f1",
    "f1_macro": "macro_f1",
    "roc_auc": "auroc",
    "auc": "auroc",
    "pearsonr": "pearson",
    "spearmanr": "spearman",
}


class Logged(NamedTuple):
    """One run: its last value under every name, and the curves behind them."""

    where: str
    last: Mapping[str, float | None]
    curves: Mapping[str, Curve]
    planned: int | None = None  # steps of the training, where the last values are from within it
    restarted: bool = False  # whether steps of an earlier start were left aside


def score_name(runs: Sequence[Logged], metric: str | None) -> str:
    """The name under which the runs have logged their score.

    Raises UserError where none or several may be meant.

    Args:
        metric: as the user calls it, with `eval_` in front or without; None where nobody said.
    """
    names = dict.fromkeys(name for run in runs for name in run.last)
    if metric is not None:
        meant = {metric} if metric in names else {metric, plain_name(metric)}
        fitting = [name for name in names if name == metric or plain_name(name) in meant]
        # Training is scored under the same name by some.
        on_dev = [name for name in fitting if name == metric or name.startswith(DEV_PREFIXES)]
        fitting = on_dev or fitting
        if len(fitting) != 1:
            raise UserError(
                f"{runs[0].where} has logged {quoted(names)}, of which {len(fitting)} may be the"
                f" {metric}; give one of the names with --metric."
            )
        return fitting[0]
    scores = [name for name in names if name.startswith(DEV_PREFIXES) and not _is_no_score(name)]
    if len(scores) != 1:
        raise UserError(
            f"{runs[0].where} has logged {quoted(names)}, of which {len(scores)} may be the score;"
            " give its name with --metric."
        )
    return scores[0]


def _is_no_score(name: str) -> bool:
    return any(word in plain_name(name).lower() for word in NO_SCORES)


def is_error(name: str) -> bool:
    """Whether a score of this name is one of which lower is better, as far as a name tells."""
    words = re.findall("[a-z]+", name.lower())
    negated = any(word.startswith("neg") for word in words)
    last = next((word for word in reversed(words) if word not in AFTER), "")
    if last == "likelihood":
        return negated
    return (last in ERRORS or last.endswith(ERROR_ENDS)) and not negated


def plain_name(name: str) -> str:
    """Such as `accuracy` of `eval_accuracy` or `eval/acc`, the metric that jaxtune knows if any."""
    bare = name
    for prefix in DEV_PREFIXES:
        bare = bare.removeprefix(prefix)
    bare = ALIASES.get(bare.lower(), bare)
    return bare.lower() if bare.lower() in METRICS else bare
