"""Plain text: the decoding that all text files share, and the lines of a corpus for pre-training."""

import codecs
import lzma
from pathlib import Path

from jaxtune.errors import UserError

SUFFIXES = (".txt", ".txt.xz", ".raw")


def decode(file: Path, data: bytes) -> str:
    """A text file's content from its bytes: UTF-8, with or without a byte-order mark; raises UserError otherwise."""
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
    except (OSError, lzma.LZMAError) as error:
        raise UserError(f"{file} cannot be read ({error}); give an intact text file.") from error
    return decode(file, data)
