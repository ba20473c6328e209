"""Any number of labels for a text: what files say of them, and what is said of what was read."""

import json

import datasets
import numpy as np
import pandas as pd
import pytest

from jaxtune.config.parse import parse
from jaxtune.core.errors import UserError
from jaxtune.data.custom import read_custom
from jaxtune.data.dataset import hold_out, read_dataset
from jaxtune.data.reading import reading_of, sentences
from jaxtune.data.scoring import scoring_words

TEXTS = ["a dog", "a cat", "a wolf", "a mouse"]
SETS = [["b", "a"], [], ["a"], ["10", "b"]]
EXPECTED = [[0, 1, 1], [0, 0, 0], [0, 1, 0], [1, 0, 1]]


def write(folder, name):
    file = folder / name
    rows = [{"text": text, "label": own} for text, own in zip(TEXTS, SETS, strict=True)]
    if name == "cells.csv":
        file.write_text("text,label\na dog, b | a\na cat,\na wolf,a\na mouse,10|b\n")
    elif name == "lists.jsonl":
        file.write_text("\n".join(map(json.dumps, rows)))
    elif name == "list.json":
        file.write_text(json.dumps(rows))
    elif name == "rows.parquet":
        pd.DataFrame(rows).to_parquet(file)
    else:  # as the hub has them: by number, with the names of the classes beside
        names = ["10", "a", "b"]
        features = datasets.Features(
            text=datasets.Value("string"), label=[datasets.ClassLabel(names=names)]
        )
        rows = [row | {"label": list(map(names.index, row["label"]))} for row in rows]
        saved = datasets.Dataset.from_list(rows, features=features)
        if name == "named.parquet":
            saved.to_parquet(file)
        else:
            saved.save_to_disk(file)
    return file


@pytest.mark.parametrize(
    "name",
    ["cells.csv", "lists.jsonl", "list.json", "rows.parquet", "named.parquet", "saved"],
)
def test_every_form_gives_the_same(tmp_path, name):
    file = write(tmp_path, name)
    data = read_custom(
        file, file, ["text"], "label", False, further_files={"test": file}, several_labels=True
    )
    assert data.task.label_names == ("10", "a", "b")
    assert data.task.metrics == ("micro_f1", "macro_f1", "auroc", "accuracy")
    assert data.train.labels.tolist() == EXPECTED
    assert data.train.labels.dtype == np.int32
    assert data.further["test"].examples.labels.tolist() == EXPECTED


def columns_file(folder, name="columns.csv", header="text,a,b,id"):
    file = folder / name
    file.write_text(f"{header}\na dog,1,0,x\na cat,true,1.0,y\na wolf,False, 0 ,z\n")
    return file


def test_a_column_for_each_label(tmp_path):
    file = columns_file(tmp_path)
    data = read_custom(
        file, file, ["text"], "label", False, several_labels=True, label_columns=["b", "a"]
    )
    assert data.task.label_names == ("b", "a")
    assert data.dev.labels.tolist() == [[0, 1], [1, 1], [0, 0]]


def test_a_test_file_may_lack_all_columns_of_labels_and_not_some(tmp_path):
    file, bare = columns_file(tmp_path), tmp_path / "bare.csv"
    bare.write_text("text,id\na dog,x\n")

    def read(further):
        return read_custom(
            *(file, file, ["text"], "label", False),
            further_files={"test": further},
            several_labels=True,
            label_columns=["a", "b"],
        ).further["test"]

    assert not read(bare).labelled
    assert read(file).labelled
    assert read(file).ids == ("x", "y", "z")
    some = columns_file(tmp_path, "some.csv", "text,a,c,id")
    with pytest.raises(UserError, match=r"some\.csv, line 2 has no column 'b', but others of the"):
        read(some)


def flags(tmp_path, *more):
    file = write(tmp_path, "cells.csv")
    words = ["--model", "x", "--task", "custom", "--train_file", str(file), "--dev_file", str(file)]
    return parse([*words, "--several_labels", "true", *more]).base


def said(data, chosen):
    return sentences([reading_of(data, chosen, {"train": 0, "dev": 0}, 16)])


def test_what_was_read_is_said(tmp_path):
    data = read_dataset(flags(tmp_path))
    lines = said(data, np.array([0, 2]))
    assert "3 labels (train, dev): '10' 0, 1; 'a' 2, 2; 'b' 1, 2." in lines
    labels = "Labels of a text: 1 to 2 in train (mean 1.50, 0 without any), 0 to 2 in dev"
    assert f"{labels} (mean 1.25, 1 without any)." in lines
    assert "Warning: no train example has the label '10'." in lines
    assert not any("most frequent" in line or "more than one" in line for line in lines)


def test_a_warning_where_no_text_has_several(tmp_path):
    """As of cells that part labels otherwise."""
    file = tmp_path / "commas.csv"
    file.write_text('text,label\na dog,"a,b"\na cat,a\na wolf,\n')
    data = read_custom(file, file, ["text"], "label", False, several_labels=True)
    lines = said(data, np.arange(3))
    warning = "Warning: no text has more than one label; in a cell they are parted by |."
    assert warning in lines


def test_what_auroc_leaves_out_and_a_skewed_accuracy_are_said():
    labels = np.array([[1, 0, 1]] * 9 + [[1, 0, 0]], np.int32)
    words = scoring_words(("micro_f1", "auroc"), 1, ("a", "b", "c"), labels, 0.9)
    assert "constant where every text gets the same labels" in words
    assert words.endswith("auroc leaves out 'a', 'b', which all dev examples have or none.")
    words = scoring_words(("accuracy", "auroc"), 1, ("a", "b", "c"), labels, 0.9)
    assert "Of the dev examples 90% have the same labels" in words


def test_examples_are_held_out_whatever_their_labels(tmp_path):
    config = flags(tmp_path, "--dev_fraction", "0.5")
    labels = read_dataset(config).train.labels
    train, held_out = hold_out(config, np.arange(4), labels)
    assert len(train) == len(held_out) == 2
    assert sorted([*train, *held_out]) == [0, 1, 2, 3]


def test_zeros_and_ones_in_a_list_are_no_names(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "x", "label": [0, 1, 0]}\n{"text": "y", "label": [1, 0, 0]}\n')
    with pytest.raises(
        UserError, match="line 1 has 0 and 1 for each label: write the labels' names"
    ):
        read_custom(file, file, ["text"], "label", False, several_labels=True)
