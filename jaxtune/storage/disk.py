"""Whether a disk has room, and what it was that an array writer failed by."""

import errno
import os
import re
import shutil
from pathlib import Path
from typing import Any

import jax

ROOM_TO_SPARE = 1 << 20  # bytes, for orbax's own files


def check_room(folder: Path, tree: Any) -> None:
    """Raises OSError where the disk is too full, before orbax fills a screen about it."""
    disk = folder.absolute()
    while not disk.exists():
        disk = disk.parent
    needed = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    if shutil.disk_usage(disk).free < needed + ROOM_TO_SPARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def system_code(error: Exception) -> int | None:
    """The system's number of an error; orbax's writers have it in their text alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"os_error_code='(\d+)'", str(error))
    return int(found[1]) if found else None
