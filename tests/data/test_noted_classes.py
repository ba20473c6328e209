"""Classes that `datasets` has noted in a file (`ClassLabel`): a label that is none of them is
refused, and what it notes of one column takes nothing from the others.
"""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxtune.core.errors import UserError
from jaxtune.data.custom import read_custom, read_further
from jaxtune.data.examples import Layout
from jaxtune.data.sentences import read_tagged

LABEL = {"names": ["neg", "pos"], "_type": "ClassLabel"}
TAG = {"names": ["O", "B-X"], "_type": "ClassLabel"}
TEXT = {"dtype": "string", "_type": "Value"}


def noted(folder, columns, features):
    file = folder / "a.parquet"
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), file)
    return file


def labelled(folder, labels, feature=LABEL, **others):
    texts = [f"text {n}" for n in range(len(labels))]
    return noted(folder, {"text": texts, "label": labels}, {"label": feature} | others)


def tagged(folder, tags, feature):
    words = [["dog"] * len(own) for own in tags]
    return noted(folder, {"tokens": words, "tags": tags}, {"tokens": [TEXT], "tags": feature})


def read(file, **more):
    return read_custom(file, file, ["text"], "label", **{"regression": False} | more)


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ([0, 1, -1, 1], "-1"),
        ([0, 1, -100, 1], "-100"),
        ([0, 1, 2, 1], "2"),
        ([0.0, 1.0, 0.5], "0.5"),
        ([0.0, 1.0, -1.0], "-1"),
        (["neg", "pos", "unsure"], "'unsure'"),
    ],
)
def test_a_label_that_is_none_of_them_is_refused(tmp_path, labels, shown):
    file = labelled(tmp_path, labels)
    says = (
        f"a.parquet, row 3 has {shown} in column 'label', for which the file notes the classes"
        " 'neg', 'pos', numbered from 0: write one of them, take the row out if it has no label, or"
        " name every class with --classes"
    )
    for more in ({}, {"regression": True}, {"classes": ("neg", "pos")}):
        with pytest.raises(UserError, match=re.escape(says)):
            read(file, **more)
    # To a reader of texts alone it is nothing.
    layout = Layout(("text",), "label", ("neg", "pos"))
    assert len(read_further(file, layout, labelled=False).examples) == len(labels)
    with pytest.raises(UserError, match=re.escape(says)):
        read_further(file, layout)


def test_a_class_that_is_named_is_one(tmp_path):
    found = read(labelled(tmp_path, [0, -1, 1]), classes=("-1", "pos", "neg"))
    assert found.train.labels.tolist() == [2, 0, 1]


def test_hidden_labels_are_called_so(tmp_path):
    file = labelled(tmp_path, [-1, -1])
    with pytest.raises(UserError, match=r"single label, '-1' \(-1 stands for the hidden labels of"):
        read(file)
    with pytest.raises(UserError, match=r"row 1 has the label '-1' \(-1 stands for the hidden"):
        read_further(file, Layout(("text",), "label", ("neg", "pos")))


@pytest.mark.parametrize(
    "other",
    [[TEXT], [], None, "text", {"feature": [TEXT]}, {"names": TEXT}, {"a": {"feature": None}}],
)
@pytest.mark.parametrize("labels", [[1, 0], [1.0, 0.0], ["pos", "neg"]])
def test_names_whatever_other_columns_are(tmp_path, labels, other):
    found = read(labelled(tmp_path, labels, other=other))
    assert found.task.label_names == ("neg", "pos")
    assert found.train.labels.tolist() == [1, 0]


@pytest.mark.parametrize("feature", [[TAG], {"feature": TAG, "_type": "Sequence"}])
def test_tags_by_name(tmp_path, feature):
    file = tagged(tmp_path, [[0, 1], [0]], feature)
    found = read_tagged(file, file, "tokens", "tags")
    assert found.task.label_names == ("B-X", "O")
    assert found.task.primary_metric == "entity_f1"
    assert found.train.labels.tolist() == [1, 0, 1]
    file = tagged(tmp_path, [[0, 1], [0, 2]], feature)
    with pytest.raises(UserError, match="row 2 has 2 in column 'tags', for which the file notes"):
        read_tagged(file, file, "tokens", "tags")


def test_several_labels_by_name(tmp_path):
    file = labelled(tmp_path, [[0, 1], [1], []], [LABEL])
    assert read(file, several_labels=True).train.labels.tolist() == [[1, 1], [0, 1], [0, 0]]
    file = labelled(tmp_path, [[0, 1], [-1], []], [LABEL])
    with pytest.raises(UserError, match="row 2 has -1 in column 'label', for which the file notes"):
        read(file, several_labels=True)


def test_a_masked_piece_of_a_word_is_no_tag(tmp_path):
    """By the file's names, and by those that are given."""
    file = tagged(tmp_path, [[0, 1], [1, -100]], [TAG])
    says = "masks pieces of words, so give whole words with a tag each"
    for classes in ((), ("O", "B-X")):
        with pytest.raises(UserError, match=f"row 2 has -100 in column 'tags', for .*{says}"):
            read_tagged(file, file, "tokens", "tags", classes)
    lists = tmp_path / "a.jsonl"
    lists.write_text('{"tokens": ["the", "dog", "##s"], "tags": [0, 1, -100]}\n')
    with pytest.raises(UserError, match=f"line 1 has the tag '-100': such a number {says}"):
        read_tagged(lists, lists, "tokens", "tags", ("O", "B-X"))


def test_numbers_that_are_names_are_tags(tmp_path):
    file = tagged(tmp_path, [[0, 1], [1]], [TAG | {"names": ["0", "1"]}])
    assert read_tagged(file, file, "tokens", "tags").task.label_names == ("0", "1")
    lists = tmp_path / "a.jsonl"
    lists.write_text('{"tokens": ["the", 7], "tags": ["0", "1"]}\n')
    found = read_tagged(lists, lists, "tokens", "tags")
    assert found.task.label_names == ("0", "1")
    assert found.train.words == [["the", "7"]]
