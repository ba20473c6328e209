"""Plans of small sweeps over the miniature, and their trials run in groups of any size."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from jaxtune.config.parse import parse
from jaxtune.config.trials import make_trials
from jaxtune.storage.curves import History
from jaxtune.training.group_inputs import put_on_devices
from jaxtune.training.group_run import GroupRun
from jaxtune.training.outcome import TrialResult
from jaxtune.training.plan import ProgramPlan, make_plans
from jaxtune.training.program import make_mesh, recent_program

STEPS = 6


def plans_for(model: str, *flags: str) -> list[ProgramPlan]:
    common = ["--model", model, "--task", "miniature", "--train_examples", "100"]
    return make_plans(make_trials(parse([*common, *flags])))


def plan_for(model: str, *flags: str, platform: str | None = None) -> ProgramPlan:
    """The single program of a small sweep over 100 sentences, as it is made for a platform."""
    common = ["--model", model, "--task", "miniature", "--max_steps", str(STEPS)]
    common += ["--learning_rate", "1e-3", "--train_examples", "100", "--log_every", "2"]
    (plan,) = make_plans(make_trials(parse([*common, *flags])), platform=platform)
    return plan


def run(
    plan: ProgramPlan, num_devices: int, group_size: int, seeds=None, make=recent_program, **recipe
):
    """Results by seed (and arm), run in waves of `group_size` on the first devices; with
    `GroupProgram` to make it, in a program that nothing else has called.
    """
    program = make(
        dataclasses.replace(plan.static, **recipe),
        make_mesh(jax.devices()[:num_devices]),
        group_size,
        plan.task.model,
    )
    tables = put_on_devices(program, plan.task)
    trials = [t for t in plan.trials if seeds is None or t.seeds.seed in seeds]
    if seeds is not None:
        trials.sort(key=lambda trial: list(seeds).index(trial.seeds.seed))
    results = {}
    for start in range(0, len(trials), group_size):
        group = trials[start : start + group_size]
        history = History(plan.config.log_every)
        for result in GroupRun(program, plan, tables, group, [history]).run():
            results[(result.trial.seeds.seed, result.trial.arm)] = result
    return results, program


def assert_same(one: TrialResult, other: TrialResult):
    assert np.array_equal(one.logits, other.logits)
    assert one.train_loss == other.train_loss
    assert one.final == other.final
    for path, leaf in one.params.items():
        jax.tree.map(np.testing.assert_array_equal, leaf, other.params[path])


def custom_files(folder: Path) -> list[str]:
    """A task of a few words only."""
    paths = [f"{folder}/{name}.csv" for name in ("train", "dev")]
    rows = [
        "text,label",
        "the dog sleeps,1",
        "two dogs sleep,0",
        "a dog sleeps,1",
        "a chef cooks,0",
    ]
    for path in paths:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join([rows[0], *rows[1:] * 30]) + "\n")
    return ["--train_file", paths[0], "--dev_file", paths[1]]
