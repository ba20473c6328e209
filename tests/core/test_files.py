"""Files that cannot be read, or written, are refused in one sentence that names them."""

from pathlib import Path

import pytest

from jaxtune.core.errors import UserError
from jaxtune.core.files import PART, check_place, read_json, write_json


def test_json_is_read_as_it_was_written(tmp_path):
    write_json(tmp_path / "file.json", {"a": [1, None, "ü"], "b": float("nan")})
    assert read_json(tmp_path / "file.json") == {"a": [1, None, "ü"], "b": None}


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b'{"a": "\0"}'])
def test_no_json_is_refused_by_name(tmp_path, content):
    file = tmp_path / "file.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_json(file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("file/x.csv", "Not a directory"),
        ("file/more/x.csv", "Not a directory"),
        ("n" * 256, "File name too long"),
        ("n" * 251, "File name too long"),  # with what is put after it
        (f"{'n' * 256}/x.csv", "File name too long"),
        (f"new/{'n' * 256}/x.csv", "File name too long"),
        ("nowhere/x.csv", "No such file or directory"),
        ("circle/x.csv", "Too many levels of symbolic links"),
    ],
)
def test_what_cannot_be_written_is_said_beforehand(tmp_path, place, why):
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(UserError) as raised:
        check_place(tmp_path / place, "--out", PART)
    said = f"{tmp_path / place} cannot be written ({why}); give another --out."
    assert str(raised.value) == said


@pytest.mark.parametrize("place", ["x.csv", "new/more/x.csv", "n" * 250, "file", ".", "/"])
def test_what_can_be_written_leaves_nothing_behind(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    check_place(Path(place), "--out", PART)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
