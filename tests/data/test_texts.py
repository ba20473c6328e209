"""Plain text files and folders are read line by line, or refused by the name of the file."""

import lzma
import re
from pathlib import Path

import pytest

from jaxtune.core.errors import UserError
from jaxtune.data.corpus import read_texts

TEXT = "\ufeffone  two\r\n\n   \n  three \u00e9\u2028four \nlast"
LINES = ["one  two", "three \u00e9\u2028four", "last"]


def write(path: Path, data: str | bytes) -> Path:
    data = data.encode() if isinstance(data, str) else data
    path.write_bytes(lzma.compress(data) if path.suffix == ".xz" else data)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.txt.xz", "a.raw", "a.text"])
def test_lines_are_read_without_blanks(tmp_path, name):
    assert read_texts(write(tmp_path / name, TEXT)) == LINES


def test_a_folder_is_read_by_file_name(tmp_path):
    (tmp_path / "folder.txt").mkdir()
    texts = {"b.txt.xz": "two", "a.txt": "one", "c.raw": "three", "d.md": "no", "e.txt": "\n"}
    for name, text in texts.items():
        write(tmp_path / name, text)
    assert read_texts(tmp_path) == ["one", "two", "three"]


@pytest.mark.parametrize("name", ["nowhere", "nowhere.txt", "nowhere.txt.xz"])
def test_missing_files_are_named(tmp_path, name):
    with pytest.raises(UserError, match=re.escape(f"{tmp_path / name} cannot be read")):
        read_texts(tmp_path / name)


@pytest.mark.parametrize(
    "files", [{}, {"a.md": "text"}, {"a.txt": ""}, {"a.txt": " \n\n", "b.raw": ""}]
)
def test_folders_without_text_are_refused(tmp_path, files):
    for name, text in files.items():
        write(tmp_path / name, text)
    with pytest.raises(UserError, match=r"holds no text; give a file or folder with \.txt"):
        read_texts(tmp_path)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.xz"])
@pytest.mark.parametrize(
    ("encoding", "says"), [("latin-1", "line 2 is not UTF-8"), ("utf-16", "line 1 holds a NUL")]
)
def test_other_encodings_are_refused(tmp_path, name, encoding, says):
    path = write(tmp_path / name, "one\nna\xefve word".encode(encoding))
    with pytest.raises(UserError, match=re.escape(f"{name}, {says}")):
        read_texts(path)


@pytest.mark.parametrize("data", [b"no archive", lzma.compress(b"text" * 99)[:-40]])
def test_broken_archives_are_refused(tmp_path, data):
    path = tmp_path / "a.txt.xz"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.txt\.xz cannot be read"):
        read_texts(path)


def test_real_text_is_read(real_data):
    lines = read_texts(real_data / "wikitext-2")
    assert len(lines) == 2891
    assert lines[0] == "= Robert Boulter ="
