"""Plain text for pre-training."""

import lzma
from pathlib import Path

from jaxtune.core.errors import UserError
from jaxtune.core.textfiles import decode

SUFFIXES = (".txt", ".txt.xz", ".raw")


def read_texts(path: Path) -> list[str]:
    """The non-empty lines of a text file (.txt, .raw or .txt.xz), or of all such files of a folder,
    by name.
    """
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.name.endswith(SUFFIXES) and p.is_file())
    lines = [line for file in files for line in map(str.strip, _read(file).split("\n")) if line]
    if not lines:
        raise UserError(
            f"{path} holds no text; give a file or folder with {', '.join(SUFFIXES)} files."
        )
    return lines


def _read(file: Path) -> str:
    try:
        data = file.read_bytes()
        if file.suffix == ".xz":
            data = lzma.decompress(data)
    except (OSError, lzma.LZMAError) as error:
        raise UserError(f"{file} cannot be read ({error}); give an intact text file.") from error
    return decode(file, data)
