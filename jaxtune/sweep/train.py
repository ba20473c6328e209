"""Trains the trials of a sweep, program by program; of one that adds seeds, look by look."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, zip_longest
from pathlib import Path

import jax

from jaxtune.config.looks import trials_at_looks
from jaxtune.config.parse import Settings
from jaxtune.config.trials import Trial
from jaxtune.core.console import say
from jaxtune.core.processes import worst, writes
from jaxtune.core.records import AtOnce
from jaxtune.core.signals import Interruption
from jaxtune.core.words import plural
from jaxtune.storage.paths import CHECKPOINTS, TENSORBOARD
from jaxtune.storage.sweep_checkpoints import SweepCheckpoints
from jaxtune.storage.tensorboard import drop_other_runs, names_of_arms
from jaxtune.storage.trial_rows import read_rows
from jaxtune.sweep.conclude import is_decided
from jaxtune.sweep.groups import LocalGroups, RunningProgram
from jaxtune.sweep.keep_trials import run_best
from jaxtune.sweep.meter import Meter
from jaxtune.sweep.progress import SweepProgress
from jaxtune.sweep.results import RunsGroups, SweepResults
from jaxtune.training.plan import ProgramPlan


def is_done(out: Path, settings: Settings, finished: Mapping[int, AtOnce]) -> bool:
    """Whether OUT holds all trials, or the verdict that seeds were to be added for."""
    if not settings.base.until_decided:
        return False  # then no trial is pending
    looks = trials_at_looks(settings.base, len(settings.arms))
    reached = [n for n in looks if finished.keys() >= set(range(n))]
    done = looks[-1] in reached or (
        writes() and any(is_decided(out, settings.base, n) for n in reached)
    )
    return bool(worst([done])[0])


# What trains the trials of these plans, and asks now and then whether to stop.
GroupsOf = Callable[[Sequence[ProgramPlan], SweepResults, Interruption], RunsGroups]
# The trials of each plan that are to run now.
Pending = Sequence[Sequence[Trial]]


def train(
    out: Path,
    plans: Sequence[ProgramPlan],
    settings: Settings,
    num_trials: int,
    elsewhere: GroupsOf | None = None,
) -> Meter:
    """All trials, or those of one look at the verdict after the other until it is decided.

    Args:
        num_trials: that this command runs, or has run.
        elsewhere: what trains them, if not this process.
    """
    meter, arms = Meter(), len(settings.arms)
    running: dict[int, RunningProgram] = {}  # for all looks
    # Several processes could not agree on when to stop or to save: there finished groups are what
    # stays.
    alone = jax.process_count() == 1
    with Interruption(watch=alone) as asked:

        def groups_of(results: SweepResults, checkpoints: SweepCheckpoints) -> RunsGroups:
            if elsewhere:
                return elsewhere(plans, results, asked)
            return LocalGroups(plans, running, results, checkpoints if alone else None, asked)

        looks = _looks(plans, settings, num_trials)
        for (trials, pending), later in zip_longest(looks, looks[1:]):
            if any(pending):
                _train_trials(out, plans, settings, pending, trials, meter, groups_of)
            if later is None or worst([writes() and is_decided(out, settings.base, trials)])[0]:
                break
            asked.stop_here()  # a signal may have come as the last group ended
            if writes():
                seeds = plural(trials // arms, "seed")
                say(
                    f"After {seeds} per arm none was shown to be more stable than all others:"
                    f" going on to {later[0] // arms}."
                )
    return meter


def _looks(
    plans: Sequence[ProgramPlan], settings: Settings, num_trials: int
) -> list[tuple[int, Pending]]:
    """How many trials there are at each look at the verdict, and those that are new there."""
    pending = [plan.pending for plan in plans]
    if not settings.base.until_decided:
        return [(num_trials, pending)]
    looks = trials_at_looks(settings.base, len(settings.arms))
    return [
        (trials, [[t for t in own if before <= t.number < trials] for own in pending])
        for before, trials in pairwise((0, *looks))
    ]


def _train_trials(
    out: Path,
    plans: Sequence[ProgramPlan],
    settings: Settings,
    pending: Pending,
    num_trials: int,
    meter: Meter,
    groups_of: Callable[[SweepResults, SweepCheckpoints], RunsGroups],
) -> None:
    """All groups of all programs; each leaves its results before the next begins.

    Args:
        num_trials: with those that have run before.
    """
    steps = sum(plan.num_steps * len(own) for plan, own in zip(plans, pending, strict=True))
    trials = [trial for own in pending for trial in own]
    checkpoints = SweepCheckpoints(out / CHECKPOINTS, say, settings.base.checkpoint_every, trials)
    names = names_of_arms(settings)
    if writes() and checkpoints.leave_out_others():
        drop_other_runs(out / TENSORBOARD, read_rows(out), names)
    with SweepProgress(num_trials, num_trials - len(trials), steps) as progress:
        results = SweepResults(out, tuple(settings.grid), names, progress, meter)
        groups = groups_of(results, checkpoints)
        if settings.base.keep_trials is None:
            groups.run(pending)
        else:
            run_best(groups, results, plans, settings.base.keep_trials)
    if writes():
        checkpoints.discard()
