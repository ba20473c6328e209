"""Keeps what the libraries log from the terminal: commands say themselves what concerns a user."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Generator
from typing import Any

# Libraries with a handler of their own, and what stops it; what the user has set stays.
SWITCHES = {
    "TRANSFORMERS_VERBOSITY": "critical",  # among others that there is no PyTorch, at every start
    "HF_HUB_VERBOSITY": "critical",
    "DATASETS_VERBOSITY": "critical",
    "TF_CPP_MIN_LOG_LEVEL": "3",  # XLA's C++: fatal errors only
}


def quiet_libraries() -> None:
    """Of what `quiet` does all that leaves a caller's logging alone; before the libraries load."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    # On a full disk; a program that cannot be kept is compiled again.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")


def quiet() -> None:
    """For a command, before the libraries load."""
    quiet_libraries()
    # orbax, jax and absl have no handler: without any on the root logger, Python prints to stderr.
    logging.basicConfig(handlers=[logging.NullHandler()])
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _show


@contextlib.contextmanager
def silent_libraries() -> Generator[None]:
    """Nothing on stderr meanwhile, not even what C++ writes there before it reads SWITCHES."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _show(event: Any) -> None:
    """Exceptions in callbacks, but for those of a write that failed, such as to a full disk.

    The failure has been raised to us by then; dozens of tensorstore's threads find nobody waiting.
    """
    if str(event.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(event)
