"""Figure 8: does training to a loss of nearly zero hurt the dev metric?"""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from jaxtune.stats.intervals import Reduced, bootstrap
from jaxtune.study.context import Study, write_table
from jaxtune.study.figures.ablation import ablation_sweep
from jaxtune.study.finding import Finding, above, agreement, show
from jaxtune.study.measures import score_table
from jaxtune.study.selection import NothingToShowError

TITLE = "Figure 8: dev metric over training, and against the final training loss"
PAPER = (
    "(a) The dev accuracy of ten successful 20-epoch RTE trials wobbles by two or three points and"
    " does not fall to the end. (b) Over the 450 trials of the ablation it is about the same for"
    " final training losses from 1e-5 to 1e-1, and collapses only at losses of an untrained model:"
    " training to nearly zero does not hurt."
)
RULE = (
    "The rule: (a) over the successful trials of the recommended recipe, the interval of the mean"
    " change of the dev metric from half-way to the end is not below 0; (b) over all trials of the"
    " ablation, the interval of Spearman's correlation of training loss and dev metric lies below"
    " 0, and among the half of the successful trials with the lowest loss the mean is not below"
    " that of the rest."
)


def run(study: Study) -> Finding:
    """Trials of the recommended recipe over training, and all trials of the ablation at their
    end.
    """
    sweeps = {"stable": study.stable(), "ablation": ablation_sweep(study)}
    stable, trials = study.rows(sweeps["stable"]), study.rows(sweeps["ablation"])
    successful = stable.loc[~stable["failed"], "trial"].tolist()
    if not successful:
        raise NothingToShowError(
            f"None of the {len(stable)} trials of the recommended recipe is successful, so there is"
            " no training of one to show."
        )
    metric = f"dev/{stable['metric'].iloc[0]}"
    history = study.history(sweeps["stable"], successful)
    curves = history[history["name"] == metric]
    shown = successful[: study.config.most_curves]
    folder = study.folder("generalization")
    write_table(folder / "curves.parquet", curves[curves["trial"].isin(shown)])
    write_table(folder / "trials.parquet", score_table(trials))
    change = _change(curves)
    over_training = bootstrap((change,), np.mean)
    loss, final = trials["train_loss"].to_numpy(float), trials["final"].to_numpy(float)
    correlation = bootstrap((loss, final), _spearman, paired=True)
    low, rest = _halves(trials[~trials["failed"]])
    difference = bootstrap((low, rest), _mean_difference) if min(low.size, rest.size) else None
    holds = [
        _not_below(above(over_training), over_training.low),
        _turned(above(correlation)),
        None if difference is None else _not_below(above(difference), difference.low),
    ]
    here = (
        f"(a) {len(successful)} of {len(stable)} trials of the recommended recipe are successful;"
        f" from half-way to the end their dev metric changes by {show(over_training)} on average,"
        f" and the final one is {change_words(stable)}. (b) Over {len(trials)} trials Spearman's"
        f" correlation of final training loss and dev metric is {show(correlation, 2)}."
    )
    if difference is not None:
        here += (
            f" Among the {low.size + rest.size} successful ones the half with the lower loss scores"
            f" {show(difference)} more than the rest."
        )
    numbers: dict[str, Any] = {
        "change": over_training._asdict(),
        "spearman": correlation._asdict(),
        "low_loss_minus_rest": None if difference is None else difference._asdict(),
        "lowest_loss": float(np.nanmin(loss)),
    }
    notes = [
        (
            f"Curves: the lowest trial numbers of the sweep {sweeps['stable'].name} that did not"
            f" fail, {shown}."
        ),
        "Final training loss: mean over the last epoch, dropout on.",
    ]
    return Finding(TITLE, PAPER, here, agreement(holds), RULE, numbers, notes)


def change_words(stable: pd.DataFrame) -> str:
    """Range of the final scores of successful trials."""
    final = stable.loc[~stable["failed"], "final"]
    return f"{final.min():.3f} to {final.max():.3f}"


def _change(curves: pd.DataFrame) -> np.ndarray:
    """Final dev metric minus that of the evaluation nearest to half of the steps, per trial."""
    half = curves["step"].max() / 2
    changes = []
    for _, trial in curves.groupby("trial"):
        steps, values = trial["step"].to_numpy(), trial["value"].to_numpy(float)
        order = np.argsort(steps)
        middle = int(np.abs(steps[order] - half).argmin())
        changes.append(values[order][-1] - values[order][middle])
    return np.array(changes)


def _halves(successful: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the half with the lower training loss, and of the rest."""
    final = successful.sort_values(["train_loss", "trial"])["final"].to_numpy(float)
    return final[: len(final) // 2], final[len(final) // 2 :]


def _not_below(is_above: bool | None, low: float | None) -> bool | None:
    """True unless the interval lies below 0; None without an interval."""
    return None if low is None else is_above is not False


def _turned(is_above: bool | None) -> bool | None:
    return None if is_above is None else not is_above


def _spearman(one: np.ndarray, other: np.ndarray, axis: int) -> Reduced:
    ranks = [stats.rankdata(x, axis=axis) for x in (one, other)]
    ranks = [x - x.mean(axis=axis, keepdims=True) for x in ranks]
    scale = np.sqrt(np.prod([np.sum(x**2, axis=axis) for x in ranks], axis=0))
    with np.errstate(all="ignore"):
        return np.sum(ranks[0] * ranks[1], axis=axis) / scale


def _mean_difference(one: np.ndarray, other: np.ndarray, axis: int) -> Reduced:
    return np.mean(one, axis=axis) - np.mean(other, axis=axis)
