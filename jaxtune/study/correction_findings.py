"""What the trials of the study of bias correction say, part by part."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxtune.core.schedules import show_rate
from jaxtune.stats.hypothesis_tests import contrast, failure_test, improvement
from jaxtune.stats.intervals import Estimate, share_difference
from jaxtune.stats.wording import show_p
from jaxtune.study.finding import show, show_share
from jaxtune.study.measures import fails_more, gap_words, share_of

HELD_OUT = "held out"


class Part(NamedTuple):
    """A part of a finding: what to say, which claims hold (None: not decided), and the numbers."""

    words: str
    holds: list[bool | None]
    numbers: dict[str, Any]


def about_correction(main: pd.DataFrame, trials: pd.DataFrame, first_model: str) -> Part:
    """Figure 5: failures with and without correction, in the default recipe and over learning
    rates, per model.
    """
    without, with_it = _arms(main)
    gap = share_difference(share_of(without), share_of(with_it))
    test = failure_test(*(arm["failed"].to_numpy(bool) for arm in (without, with_it)))
    numbers: dict[str, Any] = {
        "default": {"without": share_of(without)._asdict(), "with": share_of(with_it)._asdict()},
        "gap": gap._asdict(),
        "p": test.p,
    }
    said = [
        f"Default recipe: {show_share(share_of(without))} without correction,"
        f" {show_share(share_of(with_it))} with it, {gap_words(gap, test)}."
    ]
    grid = trials[trials["role"] == "grid"]
    for model, rows in grid.groupby("model", sort=False):
        counts = []
        for rate, at_rate in rows.groupby("learning_rate"):
            off, on = (share_of(arm) for arm in _arms(at_rate))
            counts.append(
                f"{show_rate(float(str(rate)))}: {off.count}/{off.n} and {on.count}/{on.n}"
            )
            numbers.setdefault(str(model), {})[str(rate)] = {
                "without": off._asdict(),
                "with": on._asdict(),
            }
        said.append(
            f"{model}, failed without and with correction, by learning rate: {', '.join(counts)}."
        )
    return Part(" ".join(said), [fails_more(gap, test)], numbers)


def about_b2(trials: pd.DataFrame, model: str) -> Part:
    """The correction's effect on failures at each b2, all learning rates pooled."""
    gaps: dict[str, Estimate] = {}
    said = []
    for role in ("grid", "b2"):
        rows = trials[(trials["role"] == role) & (trials["model"] == model)]
        off, on = (share_of(arm) for arm in _arms(rows))
        name = f"{rows['adam_b2'].iloc[0]:g}"
        gaps[name] = share_difference(off, on)
        test = failure_test(*(arm["failed"].to_numpy(bool) for arm in _arms(rows)))
        said.append(
            f"b2 {name}: {off.count}/{off.n} and {on.count}/{on.n}, {gap_words(gaps[name], test)}"
        )
    words = (
        f"{model}, all learning rates pooled, failed without and with correction:"
        f" {'; '.join(said)}."
    )
    numbers = {name: gap._asdict() for name, gap in gaps.items()}
    if len(gaps) < 2:
        return Part(f"{words} Both b2 are the same.", [], numbers)
    first, second = gaps.values()
    return Part(words, [_smaller(second, first)], numbers)


def _smaller(one: Estimate, other: Estimate) -> bool | None:
    """Whether one difference is below another, their intervals apart."""
    assert one.low is not None
    assert one.high is not None
    assert other.low is not None
    assert other.high is not None
    if one.high < other.low:
        return True
    return False if one.low > other.high else None


def about_peaks(trials: pd.DataFrame) -> Part:
    """How well the learning rate as set, and as it is in effect at its peak, tell failed from other
    trials.
    """
    failed = trials["failed"].to_numpy(bool)
    if failed.all() or not failed.any():
        kind = "every" if failed.all() else "no"
        return Part(
            f"In these sweeps {kind} trial failed, so nothing tells failures apart.", [], {}
        )
    chances = {
        name: improvement(
            trials.loc[failed, column].to_numpy(float), trials.loc[~failed, column].to_numpy(float)
        )
        for name, column in (("as set", "learning_rate"), ("in effect at its peak", "peak"))
    }
    words = "; ".join(f"{name} {show(chance, 2)}" for name, chance in chances.items())
    return Part(
        "Chance that a failed trial has a higher learning rate than one that did not fail (0.5: no"
        f" relation), over {len(trials)} trials of all schedules: {words}.",
        [],
        {name: chance._asdict() for name, chance in chances.items()},
    )


def about_held_out(held_out: pd.DataFrame, rates: dict[str, float]) -> Part:
    """Every schedule at its own learning rate, on seeds that did not choose it."""
    said, numbers = [], {}
    scores = {
        name: held_out.loc[held_out["schedule"] == name].sort_values("seed") for name in rates
    }
    for name, rows in scores.items():
        final = rows["final"].to_numpy(float)
        spread = float(np.std(final, ddof=1)) if len(final) > 1 else None
        said.append(
            f"[{name}] at {show_rate(rates[name])}: mean {final.mean():.3f}, std"
            f" {'-' if spread is None else format(spread, '.3f')}, {show_share(share_of(rows))}"
        )
        numbers[name] = {
            "learning_rate": rates[name],
            "mean": float(final.mean()),
            "std": spread,
            "failed": share_of(rows)._asdict(),
        }
    base, *others = rates
    for name in others:
        both = contrast(
            scores[base]["final"].to_numpy(float),
            scores[name]["final"].to_numpy(float),
            paired=True,
        )
        said.append(
            f"[{base}] minus [{name}]: {show(both.mean_difference)}, {both.location.test}"
            f" {show_p(both.location.p)}"
        )
        numbers[f"{base} minus {name}"] = {
            "mean": both.mean_difference._asdict(),
            "p": both.location.p,
            "std_ratio": both.std_ratio._asdict(),
        }
    return Part(
        f"Each schedule at its own best learning rate, held-out seeds: {'; '.join(said)}.",
        [],
        numbers,
    )


def _arms(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials without correction, and with it."""
    return rows[~rows["bias_correction"]], rows[rows["bias_correction"]]
