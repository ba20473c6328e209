"""Figures 5 and 6, and what they leave open: is it the correction, Adam's b2, or simply the size of
the early steps?

In the paper's form the correction is a factor on the learning-rate schedule. So each schedule is
also given its own best learning rate, chosen on some seeds and compared on others, beside one
without correction whose warm-up is longer.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxtune.config.settings import SweepConfig
from jaxtune.core.schedules import correction_factor, peak, show_rate
from jaxtune.stats.effects import improvement, mean_difference, std_ratio
from jaxtune.stats.hypothesis_tests import location_test
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.wording import show_p, show_share
from jaxtune.study.context import BOTH_ARMS, Study
from jaxtune.study.finding import Claim, Finding, decided, show
from jaxtune.study.measures import (
    by_correction,
    failure_gap,
    joined,
    score_table,
    share_of,
    tally,
)

TITLE = "Figures 5 and 6: bias correction, learning rate, b2 and warm-up"
PAPER = (
    "Without bias correction BERT and ALBERT fail far more often than with it, RoBERTa hardly (RTE,"
    " 25 seeds, learning rates 1e-5 to 3e-5). The correction is a factor sqrt(1-b2^t)/(1-b1^t) on"
    " the learning rate, 0.15 at its lowest and rising to 1. The paper does not separate RoBERTa's"
    " b2 of 0.98 from the model, and does not tune the learning rate of each arm."
)
# Well away from 0, 1, ...: no trial that chose a learning rate judges it.
FIRST_HELD_OUT_SEED = 1000
# A part of a finding: what it says, and its numbers.
Part = tuple[str, dict[str, Any]]


def run(study: Study) -> Finding:
    """Learning rates x correction per model and for a second b2; then each schedule at its best."""
    config = study.config
    models = (config.model, *config.more_models)
    grids = {model: _grid_sweep(study, "learning-rates", model=model) for model in models}
    second = _grid_sweep(study, "second-b2", adam_b2=config.second_b2)
    only_off = {"bias_correction": (False,)}
    warm = _grid_sweep(study, "long-warmup", only_off, warmup_ratio=config.long_warmup)
    main, first = study.main(), Path(config.model).name
    trials = joined(
        [
            *(_rows(study, sweep, "grid", Path(model).name) for model, sweep in grids.items()),
            _rows(study, second, "b2", first),
            _rows(study, warm, "warmup", first),
        ]
    )
    own = trials[trials["model"] == first]
    rates = {name: choose_rate(rows) for name, rows in _schedules(own).items()}
    held_out = joined(
        [
            _rows(study, _held_out_sweep(study, name, rate), "held out", first, name)
            for name, rate in rates.items()
        ]
    )
    factor = _factors(int(trials["num_steps"].iloc[0]), config.second_b2)
    study.write("bias_correction", trials=joined([trials, held_out]), factor=factor)
    return _finding(study, study.rows(main), trials, own, held_out, rates)


def choose_rate(rows: pd.DataFrame) -> float:
    """The learning rate with the highest mean score; of equal ones the lowest."""
    means = rows.groupby("learning_rate")["final"].mean().sort_index()
    return float(means.index[int(means.to_numpy().argmax())])


def _schedules(own: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What the held-out seeds compare: the first model's trials by schedule."""
    off, on = by_correction(own[own["role"] == "grid"])
    return {
        "correction": on,
        "no correction": off,
        "no correction, longer warm-up": own[own["role"] == "warmup"],
    }


def _grid_sweep(study: Study, name: str, arms: dict[str, Any] = BOTH_ARMS, **fields: Any) -> Path:
    """Every learning rate, with the seeds on which one is chosen."""
    grid = {"learning_rate": study.config.learning_rates} | arms
    recipe = study.recipe | fields
    del recipe["learning_rate"]  # it is swept
    return study.sweep(name, grid=grid, num_seeds=study.config.grid_seeds, **recipe)


