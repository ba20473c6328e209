"""Plain text for pre-training."""

import codecs
import lzma
from pathlib import Path

from jaxtune.errors import UserError

SUFFIXES = (".txt", ".txt.xz", ".raw")


def read_texts(path: Path) -> list[str]:
    """The non-empty lines of a text file (.txt, .raw or .txt.xz), or of all such files of a folder, by name."""
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
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 at byte {error.start}; convert it.") from error
    except (OSError, lzma.LZMAError) as error:
        raise UserError(f"{file} cannot be read ({error}); give an intact text file.") from error
