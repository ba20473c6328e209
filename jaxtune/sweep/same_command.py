"""Whether the processes of a run have one sweep before them: else trials of two would stand in one
OUT, as those of one.
"""

from collections.abc import Sequence
from typing import Any

import jax
import yaml

from jaxtune.config.parse import Settings
from jaxtune.core.errors import UserError
from jaxtune.core.processes import everyones
from jaxtune.storage.inputs import Input, Inputs, changes
from jaxtune.storage.same_config import config_changes
from jaxtune.sweep.same_plan import fingerprint, versions
from jaxtune.training.plan import ProgramPlan

# Beside what config.yaml holds: who differs in these waits for others at other places.
OF_THE_COMMAND = ("shard", "overwrite", "dry_run", "device", "cluster")


def check_same_command(settings: Settings) -> None:
    """Raises UserError in all processes where one has other settings or versions than the first.

    Where model and data lie may differ, and so may what only the first process uses.
    """
    if jax.process_count() == 1:
        return
    (first, code), *others = everyones([_config(settings), versions()])
    for process, (config, theirs) in enumerate(others, 1):
        if changed := config_changes(first, config, paths_too=False, seeds_too=True):
            raise UserError(
                f"Process {process} was given another sweep than process 0 ({'; '.join(changed)});"
                " give every process the same command."
            )
        if theirs != code:
            differ = [f"{n} {theirs[n]}, not {code[n]}" for n in code if theirs[n] != code[n]]
            raise UserError(
                f"Process {process} has other versions than process 0 ({'; '.join(differ)});"
                " install the same for all."
            )


def check_same_reading(plans: Sequence[ProgramPlan], inputs: Inputs) -> None:
    """Raises UserError in all processes where one has read other files, tokens or labels than the
    first.
    """
    if jax.process_count() == 1 or not plans:
        return
    (files, tokens), *others = everyones([inputs, [fingerprint(plan) for plan in plans]])
    for process, (theirs, read) in enumerate(others, 1):
        if changed := changes(_inputs(files), _inputs(theirs), whole=True):
            raise UserError(
                f"Model or data of process {process} are not those of process 0"
                f" ({'; '.join(changed)}); give every process the same files."
            )
        if read != tokens:
            raise UserError(
                f"Process {process} reads other tokens or labels than process 0; give every process"
                " the same files."
            )


def _config(settings: Settings) -> str:
    config = yaml.safe_load(settings.as_yaml())
    given = {name: getattr(settings.base, name) for name in OF_THE_COMMAND}
    return yaml.safe_dump(config | given)


def _inputs(given: dict[str, Any]) -> Inputs:
    """As they were before JSON."""
    return {role: Input(*file) for role, file in given.items()}
