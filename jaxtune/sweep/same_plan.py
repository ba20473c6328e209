"""Whether another process or worker has read what this one has, and computes with the same code."""

import dataclasses
import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

import jaxtune.core.version as version
from jaxtune.config.parse import Settings
from jaxtune.core.errors import UserError
from jaxtune.storage.inputs import Input, changes, read_inputs
from jaxtune.storage.manifest import PACKAGES
from jaxtune.training.plan import ProgramPlan


def versions() -> dict[str, str]:
    """What decides the bits of a trial beside its settings and files, by name."""
    found = {name: metadata.version(name) for name in PACKAGES}
    code = f"{version.__version__} (source {_source()})"
    return {"jaxtune": code, **found, "python": platform.python_version()}


def _source() -> str:
    """Eight hex digits of the package's own code: checkouts of one version may differ."""
    root = Path(version.__file__).parents[1]
    found = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        found.update(str(file.relative_to(root)).encode() + file.read_bytes())
    return found.hexdigest()[:8]


def check_inputs(inputs: Mapping[str, Sequence[str]], settings: Settings, sent: bool) -> None:
    """Raises UserError where the files of the settings are not those of the driver.

    Args:
        inputs: the driver's, by role: path and sha256.
        sent: whether they were sent here by it.
    """
    before = {role: Input(*file) for role, file in inputs.items()}
    try:
        found = changes(before, read_inputs(settings), whole=True)
    except UserError as error:  # there is no model
        found = [str(error).rstrip(".")]
    if not found:
        return
    mend = "put the same there, under the same path; up to 4 GB are sent with --runtime_env true"
    if sent:
        mend = "they changed on their way, or before it: give the command again"
    raise UserError(f"model or data are not those of here ({'; '.join(found)}); {mend}")


def fingerprint(plan: ProgramPlan) -> str:
    """Hex sha256 of what a program reads: tokens, labels, row counts."""
    task = plan.task
    tables = [task.train, task.evaluated, *(asked.tokens for asked in task.further.values())]
    arrays = [plan.rows, task.kept_words, task.further_words]
    for table in tables:
        arrays += [getattr(table, field.name) for field in dataclasses.fields(table)]
    found = hashlib.sha256(repr((task.metrics, task.classes, task.shape)).encode())
    for array in arrays:
        if array is not None:
            found.update(f"{array.dtype}{array.shape}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
