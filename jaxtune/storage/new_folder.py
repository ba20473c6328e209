"""A folder that a command writes, whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from jaxtune.core.errors import UserError
from jaxtune.core.files import check_place


def check_new(to: Path) -> None:
    """Raises UserError for what can be no new folder: it holds something, is a file, cannot be
    written, or cannot give way to another.
    """
    place = to.resolve()
    if place == Path.cwd():
        raise UserError(f"{to} is the working directory; give another folder.")
    if os.path.ismount(place):
        raise UserError(f"{to} is a mount point, which cannot be replaced; give a folder in it.")
    check_place(to, "folder")
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise UserError(f"{to} exists and is not an empty folder; give another.")


@contextlib.contextmanager
def new_folder(to: Path) -> Generator[Path]:
    """A folder that becomes `to` when the block ends well, and nothing when it does not."""
    place = to.resolve()  # a link stays one, and the folder that it leads to is made
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as scratch:
        folder = Path(scratch) / place.name
        folder.mkdir()
        yield folder
        check_new(to)
        folder.replace(place)  # an empty folder gives way
