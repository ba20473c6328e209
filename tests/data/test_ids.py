"""Texts are told apart by their file's ids where these do so, and by numbers where they do not."""

import json

import pytest

from jaxtune.data.custom import read_further
from jaxtune.data.examples import Layout
from jaxtune.data.sentences import read_further_tagged

NUMBERS = ("0", "1", "2")
CASES = [
    ([{}, {}, {}], NUMBERS, None),
    ([{"id": "x"}, {"id": 7}, {"id": "y"}], ("x", "7", "y"), None),
    ([{"id": 7}, {"id": 8}, {"id": 7}], NUMBERS, "{} has the id '7' 2 times: its texts are"),
    ([{}, {"id": 1}, {"id": 2}], NUMBERS, "Only 2 of 3 texts of {} have an id: its texts are"),
    ([{"idx": 4, "id": 1}, {"idx": 5}, {"idx": 6}], ("4", "5", "6"), None),
]


def written(path, own, **more):
    path.write_text("".join(json.dumps(row | more) + "\n" for row in own))
    return path


@pytest.mark.parametrize(("own", "ids", "note"), CASES)
def test_ids_of_texts(tmp_path, own, ids, note):
    file = written(tmp_path / "texts.jsonl", own, text="the dog")
    check(read_further(file, Layout(("text",), "label", ("a", "b"))), file, ids, note)


@pytest.mark.parametrize(("own", "ids", "note"), CASES)
def test_ids_of_sentences(tmp_path, own, ids, note):
    file = written(tmp_path / "texts.jsonl", own, tokens=["the", "dog"])
    check(read_further_tagged(file, Layout(("tokens",), "tags", ("a",))), file, ids, note)


def check(found, file, ids, note):
    assert found.ids == ids
    assert len(found.notes) == (note is not None)
    for said in found.notes:
        assert said == f"{note.format(file)} numbered from 0 on instead."
