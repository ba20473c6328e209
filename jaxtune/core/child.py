"""A command of this package in a process of its own."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def command_line(module: str, words: Sequence[str]) -> list[str]:
    """`python -m MODULE WORDS`, by this very Python."""
    return [sys.executable, "-m", module, *words]


def environment() -> dict[str, str]:
    """This process's, in which Python finds this package wherever it was started."""
    folder = str(Path(__file__).absolute().parents[2])
    paths = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
    return dict(os.environ) | {"PYTHONPATH": paths}
