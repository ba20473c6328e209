"""Figures 5 and 6, and what they leave open: is it the correction, Adam's b2, or simply the size of
the early steps?

In the paper's form the correction is a factor on the learning-rate schedule. So each arm is also
given its own best learning rate, chosen on some seeds and compared on others, beside an arm without
correction whose warm-up is longer.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxtune.config.settings import SweepConfig
from jaxtune.core.schedules import correction_factor, peak, show_rate
from jaxtune.study.context import AT_THE_END, Study, write_table
from jaxtune.study.correction_findings import (
    HELD_OUT,
    about_b2,
    about_correction,
    about_held_out,
    about_peaks,
)
from jaxtune.study.finding import Finding, agreement
from jaxtune.study.measures import ALPHA, score_table

TITLE = "Figures 5 and 6: bias correction, learning rate, b2 and warm-up"
PAPER = (
    "On RTE, 25 seeds, learning rates 1e-5 to 3e-5: without bias correction BERT and ALBERT fail"
    " far more often than with it, RoBERTa hardly. The correction is a factor sqrt(1-b2^t)/(1-b1^t)"
    " on the learning rate, 0.15 at its lowest and rising to 1. The paper does not separate"
    " RoBERTa's b2 of 0.98 from the model, and does not tune the learning rate of each arm."
)
RULE = (
    f"The rule (Boschloo's test at {ALPHA}): in the sweep of the default recipe more trials fail"
    " without the correction; and with b2 at 0.98 the correction changes the failure rate by less,"
    " the two intervals of the difference (all learning rates pooled) apart."
)
# Well away from 0, 1, ...: no trial that chose a learning rate judges it.
FIRST_HELD_OUT_SEED = 1000


def run(study: Study) -> Finding:
    """Learning rates x correction, per model and for a second b2; then every schedule at its best
    learning rate.
    """
    config = study.config
    models = (config.model, *config.more_models)
    grids = {model: _grid_sweep(study, "learning-rates", (False, True), model) for model in models}
    second = _grid_sweep(study, "second-b2", (False, True), adam_b2=config.second_b2)
    warm = _grid_sweep(study, "long-warmup", (False,), warmup_ratio=config.long_warmup)
    main = study.main()
    trials = pd.concat(
        [
            *(_rows(study, sweep, "grid", Path(m).name) for m, sweep in grids.items()),
            _rows(study, second, "b2", Path(config.model).name),
            _rows(study, warm, "warmup", Path(config.model).name),
        ],
        ignore_index=True,
    )
    schedules = _schedules(trials, Path(config.model).name)
    rates = {name: choose_rate(rows) for name, rows in schedules.items()}
    held_out = pd.concat(
        [
            _rows(
                study, _held_out_sweep(study, name, rate), HELD_OUT, Path(config.model).name
            ).assign(schedule=name)
            for name, rate in rates.items()
        ],
        ignore_index=True,
    )
    everything = pd.concat([trials, held_out], ignore_index=True)
    folder = study.folder("bias_correction")
    write_table(folder / "trials.parquet", everything)
    num_steps = int(trials["num_steps"].iloc[0])
    write_table(folder / "factor.parquet", _factors(num_steps, config.second_b2))
    return _finding(study, study.rows(main), trials, held_out, rates)


def _finding(
    study: Study,
    main: pd.DataFrame,
    trials: pd.DataFrame,
    held_out: pd.DataFrame,
    rates: dict[str, float],
) -> Finding:
    config = study.config
    corrected = about_correction(main, trials, Path(config.model).name)
    b2 = about_b2(trials, Path(config.model).name)
    peaks = about_peaks(trials[trials["model"] == Path(config.model).name])
    compared = about_held_out(held_out, rates)
    here = " ".join(part.words for part in (corrected, b2, peaks, compared))
    numbers: dict[str, Any] = {
        "correction": corrected.numbers,
        "b2": b2.numbers,
        "effective_peak": peaks.numbers,
        "held_out": compared.numbers,
        "chosen_learning_rates": rates,
    }
    notes = [
        (
            f"Learning rates {', '.join(map(show_rate, config.learning_rates))} with"
            f" {config.grid_seeds} seeds each. A schedule's learning rate is the one with the"
            " highest mean on these seeds (the lower one of equals); the comparison has"
            f" {config.held_out_seeds} other seeds, from {FIRST_HELD_OUT_SEED} on."
        ),
        (
            f"The longer warm-up takes {config.long_warmup:.0%} of the steps,"
            f" {SweepConfig.warmup_ratio:.0%} elsewhere."
        ),
        (
            "The effective learning rate is the schedule's, divided by the correction's factor"
            " where the correction is off. Trials of an arm share it: the intervals of the chances"
            " take them for independent."
        ),
        (
            "What the held-out comparison shows holds for these schedules, this model and this"
            " number of steps. The grid is coarse: a best learning rate at its edge may lie"
            " beyond it."
        ),
    ]
    notes += [
        f"The best learning rate of [{name}], {show_rate(rate)}, lies at the edge of the grid."
        for name, rate in rates.items()
        if rate in (min(config.learning_rates), max(config.learning_rates))
    ]
    holds = agreement([*corrected.holds, *b2.holds])
    return Finding(TITLE, PAPER, here, holds, RULE, numbers, notes)


def choose_rate(rows: pd.DataFrame) -> float:
    """The learning rate with the highest mean score; of equal ones the lowest."""
    means = rows.groupby("learning_rate")["final"].mean().sort_index()
    return float(means.index[int(means.to_numpy().argmax())])


def _schedules(trials: pd.DataFrame, model: str) -> dict[str, pd.DataFrame]:
    grid = trials[(trials["role"] == "grid") & (trials["model"] == model)]
    return {
        "correction": grid[grid["bias_correction"]],
        "no correction": grid[~grid["bias_correction"]],
        "no correction, longer warm-up": trials[trials["role"] == "warmup"],
    }


def _grid_sweep(
    study: Study,
    name: str,
    corrections: tuple[bool, ...],
    model: str | None = None,
    **fields: Any,
) -> Path:
    """Every learning rate, with the seeds on which one is chosen."""
    config = study.config
    return study.sweep(
        name,
        model=model,
        grid={"learning_rate": config.learning_rates, "bias_correction": corrections},
        num_epochs=config.num_epochs,
        num_seeds=config.grid_seeds,
        eval_every=AT_THE_END,
        **fields,
    )


def _held_out_sweep(study: Study, schedule: str, rate: float) -> Path:
    config = study.config
    last = FIRST_HELD_OUT_SEED + config.held_out_seeds - 1
    more: dict[str, Any] = {"warmup_ratio": config.long_warmup} if "warm-up" in schedule else {}
    return study.sweep(
        f"held-out-{schedule.replace(', ', '-').replace(' ', '-')}",
        learning_rate=rate,
        bias_correction=schedule == "correction",
        num_epochs=config.num_epochs,
        seeds=f"{FIRST_HELD_OUT_SEED}-{last}",
        eval_every=AT_THE_END,
        **more,
    )


def _rows(study: Study, sweep: Path, role: str, model: str) -> pd.DataFrame:
    """Trials with what the pictures need: their part in the study, b2, and their highest effective
    learning rate.
    """
    rows = study.rows(sweep)
    table = score_table(rows, role=role, model=model, schedule="")
    table["adam_b2"] = rows["adam_b2"]
    settings: list[Any] = rows.to_dict("records")
    table["peak"] = [peak(row, int(row["num_steps"])).rate for row in settings]
    return table


def _factors(num_steps: int, second_b2: float) -> pd.DataFrame:
    """The correction's factor by step (from 1) for both b2."""
    count = np.arange(1, num_steps + 1)
    b1 = SweepConfig.adam_b1
    return pd.concat(
        [
            pd.DataFrame({"adam_b2": b2, "step": count, "factor": correction_factor(b1, b2, count)})
            for b2 in (SweepConfig.adam_b2, second_b2)
        ],
        ignore_index=True,
    )
