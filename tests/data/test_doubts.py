"""What is read as it stands and may be meant otherwise is said, and all else is not."""

import numpy as np
import pytest

from jaxtune.data.custom import read_custom
from jaxtune.data.doubts import doubts
from jaxtune.data.sentences import read_tagged

PLAIN = [("the dog", "a"), ("a cat", "b"), ("two wolves", "a")]
DEV = [("the end", "a"), ("a start", "b")]


def written(path, rows):
    path.write_text("text,label\n" + "".join(f'{text},"{label}"\n' for text, label in rows))
    return path


@pytest.fixture
def said(tmp_path):
    """The warnings about a training file, a dev file and others, where some examples are used."""

    def warnings(train, dev=DEV, chosen=None, classes=(), several=False, regression=False, **more):
        files = {name: written(tmp_path / f"{name}.csv", rows) for name, rows in more.items()}
        splits = written(tmp_path / "train.csv", train), written(tmp_path / "dev.csv", dev)
        data = read_custom(
            *(*splits, ["text"], "label", regression, classes),
            further_files=files,
            several_labels=several,
        )
        chosen = np.arange(len(data.train)) if chosen is None else np.array(chosen)
        return doubts(data, chosen, classes)

    return warnings


def test_nothing_is_said_of_plain_files(said):
    assert said(PLAIN, ood=[("x y", "a"), ("z", "b")], test=[("nan of it", "a"), ("?", "b")]) == []


@pytest.mark.parametrize("joined", ["a|b", "a | b", "b,a", "a; c"])
def test_a_class_made_of_others(said, joined):
    train = [*PLAIN, ("the wolf", joined)]
    warning = (
        f"Warning: the class {joined!r} may be several labels: --several_labels true reads them,"
        " with | between."
    )
    assert said(train) == [warning]
    assert said(train, classes=("a", "b", joined)) == []
    assert said([*PLAIN, ("the wolf", "c|d")]) == []


def test_texts_with_several_labels_have_joined_ones(said):
    assert said([*PLAIN, ("the wolf", "a|b")], several=True) == []


def test_texts_that_stand_for_missing_ones(said):
    train = [*PLAIN, ("nan", "a"), (" NULL ", "b")]
    warnings = said(train, test=[("#N/A", "a"), ("the", "b")])
    say = "nothing but {!r}, or another word for a missing text: take such rows out if their text"
    assert warnings == [
        f"Warning: 2 train texts are {say.format('nan')} is missing.",
        f"Warning: 1 test text is {say.format('#N/A')} is missing.",
    ]


def test_further_examples_that_are_trained_on(said):
    """Of those in use alone."""
    ood = [("the dog", "a"), ("a cat", "b"), ("z", "b")]
    assert said(PLAIN, ood=ood) == ["Warning: 2 of 3 ood examples are training examples too."]
    assert said(PLAIN, chosen=[1, 2], ood=ood) == [
        "Warning: 1 of 3 ood examples is a training example too."
    ]
    assert said(PLAIN, chosen=[2], ood=ood) == []


@pytest.mark.parametrize(
    ("how", "label", "one", "left_out"),
    [
        ({}, "a", "label", "f1, matthews"),
        ({"several": True}, "a|b", "set of labels", "auroc"),
        ({"regression": True}, "3", "label", "pearson, spearman"),
    ],
)
def test_further_sets_of_one_label(said, how, label, one, left_out):
    train = [("p", "1"), ("q", "2")] if "regression" in how else PLAIN
    dev = [("r", "1"), ("s", "2")] if "regression" in how else DEV
    assert said(train, dev, ood=[("x", label), ("y", label)], **how) == [
        f"Warning: all ood examples have one {one}: {left_out} would say nothing there and are"
        " left out."
    ]


@pytest.mark.parametrize(
    ("tags", "are_said"),
    [
        ("b-per i-per O", True),
        ("B_PER I_PER O", True),
        ("PER-B PER-I O", True),
        ("PER_b PER_i o", True),
        ("B-PER I-PER O", False),
        ("NN VB O", False),
        ("B-PER NN O", False),
        ("CLASS-A CLASS-B O", False),
    ],
)
def test_tags_that_nearly_spell_entities(tmp_path, tags, are_said):
    file = tmp_path / "train.tsv"
    file.write_text("".join(f"the\t{tag}\n" for tag in tags.split()))
    found = doubts(read_tagged(file, file, "1", "2"), np.arange(1))
    assert [warning for warning in found if "look like entities" in warning] == [
        f"Warning: the tags {shown(tags)} look like entities and are not spelled so, for which they"
        " are scored by accuracy: write O, B-PER, I-PER ... for entity F1."
    ] * are_said


@pytest.mark.parametrize("strange", ["0", "NN", "b-org"])
def test_one_tag_among_those_of_entities_that_is_none(tmp_path, strange):
    """A zero for an O, say, and the sweep would be scored by accuracy without a word."""
    file = tmp_path / "train.tsv"
    tags = ["B-PER", "I-PER", "B-LOC", "O", strange, strange]
    file.write_text("".join(f"the{number}\t{tag}\n" for number, tag in enumerate(tags)))
    data = read_tagged(file, file, "1", "2")
    assert data.task.metrics[0] == "accuracy"
    assert doubts(data, np.arange(1)) == [
        f"Warning: among tags of entities {strange!r} is none (2 train words), for which words are"
        " scored by accuracy: write O, B-PER, I-PER ... for entity F1."
    ]


def shown(tags):
    return ", ".join(map(repr, sorted(tags.split())))
