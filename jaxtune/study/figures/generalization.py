"""Figure 8: does training to a loss of nearly zero hurt the dev metric?"""

import numpy as np
import pandas as pd
from scipy import stats

from jaxtune.stats.effects import mean_difference
from jaxtune.stats.intervals import Estimate, Reduced, bootstrap, mean_interval
from jaxtune.study.context import Study
from jaxtune.study.figures.ablation import ablation_sweep
from jaxtune.study.finding import Claim, Finding, above, decided, show
from jaxtune.study.measures import MARGIN, NothingToShowError, not_diverged, score_table

TITLE = "Figure 8: dev metric over training, and against the final training loss"
PAPER = (
    "Training to a loss of nearly zero does not hurt the dev metric. (a) The dev accuracy of ten"
    " successful 20-epoch RTE trials wobbles by two or three points and does not fall to the end."
    " (b) Over the 450 trials of the ablation it is about the same for final training losses from"
    " 1e-5 to 1e-1, and collapses only at losses of an untrained model."
)


def run(study: Study) -> Finding:
    """The recommended recipe's trials over training, and the ablation's at their end."""
    stable_sweep, ablation = study.stable(), ablation_sweep(study)
    stable, of_all = study.rows(stable_sweep), study.rows(ablation)
    trials = not_diverged(of_all)
    successful = stable.loc[~stable["failed"], "trial"].tolist()
    if not successful:
        raise NothingToShowError(
            f"None of the {len(stable)} trials of the recommended recipe is successful. So there is"
            " no training of one to show."
        )
    history = study.history(stable_sweep, successful)
    curves = history[history["name"] == f"dev/{stable['metric'].iloc[0]}"]
    shown = successful[: study.config.most_curves]
    of_shown = curves[curves["trial"].isin(shown)]
    study.write("generalization", curves=of_shown, trials=score_table(trials))
    change = mean_interval(_change(curves))
    loss, final = trials["train_loss"].to_numpy(float), trials["final"].to_numpy(float)
    correlation = bootstrap((loss, final), _spearman, paired=True)
    low, rest = _halves(trials[~trials["failed"]])
    gain = mean_difference(low, rest) if min(low.size, rest.size) else None
    scores = stable.loc[~stable["failed"], "final"]
    return Finding(
        title=TITLE,
        paper=PAPER,
        here=(
            f"From half-way to the end the dev metric of {len(successful)} successful trials of the"
            f" recommended recipe (of {len(stable)}) changes by {show(change)} on average. They end"
            f" at {scores.min():.3f} to {scores.max():.3f}."
        ),
        claims=_claims(change, correlation, len(trials), gain, low.size + rest.size),
        numbers={
            "change": change,
            "spearman": correlation,
            "low_loss_minus_rest": gain,
            "lowest_loss": min(loss, default=None),
        },
        notes=[
            f"Curves: the lowest trial numbers of the sweep {stable_sweep.name} that did not fail,"
            f" {shown}.",
            "Final training loss: mean over the last epoch, dropout on. A diverged trial has none:"
            f" (b) is about the {len(trials)} of {len(of_all)} trials that did not diverge.",
            f"A number is lower, or falls, where its interval lies below 0, and is not where it"
            f" lies above -{MARGIN:g}; otherwise that is not decided.",
        ],
    )


def _claims(
    change: Estimate,
    correlation: Estimate,
    num_trials: int,
    gain: Estimate | None,
    num_successful: int,
) -> list[Claim]:
    """What the paper says of its two panels, and whether it holds here."""
    falls_with_loss = above(correlation)
    return [
        Claim(
            "(a) the mean dev metric does not fall from half-way to the end",
            show(change),
            _not_below(change),
        ),
        Claim(
            "(b) over the ablation's trials a lower training loss goes with a higher score",
            f"Spearman's correlation {show(correlation, 2)} over {num_trials} trials",
            None if falls_with_loss is None else not falls_with_loss,
        ),
        Claim(
            "(b) of the successful ones the half with the lower loss does not score lower",
            "there are no two halves to compare"
            if gain is None
            else f"{show(gain)} more than the rest of {num_successful}",
            None if gain is None else _not_below(gain),
        ),
    ]


def _change(curves: pd.DataFrame) -> np.ndarray:
    """Final dev metric minus that of the evaluation nearest to half of the steps, per trial."""
    half = curves["step"].max() / 2
    changes = []
    for _, trial in curves.sort_values("step").groupby("trial"):
        values = trial["value"].to_numpy(float)
        middle = int(np.abs(trial["step"].to_numpy() - half).argmin())
        changes.append(values[-1] - values[middle])
    return np.array(changes)


def _halves(successful: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the half with the lower training loss, and of the rest."""
    final = successful.sort_values(["train_loss", "trial"])["final"].to_numpy(float)
    return final[: len(final) // 2], final[len(final) // 2 :]


def _not_below(change: Estimate) -> bool | None:
    """Whether a change of the metric is none that matters, or a gain; None where that is open."""
    return decided(change.low is not None and change.low > -MARGIN, above(change) is False)


def _spearman(one: np.ndarray, other: np.ndarray, axis: int) -> Reduced:
    ranks = [stats.rankdata(x, axis=axis) for x in (one, other)]
    ranks = [x - x.mean(axis=axis, keepdims=True) for x in ranks]
    scale = np.sqrt(np.prod([np.sum(x**2, axis=axis) for x in ranks], axis=0))
    with np.errstate(all="ignore"):  # equal values have no correlation: nan, said as such
        return np.sum(ranks[0] * ranks[1], axis=axis) / scale
