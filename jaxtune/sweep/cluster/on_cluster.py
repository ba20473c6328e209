"""What the command takes of this folder: workers, plans for them, groups that run there."""

import contextlib
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.storage.inputs import Inputs
from jaxtune.sweep.cluster.connection import joined
from jaxtune.sweep.cluster.driving import ClusterGroups
from jaxtune.sweep.cluster.sent_files import sent
from jaxtune.sweep.cluster.workers import Workers
from jaxtune.sweep.train import GroupsOf
from jaxtune.training.plan import ProgramPlan, stacks_trials
from jaxtune.training.plan_facts import shape_facts


@contextlib.contextmanager
def workers_of(config: SweepConfig) -> Generator[Workers]:
    """The workers of the cluster that is asked for, which begin at once; all end with the block."""
    with joined(config.ray_address, config.runtime_env):
        workers = Workers(config.compile_cache)
        try:
            yield workers
        finally:
            workers.stop()


def for_workers(plans: Sequence[ProgramPlan], platform: str) -> list[ProgramPlan]:
    """Plans whose shapes are those of workers; each worker chooses for itself how many trials it
    runs at once.
    """
    return [
        plan.stacking((plan.chosen or 2) if stacks_trials(plan.config, platform) else 1)
        for plan in plans
    ]


def groups_on(workers: Workers, settings: Settings, inputs: Inputs) -> GroupsOf:
    """What trains plans on these workers; with `runtime_env` their files are sent now.

    Raises UserError where Ray has no room for them.
    """
    files = sent(inputs) if settings.base.runtime_env else {}
    return partial(ClusterGroups, workers, settings, inputs, files)


def facts_of(plans: Sequence[ProgramPlan], workers: Workers) -> dict[str, Any]:
    """What of the manifest is another one on a cluster; who ran what is noted as groups end."""
    groups = [{"trials": len(plan.trials), **shape_facts(plan)} for plan in plans]
    return {"devices": [f"{workers.platform}: workers of a Ray cluster"], "groups": groups}
