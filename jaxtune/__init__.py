"""Fine-tuning stability of BERT-like encoders, measured with many seeds in one compiled program."""

from pathlib import Path
from typing import TYPE_CHECKING

from jaxtune.core.version import __version__

if TYPE_CHECKING:
    from jaxtune.storage.results import Results


__all__ = ["__version__", "load_results"]


def load_results(out: "str | Path") -> "Results":
    """What a sweep left in OUT, as pandas frames and arrays; also of a sweep that still runs or was
    cut off.
    """
    from jaxtune.storage.results import load

    return load(Path(out))
