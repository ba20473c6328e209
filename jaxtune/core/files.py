"""Files read as they should be, and written whole or not at all; checksums identify them."""

import codecs
import contextlib
import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.core.errors import UserError

PART = ".part"  # after the name of a file that is being written


def read_text(file: Path) -> str:
    """A text file's content; raises UserError where it cannot be read or is no text."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {file} ({error.strerror}): give a text file") from error
    return decode(file, data)


def read_json(file: Path) -> Any:
    """What a JSON file holds; raises UserError where it cannot be read or is no JSON."""
    text = read_text(file)
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(
            f"{file} is no JSON ({error}): restore it, or have it written anew"
        ) from error


def decode(file: Path, data: bytes) -> str:
    """A text file's content from its bytes, without a byte-order mark; `file` is for messages."""
    check_no_pointer(file, data)
    data = data.removeprefix(codecs.BOM_UTF8)
    # Checked first: UTF-16 is full of them, and tokenizers drop them silently.
    nul = data.find(b"\0")
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        raise UserError(f"{file}, line {line} holds a NUL byte: save the file as UTF-8 text")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{file}, line {line} is not UTF-8: save the file as UTF-8 text") from error


def check_no_pointer(file: Path, data: bytes) -> None:
    """Raises UserError for what `git clone` leaves in the place of a large file."""
    if data.startswith(b"version https://git-lfs"):
        raise UserError(
            f"{file} is a pointer of Git LFS and not the file itself: fetch that with git lfs pull"
        )


def each_name_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError for a name that stands twice, of which JSON's readers keep the
    last.
    """
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"{name!r} stands there {count} times")
    return dict(pairs)


def write_text(path: Path, text: str) -> None:
    """A small text file, complete or as it was."""
    replace_file(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """A JSON file, complete or as it was; non-finite numbers become null, which JSON can say."""
    write_text(path, json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def replace_file(path: Path, write: Callable[[Path], Any]) -> None:
    """What `write` puts into the file it is given, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    write(part)
    os.replace(part, path)


def check_place(path: Path, flag: str, ending: str = "") -> None:
    """Raises UserError where nothing can be written, before there is anything to write.

    Args:
        flag: that another place is given by, or what it is.
        ending: what its name has at its end while it is written.
    """
    place = Path(f"{path.absolute()}{ending}")
    there = next(folder for folder in (*place.parents, place) if os.path.lexists(folder))
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        for name in place.relative_to(there).parts:
            with contextlib.suppress(FileNotFoundError):  # which is as it should be
                os.lstat(there / name)  # says of a name whether it is too long
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); give another {flag}."
        ) from error


def digest(file: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Hex sha256 of the name and the bytes of every file of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [f"{path.relative_to(folder)} {digest(path)}" for path in files]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def finite(value: Any) -> Any:
    """The value with None for every number that is not finite."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def shortest_ends(places: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that tell them apart, such as `runs` or `first/runs`."""
    depth = 1
    names = [place.name for place in places]
    while len(set(names)) < len(set(places)):
        depth += 1
        names = ["/".join(place.parts[-depth:]) for place in places]
    return names
