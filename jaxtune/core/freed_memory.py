"""What a process has freed: kept for its next dispatch, and given back where it has scattered."""

import contextlib
import ctypes
import mmap
from pathlib import Path

RESIDENT = Path("/proc/self/statm")  # Linux: pages, the second of them in memory
# Of what is held after a first dispatch. Given back at each dispatch, it would be had from the
# kernel at each, which is what keeping it avoids.
MOST_HELD = 1.5


def keep() -> None:
    """Lets glibc keep what a dispatch has freed, for the next one.

    XLA on CPU asks for its scratch memory anew in every dispatch: hundreds of MB for a MiniLM,
    which glibc would have from the kernel each time, zeroed, in pages of 4 KiB: 80,000 faults. One
    arena, for in those of other threads large blocks are always the kernel's.
    """
    # Options of malloc.h: M_MMAP_MAX none, M_TRIM_THRESHOLD never, M_ARENA_MAX one.
    for option, value in ((-4, 0), (-1, -1), (-8, 1)):
        _tell_glibc("mallopt", option, value)


class FreedMemory:
    """Of one group of trials. Says when what is kept has become too much, and gives it back.

    XLA wants its memory aligned, and a block that glibc freed is some bytes too short for the next
    one of its size: the heap grows beside it. MiniLM on MRPC, two trials, held 2.4 GiB after the
    first dispatch and 4.9 after sixty (benchmarks/README.md).
    """

    def __init__(self) -> None:
        _give_back()  # what an earlier group left is no measure of this one
        self._first: int | None = None

    def after_dispatch(self) -> None:
        """Gives back what is free, where this process holds `MOST_HELD` times what it held first.

        Does nothing where the memory in use is not known.
        """
        held = resident()
        if held is None:
            return
        if self._first is None:
            self._first = held
        elif held > MOST_HELD * self._first:
            _give_back()


def resident() -> int | None:
    """Bytes of this process in memory; None where the system does not say."""
    try:
        return int(RESIDENT.read_text().split()[1]) * mmap.PAGESIZE
    except (OSError, IndexError, ValueError):
        return None


def _give_back() -> None:
    _tell_glibc("malloc_trim", 0)


def _tell_glibc(function: str, *arguments: int) -> None:
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        getattr(ctypes.CDLL(None), function)(*arguments)
