"""Text files as they should be, UTF-8 without NUL; anything else is one sentence that names file
and line.
"""

import codecs
from pathlib import Path

from jaxtune.core.errors import UserError


def read_text(file: Path) -> str:
    """A text file's content; raises UserError where it cannot be read or is no text."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {file} ({error.strerror}): give a text file") from error
    return decode(file, data)


def decode(file: Path, data: bytes) -> str:
    """The content of a text file from its bytes, without a byte-order mark; `file` is for the
    message.
    """
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
