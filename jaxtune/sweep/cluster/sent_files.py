"""Model and data for nodes that lack them: bytes in Ray's object store, files while they are read.

Ray copies an object to a node once, however many workers it has. Each worker lays the files out for
itself and takes them away when they are read: there is nothing to share, to lock or to keep.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtune.config.field_groups import INPUT_FIELDS
from jaxtune.core.console import say
from jaxtune.core.errors import UserError
from jaxtune.models.folder import INDEX
from jaxtune.storage.inputs import Inputs

MOST_BYTES = 4 * 10**9
PART = 1 << 26  # bytes of an object: no side holds a whole file in its memory
FOLDERS = "jaxtune-inputs-"
CONFIG_ROLE = "model/config.json"

SentFiles = Mapping[str, Sequence[Any]]  # by path, from the root on: references to the parts


def sent(inputs: Inputs) -> SentFiles:
    """The files of model and data in the object store; none where they are too large, which is
    said.

    Raises UserError where the store has no room for them.
    """
    import ray

    files = list(_files(inputs))
    size = sum(map(os.path.getsize, files))
    if size > MOST_BYTES:
        say(
            f"Model and data are {size / 1e9:.1f} GB, more than the {MOST_BYTES / 1e9:.0f} that"
            " are sent: they must lie under the same paths on every node."
        )
        return {}
    try:
        return {file: [ray.put(part) for part in _parts(file)] for file in files}
    except ray.exceptions.RayError as error:
        raise UserError(
            f"Ray has no room for model and data here, {size / 1e9:.1f} GB"
            f" ({type(error).__name__}); give it more (ray start --object-store-memory), or put"
            " them under the same paths on every node and leave --runtime_env out."
        ) from error


def _files(inputs: Inputs) -> Iterator[str]:
    """What a worker reads: the inputs, those of folders one by one."""
    for role, (path, _) in inputs.items():
        if os.path.isdir(path):  # a dataset that `datasets` has saved
            yield from (str(file) for file in sorted(Path(path).rglob("*")) if file.is_file())
        else:
            yield path
        index = Path(path).with_name(INDEX)
        if role == CONFIG_ROLE and index.exists():  # it names shards, and decides nothing else
            yield str(index)


def _parts(file: str) -> Iterator[bytes]:
    with open(file, "rb") as opened:
        yield from iter(lambda: opened.read(PART), b"")


@contextlib.contextmanager
def laid_out(
    files: SentFiles, settings: Mapping[str, Any], inputs: Mapping[str, Sequence[str]]
) -> Generator[Mapping[str, Any]]:
    """Settings with which the files that were sent are read, and which hold within the block; where
    none was sent, the settings as they are.

    Raises UserError where the disk has no room.

    Args:
        settings: as `Settings.as_yaml` has them, with paths from the root on.
        inputs: the driver's files by role, path first.
    """
    if not files:
        yield settings
        return
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(_own_folder())
            for path, parts in files.items():
                _write(Path(f"{folder}{path}"), parts)
        except OSError as error:
            raise UserError(
                f"model and data cannot be written to {tempfile.gettempdir()} ({error.strerror});"
                " make room there, or start the node with another TMPDIR"
            ) from error
        yield below(str(folder), settings, os.path.dirname(inputs[CONFIG_ROLE][0]))


def _write(file: Path, parts: Sequence[Any]) -> None:
    import ray

    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        for part in parts:
            opened.write(ray.get(part))


def below(folder: str, settings: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The settings with every path below a folder; the model too where it was a hub id or packaged.

    Args:
        model: the folder that it lay in.
    """

    def moved(field: str, path: Any) -> Any:
        return folder + path if field in INPUT_FIELDS and path is not None else path

    further = [entry.partition("=") for entry in settings["more_dev_files"]]
    test, swept = settings["test_file"], settings.get("grid", {})
    return {field: moved(field, value) for field, value in settings.items()} | {
        "model": folder + model,
        "revision": None,
        "test_file": test and folder + test,
        "more_dev_files": [f"{name}={folder}{path}" for name, _, path in further],
        "grid": {field: [moved(field, each) for each in swept[field]] for field in swept},
    }


@contextlib.contextmanager
def _own_folder() -> Generator[Path]:
    """A folder that is closed to others and goes with the block; what a worker that was killed has
    left goes first.

    Who holds the lock of a folder is alive: it gets the name that is looked for after its lock.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        with contextlib.suppress(OSError), _locked(left):
            shutil.rmtree(left)
    made = Path(tempfile.mkdtemp(prefix=f".{FOLDERS}"))
    with _locked(made):
        folder = made.rename(made.with_name(made.name.removeprefix(".")))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Raises OSError where another process has it, or where it is a link."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)
