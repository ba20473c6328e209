"""Figure 1 and table 1: the original recipe, Mixout, and the recommended recipe, over seeds."""

from typing import Any

import numpy as np
import pandas as pd

from jaxtune.stats.arms import Arm
from jaxtune.stats.hypothesis_tests import brown_forsythe
from jaxtune.stats.wording import show_p
from jaxtune.study.context import AT_THE_END, Study, write_table
from jaxtune.study.finding import Finding, agreement
from jaxtune.study.measures import ALPHA, arm_numbers, arm_words, score_table

TITLE = "Figure 1 and table 1: three recipes over seeds"
PAPER = (
    "BERT-large on RTE, MRPC and CoLA, 25 seeds: the original recipe (no bias correction, 3 epochs)"
    " and Mixout fail in many trials; bias correction with 20 epochs has the smallest std and the"
    " highest mean on every task, no failed trial, and a smaller variance than the second-smallest"
    " by Levene's test (p < 0.001)."
)
RULE = (
    "The rule, per task: the recommended recipe (mosbach) has the smallest std and the highest"
    " mean, none of its trials failed, and the Brown-Forsythe test against the second-smallest std"
    f" gives p < {ALPHA}."
)
RECIPES = ("devlin", "mixout", "mosbach")


def run(study: Study) -> Finding:
    """The three recipes on every task."""
    config = study.config
    sweeps = {task: _sweeps(study, task) for task in config.tasks}
    tables, parts, said, why = [], [], [], []
    numbers: dict[str, Any] = {}
    for task, folders in sweeps.items():
        rows = {name: study.rows(folders[name]) for name in RECIPES}
        rows["devlin"] = rows["devlin"][~rows["devlin"]["bias_correction"]]
        tables += [score_table(rows[name], task=task, recipe=name) for name in RECIPES]
        arms = {name: _arm(study, folders[name], name) for name in RECIPES}
        verdict = _judge(arms)
        parts += list(verdict["holds"].values())
        numbers[task] = {name: arm_numbers(arm) for name, arm in arms.items()} | verdict
        words = "; ".join(arm_words(name, arm) for name, arm in arms.items())
        said.append(f"{task} ({arms['devlin'].metric}): {words}.")
        why.append(f"{task}: {verdict['words']}.")
    write_table(study.folder("baselines") / "trials.parquet", pd.concat(tables, ignore_index=True))
    notes = [
        "A std is also small where every trial fails: read it beside the failures and the mean.",
        (
            f"Mixout {config.mixout:g} in place of dropout, with bias correction,"
            f" {config.num_epochs} epochs; the paper does not say how it set Mixout."
        ),
        (
            f"Seeds: {config.num_seeds} (devlin), {config.mixout_seeds} (mixout),"
            f" {config.stable_seeds} (mosbach); learning rates {config.learning_rate:g} (devlin,"
            f" mixout) and {config.stable_learning_rate:g} (mosbach)."
        ),
    ]
    here = " ".join(said)
    return Finding(TITLE, PAPER, here, agreement(parts), f"{RULE} {' '.join(why)}", numbers, notes)


def _sweeps(study: Study, task: str) -> dict[str, Any]:
    config = study.config
    mixout = study.sweep(
        "mixout",
        task=task,
        learning_rate=config.learning_rate,
        num_epochs=config.num_epochs,
        num_seeds=config.mixout_seeds,
        bias_correction=True,
        mixout=config.mixout,
        dropout=0.0,
        eval_every=AT_THE_END,
    )
    return {"devlin": study.main(task), "mixout": mixout, "mosbach": study.stable(task)}


def _arm(study: Study, sweep: Any, name: str) -> Arm:
    wanted = name != "devlin"
    (arm,) = [arm for arm in study.arms(sweep) if arm.settings["bias_correction"] == wanted]
    return arm


def _judge(arms: dict[str, Arm]) -> dict[str, Any]:
    """Which parts of the paper's claim hold on one task."""
    stds = {name: float(np.std(arm.final, ddof=1)) for name, arm in arms.items()}
    means = {name: float(arm.final.mean()) for name, arm in arms.items()}
    rest = sorted((name for name in arms if name != "mosbach"), key=stds.__getitem__)
    test = brown_forsythe(arms["mosbach"].final, arms[rest[0]].final)
    failed = int(arms["mosbach"].failed.sum())
    holds = {
        "smallest_std": stds["mosbach"] < stds[rest[0]],
        "highest_mean": means["mosbach"] == max(means.values()),
        "none_failed": failed == 0,
        "smaller_variance": (
            None if test.p is None or test.p >= ALPHA else stds["mosbach"] < stds[rest[0]]
        ),
    }
    words = (
        f"{'' if holds['smallest_std'] else 'not '}the smallest std,"
        f" {'' if holds['highest_mean'] else 'not '}the highest mean, {failed} failed, {test.test}"
        f" against {rest[0]} {show_p(test.p)}"
    )
    return {"holds": holds, "brown_forsythe_p": test.p, "second": rest[0], "words": words}