def _held_out_sweep(study: Study, schedule: str, rate: float) -> Path:
    config = study.config
    last = FIRST_HELD_OUT_SEED + config.held_out_seeds - 1
    more: dict[str, Any] = {"warmup_ratio": config.long_warmup} if "warm-up" in schedule else {}
    return study.sweep(
        f"held-out-{schedule.replace(', ', '-').replace(' ', '-')}",
        bias_correction=schedule == "correction",
        seeds=f"{FIRST_HELD_OUT_SEED}-{last}",
        **study.recipe | more | {"learning_rate": rate},
    )


def _rows(study: Study, sweep: Path, role: str, model: str, schedule: str = "") -> pd.DataFrame:
    """Trials with their part in the study, b2, and their highest effective learning rate."""
    rows = study.rows(sweep)
    table = score_table(rows, role=role, model=model, schedule=schedule)
    table["adam_b2"] = rows["adam_b2"]
    settings: list[Any] = rows.to_dict("records")
    table["peak"] = [peak(row, int(row["num_steps"])).rate for row in settings]
    return table


def _factors(num_steps: int, second_b2: float) -> pd.DataFrame:
    """The correction's factor by step (from 1) for both b2."""
    count, b1 = np.arange(1, num_steps + 1), SweepConfig.adam_b1
    return joined(
        [
            pd.DataFrame({"adam_b2": b2, "step": count, "factor": correction_factor(b1, b2, count)})
            for b2 in (SweepConfig.adam_b2, second_b2)
        ]
    )


def _finding(
    study: Study,
    main: pd.DataFrame,
    trials: pd.DataFrame,
    own: pd.DataFrame,
    held_out: pd.DataFrame,
    rates: dict[str, float],
) -> Finding:
    config = study.config
    gap = failure_gap(*by_correction(main))
    b2_claims, b2_gaps = _about_b2(own)
    by_rate, rate_numbers = _about_rates(trials[trials["role"] == "grid"])
    peaks, peak_numbers = _about_peaks(own)
    compared, held_out_numbers = _about_held_out(held_out, rates)
    default = {"without": gap.one, "with": gap.other}
    numbers = {
        "correction": {"default": default, "gap": gap.difference, "p": gap.test.p, **rate_numbers},
        "b2": b2_gaps,
        "effective_peak": peak_numbers,
        "held_out": held_out_numbers,
        "chosen_learning_rates": rates,
    }
    headline = (
        f"Of the default recipe's trials {tally(gap.one)} failed without correction,"
        f" {tally(gap.other)} with it."
    )
    claim = Claim(
        "the default recipe fails more often without correction", gap.words, gap.fails_more
    )
    notes = [
        f"Learning rates {', '.join(map(show_rate, config.learning_rates))} with"
        f" {config.grid_seeds} seeds each. A schedule's learning rate is the one with the highest"
        " mean on these seeds (the lower one of equals); the comparison has"
        f" {config.held_out_seeds} other seeds, from {FIRST_HELD_OUT_SEED} on.",
        f"The longer warm-up takes {config.long_warmup:.0%} of the steps,"
        f" {SweepConfig.warmup_ratio:.0%} elsewhere.",
        "The effective learning rate is the schedule's, divided by the correction's factor where"
        " the correction is off. Trials of an arm share it: the intervals of the chances take them"
        " for independent.",
        "What the held-out comparison shows holds for these schedules, this model and this number"
        " of steps. The grid is coarse: a best learning rate at its edge may lie beyond it.",
    ]
    notes += [
        f"The best learning rate of [{name}], {show_rate(rate)}, lies at the edge of the grid."
        for name, rate in rates.items()
        if rate in (min(config.learning_rates), max(config.learning_rates))
    ]
    here = " ".join([headline, by_rate, peaks, compared])
    return Finding(TITLE, PAPER, here, [claim, *b2_claims], numbers, notes)


