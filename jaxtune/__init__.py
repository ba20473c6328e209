"""Fine-tuning stability of BERT-like encoders, measured with many seeds in one compiled program.

Nothing heavy is imported before a function is called.
"""

from os import PathLike
from typing import TYPE_CHECKING, Any

from jaxtune.core.errors import UserError
from jaxtune.core.signals import InterruptedRunError
from jaxtune.core.version import __version__

if TYPE_CHECKING:
    from jaxtune.results import Results

__all__ = [
    "InterruptedRunError",
    "Results",
    "UserError",
    "__version__",
    "load_results",
]


def load_results(*outs: str | PathLike[str]) -> "Results":
    """What a sweep left in OUT, also one that still runs or was cut off; or several, side by side.

    Raises UserError for a folder without a finished trial, or one whose files cannot be read.
    """
    from pathlib import Path

    from jaxtune.results import Results

    if not outs:
        raise UserError("No OUT is given; name one or more folders that sweeps have left.")
    return Results([Path(out) for out in outs])


def __getattr__(name: str) -> Any:
    if name == "Results":
        from jaxtune.results import Results

        return Results
    raise AttributeError(f"module 'jaxtune' has no attribute {name!r}")
