"""Files that cannot be read are refused in one sentence that names them."""

import pytest

from jaxtune.core.errors import UserError
from jaxtune.core.files import read_json, write_json


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
