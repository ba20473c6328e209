"""Figure 3: few training examples, at the same epochs and at the same number of steps."""

from pathlib import Path
from typing import Any

import pandas as pd

from jaxtune.config.settings import SweepConfig
from jaxtune.data.packing import steps_per_epoch
from jaxtune.stats.arms import Arm
from jaxtune.stats.hypothesis_tests import contrast
from jaxtune.stats.wording import show_p
from jaxtune.study.context import AT_THE_END, Study, write_table
from jaxtune.study.finding import Finding, above, agreement, show
from jaxtune.study.measures import arm_numbers, arm_words, fails_more, failure_gap, score_table
from jaxtune.training.prepare import read_dataset

TITLE = "Figure 3: a small training set, for as many epochs or as many steps"
PAPER = (
    "BERT-large on 1,000 examples of MRPC, CoLA and QNLI, 25 seeds: 3 epochs end far below the full"
    " set's results and vary much; as many steps as 3 epochs of the full set take away most"
    " failures (0, 1 and 0 of 25), so that few examples are not by themselves the cause."
)
RULE = (
    "The rule, per task and in the arm without bias correction, which the paper ran: the interval"
    " of the difference in means (as many steps minus as many epochs) lies above 0, and as many"
    " epochs fails more often by Boschloo's test."
)
SETS = ("full set", "as many epochs", "as many steps")


def run(study: Study) -> Finding:
    """Full set, subset for the same epochs, subset for the same steps, each with and without
    correction.
    """
    config = study.config
    tasks = config.small_tasks or config.tasks
    sweeps = {task: _sweeps(study, task) for task in tasks}
    tables, parts, said, why = [], [], [], []
    numbers: dict[str, Any] = {}
    for task, folders in sweeps.items():
        tables += [
            score_table(study.rows(folder), task=task, set=name) for name, folder in folders.items()
        ]
        own: dict[str, Any] = {}
        for correction in (False, True):
            label = "with correction" if correction else "without correction"
            arms = {name: _arm(study, folder, correction) for name, folder in folders.items()}
            judged = _judge(arms)
            own[label] = {name: arm_numbers(arm) for name, arm in arms.items()} | judged
            words = "; ".join(arm_words(name, arm) for name, arm in arms.items())
            said.append(f"{task}, {label}: {words}.")
            if not correction:
                parts += judged["holds"]
                why.append(
                    f"{task}: means differ by {judged['words']}; failures {judged['failures']}."
                    f" {judged['full_set']}"
                )
        numbers[task] = own
    write_table(study.folder("small_data") / "trials.parquet", pd.concat(tables, ignore_index=True))
    notes = [
        (
            f"{config.small_examples:,} random training examples, the same ones for every seed"
            " (subset seed 0)."
        ),
        "The full set's arms have more seeds, for they come from the sweep of the default recipe.",
    ]
    return Finding(
        TITLE, PAPER, " ".join(said), agreement(parts), f"{RULE} {' '.join(why)}", numbers, notes
    )


def _sweeps(study: Study, task: str) -> dict[str, Path]:
    config = study.config
    steps = config.num_epochs * _steps_per_epoch(study, task)
    shared: dict[str, Any] = {
        "task": task,
        "grid": {"bias_correction": (False, True)},
        "learning_rate": config.learning_rate,
        "num_seeds": config.small_seeds,
        "train_examples": config.small_examples,
        "eval_every": AT_THE_END,
    }
    return {
        "full set": study.main(task),
        "as many epochs": study.sweep("small-epochs", num_epochs=config.num_epochs, **shared),
        "as many steps": study.sweep("small-steps", max_steps=steps, **shared),
    }


def _steps_per_epoch(study: Study, task: str) -> int:
    """Of the training set that the other studies use."""
    config = study.config
    size = config.train_examples
    if size is None:
        size = len(read_dataset(SweepConfig(task=task, data_dir=config.data_dir)).train.labels)
    return steps_per_epoch(size, SweepConfig().batch_size)


def _arm(study: Study, sweep: Path, correction: bool) -> Arm:
    (arm,) = [arm for arm in study.arms(sweep) if arm.settings["bias_correction"] == correction]
    return arm


def _judge(arms: dict[str, Arm]) -> dict[str, Any]:
    steps, epochs = arms["as many steps"], arms["as many epochs"]
    means = contrast(steps.final, epochs.final).mean_difference
    gap, test = failure_gap(epochs, steps)
    full = arms["full set"]
    same_steps, of_full = failure_gap(full, steps)
    no_cure = fails_more(same_steps, of_full) is not True and 2 * full.failed.sum() > len(full)
    return {
        "holds": [above(means), fails_more(gap, test)],
        "mean_difference": means._asdict(),
        "failure_gap": gap._asdict(),
        "failure_p": test.p,
        "full_set": (
            f"The full set itself fails in {full.failed.sum()} of {len(full)} after these steps"
            f" (against the subset {show_p(of_full.p)})"
            + (
                ": the recipe fails whatever the data, so that more steps cannot be the cure here."
                if no_cure
                else "."
            )
        ),
        "words": show(means),
        "failures": (
            f"{epochs.failed.sum()} of {len(epochs)} against {steps.failed.sum()} of {len(steps)}"
        ),
    }