def _about_b2(own: pd.DataFrame) -> tuple[list[Claim], dict[str, Estimate]]:
    """The correction's effect on the first model's failures at each b2, learning rates pooled."""
    pools = [own[own["role"] == role] for role in ("grid", "b2")]
    gaps = {f"{pool['adam_b2'].iloc[0]:g}": failure_gap(*by_correction(pool)) for pool in pools}
    numbers = {name: gap.difference for name, gap in gaps.items()}
    if len(gaps) < 2:  # the second b2 that was asked for is the first
        return [], numbers
    (name, first), (second_name, second) = gaps.items()
    claim = Claim(
        f"with b2 {second_name} in place of {name} the correction changes the failure rate by less"
        " (learning rates pooled, intervals apart)",
        f"b2 {name}: {first.words}; b2 {second_name}: {second.words}",
        _smaller(second.difference, first.difference),
    )
    return [claim], numbers


def _smaller(one: Estimate, other: Estimate) -> bool | None:
    """Whether one change is smaller than another, up or down, their intervals apart."""
    (low, high), (other_low, other_high) = map(_size, (one, other))
    return decided(high < other_low, low > other_high)


def _size(change: Estimate) -> tuple[float, float]:
    """The interval of a change without its sign."""
    assert change.low is not None
    assert change.high is not None
    near, far = sorted((abs(change.low), abs(change.high)))
    return (0.0 if change.low <= 0 <= change.high else near), far


def _about_rates(grid: pd.DataFrame) -> Part:
    """Figure 5: failures by model, learning rate and correction."""
    said: list[str] = []
    numbers: dict[str, Any] = {}
    for model, rows in grid.groupby("model", sort=False):
        own = {
            str(rate): dict(zip(("without", "with"), map(share_of, by_correction(at)), strict=True))
            for rate, at in rows.groupby("learning_rate")
        }
        counts = ", ".join(
            f"{show_rate(float(rate))}: "
            + " and ".join(f"{part.count}/{part.n}" for part in both.values())
            for rate, both in own.items()
        )
        said.append(f"{model}, failed without and with correction, by learning rate: {counts}.")
        numbers[str(model)] = own
    return " ".join(said), numbers


def _about_peaks(trials: pd.DataFrame) -> Part:
    """How well the learning rate as set, and at its effective peak, tells failed trials apart."""
    failed = trials["failed"].to_numpy(bool)
    if failed.all() or not failed.any():
        kind = "every" if failed.all() else "no"
        return f"In these sweeps {kind} trial failed, so nothing tells failures apart.", {}
    chances = {
        name: improvement(
            trials.loc[failed, column].to_numpy(float), trials.loc[~failed, column].to_numpy(float)
        )
        for name, column in (("as set", "learning_rate"), ("in effect at its peak", "peak"))
    }
    words = "; ".join(f"{name} {show(chance, 2)}" for name, chance in chances.items())
    return (
        "Chance that a failed trial has a higher learning rate than one that did not fail (0.5: no"
        f" relation), over {len(trials)} trials of all schedules: {words}.",
        chances,
    )


def _about_held_out(held_out: pd.DataFrame, rates: dict[str, float]) -> Part:
    """Every schedule at its own learning rate, on seeds that did not choose it."""
    said, numbers, scores = [], {}, {}
    for name, rate in rates.items():
        rows = held_out[held_out["schedule"] == name].sort_values("seed")
        scores[name] = final = rows["final"].to_numpy(float)
        mean, failed = float(final.mean()), share_of(rows)
        std = float(np.std(final, ddof=1)) if len(final) > 1 else None
        numbers[name] = {"learning_rate": rate, "mean": mean, "std": std, "failed": failed}
        said.append(
            f"[{name}] at {show_rate(rate)}: mean {mean:.3f}, std"
            f" {'-' if std is None else format(std, '.3f')}, {show_share(failed)}"
        )
    base, *others = rates
    for name in others:
        both = scores[base], scores[name]
        difference, test = mean_difference(*both, paired=True), location_test(*both, paired=True)
        ratio = std_ratio(*both)
        numbers[f"{base} minus {name}"] = {"mean": difference, "p": test.p, "std_ratio": ratio}
        said.append(
            f"[{base}] minus [{name}]: {show(difference)}, {test.test}"
            f" {show_p(test.p, test.at_most)}"
        )
    return (
        f"Each schedule at its own best learning rate, held-out seeds: {'; '.join(said)}.",
        numbers,
    )
