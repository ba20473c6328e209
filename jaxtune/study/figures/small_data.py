"""Figure 3: few training examples, at the same epochs and at the same number of steps."""

from pathlib import Path
from typing import Any

import pandas as pd

from jaxtune.config.settings import SweepConfig
from jaxtune.data.dataset import read_dataset
from jaxtune.data.packing import steps_per_epoch
from jaxtune.stats.effects import mean_difference
from jaxtune.stats.wording import show_p
from jaxtune.study.context import BOTH_ARMS, Study
from jaxtune.study.finding import Claim, Finding, above, show
from jaxtune.study.measures import (
    arm_numbers,
    arm_words,
    by_correction,
    failure_gap,
    joined,
    score_table,
    tally,
)

TITLE = "Figure 3: a small training set, for as many epochs or as many steps"
PAPER = (
    "BERT-large on 1,000 examples often fails in 3 epochs, but hardly in as many steps as 3 epochs"
    " of the full set, so that few examples are not by themselves the cause. On MRPC, CoLA and"
    " QNLI, 25 seeds, 3 epochs end far below the full set's results and vary much; as many steps"
    " leave 0, 1 and 0 failures."
)
ARMS = ("without correction", "with correction")


def run(study: Study) -> Finding:
    """Full set, subset for as many epochs and for as many steps, with and without correction."""
    config = study.config
    sweeps = {task: _sweeps(study, task) for task in config.small_tasks or config.tasks}
    tables, claims, failures, details = [], [], [], []
    numbers: dict[str, Any] = {}
    for task, folders in sweeps.items():
        rows = {name: study.rows(folder) for name, folder in folders.items()}
        tables += [score_table(own, task=task, set=name) for name, own in rows.items()]
        numbers[task] = {}
        for arm, label in enumerate(ARMS):
            sets = {name: by_correction(own)[arm] for name, own in rows.items()}
            arms = {name: arm_numbers(own) for name, own in sets.items()}
            judged, own_claims, full_set = _judge(task, sets)
            numbers[task][label] = arms | judged
            details.append(f"{task}, {label}: {arm_words(arms)}.")
            if arm == 0:  # the paper ran this one alone
                claims += own_claims
                details.append(full_set)
                counts = [f"{tally(arm['failed'])} ({name})" for name, arm in arms.items()]
                failures.append(f"{task}: {', '.join(counts)}")
    study.write("small_data", trials=joined(tables))
    return Finding(
        title=TITLE,
        paper=PAPER,
        here=f"Failed without correction on {'; '.join(failures)}. {' '.join(details)}",
        claims=claims,
        numbers=numbers,
        notes=[
            f"{config.small_examples:,} random training examples, the same ones for every seed"
            " (subset seed 0).",
            "The full set's arms have more seeds: they come from the sweep of the default recipe.",
        ],
    )


def _sweeps(study: Study, task: str) -> dict[str, Path]:
    config = study.config
    epochs: dict[str, Any] = {
        "task": task,
        "grid": BOTH_ARMS,
        "num_seeds": config.small_seeds,
        "train_examples": config.small_examples,
        **study.recipe,
    }
    max_steps = config.num_epochs * _steps_per_epoch(study, task)
    steps: dict[str, Any] = {"max_steps": max_steps} | epochs
    del steps["num_epochs"]
    return {
        "full set": study.main(task),
        "as many epochs": study.sweep("small-epochs", **epochs),
        "as many steps": study.sweep("small-steps", **steps),
    }


def _steps_per_epoch(study: Study, task: str) -> int:
    """Of the training set that the other studies use."""
    config = study.config
    size = config.train_examples
    if size is None:
        size = len(read_dataset(SweepConfig(task=task, data_dir=config.data_dir)).train.labels)
    return steps_per_epoch(size, SweepConfig().batch_size)


def _judge(task: str, sets: dict[str, pd.DataFrame]) -> tuple[dict[str, Any], list[Claim], str]:
    """One arm on one task: numbers, claims, and what the full set says of the cause."""
    full, epochs, steps = sets.values()
    difference = mean_difference(steps["final"].to_numpy(float), epochs["final"].to_numpy(float))
    gap, of_full = failure_gap(epochs, steps), failure_gap(full, steps)
    claims = [
        Claim(
            f"on {task} as many steps have a higher mean than as many epochs (interval above 0)",
            show(difference),
            above(difference),
        ),
        Claim(f"on {task} as many epochs fail more often", gap.words, gap.fails_more),
    ]
    full_set = (
        f"The full set itself fails in {tally(of_full.one)} after these steps (against the subset"
        f" {show_p(of_full.test.p)})"
    )
    if of_full.fails_more is not True and of_full.one.value > 0.5:
        full_set += (
            ": the recipe fails whatever the data, so that more steps cannot be the cure here"
        )
    numbers = {
        "holds": [claim.holds for claim in claims],
        "mean_difference": difference,
        "failure_gap": gap.difference,
        "failure_p": gap.test.p,
    }
    return numbers, claims, f"{full_set}."
