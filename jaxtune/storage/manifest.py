"""Where a sweep's numbers come from: versions, devices, command, and checksums of what was read."""

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from jaxtune.core.console import say
from jaxtune.core.errors import UserError
from jaxtune.core.files import read_json
from jaxtune.core.version import __version__
from jaxtune.storage.inputs import Inputs

PACKAGES = ("jax", "jaxlib", "flax", "optax", "transformers", "tokenizers", "datasets", "numpy")


def describe(argv: Sequence[str], precision: str, inputs: Inputs) -> dict[str, Any]:
    """The manifest without its group plan; `inputs` are the files of model and data."""
    devices = jax.devices()
    return {
        "jaxtune": __version__,
        "commit": _commit(),
        "command": ["python", "-m", "jaxtune.sweep", *argv],
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "devices": [f"{device.platform}:{device.device_kind}" for device in devices],
        "processes": jax.process_count(),
        "precision": precision,
        "prng": "threefry2x32 keys; dropout masks hashed from them",
        "folder": os.getcwd(),  # which the command's relative paths start from
        "sha256": {file.path: file.sha256 for file in inputs.values()},
        "inputs": {place: file.path for place, file in inputs.items()},
    }


def read_manifest(path: Path) -> dict[str, Any] | None:
    """What was noted when OUT was begun; None where nothing was, or where it cannot be read."""
    if not path.exists():
        return None
    try:
        manifest = read_json(path)
        kinds = {"sha256": dict, "inputs": dict, "continued": list}
        if all(isinstance(manifest.get(name, kind()), kind) for name, kind in kinds.items()):
            return manifest if "sha256" in manifest else None
    except (UserError, AttributeError):
        pass
    say(f"Warning: {path} is damaged, and is left aside.")
    return None


def differences(first: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """What has changed since a sweep was begun, such as `jax 0.10.1, now 0.10.2`."""
    for name, version in now["packages"].items():
        before = first.get("packages", {}).get(name)
        if before != version:
            yield f"{name} {before}, now {version}"
    for name in ("jaxtune", "commit", "devices", "python"):
        if first.get(name) != now[name]:
            yield f"{name} {first.get(name)}, now {now[name]}"


def _commit() -> str | None:
    """The commit of the checkout this package runs from, if it runs from one."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    inside = Path(__file__).parents[2] / ".git"
    return done.stdout.strip() if done.returncode == 0 and inside.exists() else None
