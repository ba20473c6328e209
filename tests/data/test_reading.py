"""What was read is counted and said: examples, classes, texts that were cut, doubles."""

import dataclasses

import numpy as np
import pytest

from jaxtune.data.examples import Dataset, Examples, Layout, Task
from jaxtune.data.miniature.language import write_tokenizer
from jaxtune.data.reading import reading_of, readings_in, sentences
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import tokenize, were_cut

ALL = np.arange(5)
NONE = {"train": 0, "dev": 0}


def dataset(labels=("x", "y", "z"), notes=()) -> Dataset:
    layout = Layout(("text",), "label", labels)
    dtype = np.float32 if labels is None else np.int32
    return Dataset(
        Task("custom", layout.text, labels, ("accuracy",), layout),
        Examples(list("abcde"), None, np.array([0, 1, 1, 0, 2], dtype)),
        Examples(list("afgh"), None, np.array([1, 1, 0, 1], dtype)),
        (),
        notes,
    )


def test_counts_of_what_is_in_use():
    reading = reading_of(dataset(), ALL[:4], {"train": 1, "dev": 0}, 16)
    assert reading == {
        "examples": {"train": 4, "dev": 4},
        "train_examples_in_all": 5,
        "dev_examples_in_train": 1,
        "labelled_twice": {"train": 0, "dev": 0},
        "max_length": 16,
        "cut": {"train": 1, "dev": 0},
        "notes": [],
        "classes": {
            "x": {"train": 2, "dev": 1},
            "y": {"train": 2, "dev": 3},
            "z": {"train": 0, "dev": 0},
        },
        "majority_share": 0.75,
    }
    assert sentences([reading]) == [
        "Read 4 of 5 training and 4 dev examples.",
        "3 classes (train, dev): 'x' 2, 1; 'y' 2, 3; 'z' 0, 0.",
        "The most frequent class has 75.0% of the dev examples.",
        "Warning: no train example has the class 'z': --stratify true draws of every class.",
        "Warning: no dev example has the class 'z'.",
        "Cut at 16 tokens: 1 of 4 train texts.",
        "Warning: 1 of 4 dev examples is a training example too.",
    ]


def test_numbers_are_said_as_numbers():
    lines = sentences([reading_of(dataset(None, ("A note.",)), ALL, NONE, 16)])
    assert lines == [
        "Read 5 training and 4 dev examples.",
        "The labels are numbers: 0 to 2 in train (mean 0.8), 0 to 1 in dev (mean 0.75).",
        "No text is longer than 16 tokens.",
        "Warning: 1 of 4 dev examples is a training example too.",
        "A note.",
    ]


def test_texts_with_two_labels_are_counted():
    """Each of them, in either file, among the examples in use; readings of 0.1 do not know it."""
    one = dataset()
    twice = Examples(list("abab"), list("xyxz"), np.array([0, 1, 1, 0], np.int32))
    data = dataclasses.replace(one, train=twice, dev=Examples(list("fgff"), None, one.dev.labels))
    reading = reading_of(data, ALL[:4], NONE, 16)
    assert reading["labelled_twice"] == {"train": 2, "dev": 3}
    warning = "Warning: 2 of 4 train and 3 of 4 dev texts stand there again with another label."
    assert sentences([reading])[-1] == warning
    assert reading_of(data, ALL[1:4], NONE, 16)["labelled_twice"] == {"train": 0, "dev": 3}
    del reading["labelled_twice"]
    assert warning not in sentences([reading])


@pytest.mark.parametrize(
    ("classes", "said"), [(("0", "0.5", "1.0"), True), (("0.0", "1.0", "2"), False)]
)
def test_classes_that_may_be_scores_are_said(classes, said):
    warning = (
        "Warning: the classes are numbers that are not all whole, such as '0.5': --regression true"
        " predicts a number."
    )
    assert (warning in sentences([reading_of(dataset(classes), ALL, NONE, 16)])) is said


def test_many_classes_are_counted_and_some_named():
    data = dataset(tuple(f"class {n}" for n in range(13)))
    second = sentences([reading_of(data, ALL, NONE, 16)])[1]
    assert second.startswith("13 classes (train, dev): 'class 0' 2, 1; 'class 1' 2, 3; ")
    assert second.endswith("'class 9' 0, 0; and 3 more.")


def test_what_programs_share_is_said_once():
    short, long = (reading_of(dataset(), ALL, NONE, length) for length in (8, 16))
    assert len(sentences([short, long])) == len(sentences([short])) + 1
    manifest = {"data": [short], "continued": [{"data": [short, long]}, {}]}
    assert readings_in(manifest) == [short, long]
    assert readings_in({}) == []


@pytest.mark.parametrize("second", [None, ["dogs", "a cat", "the dog sleeps", "dogs"]])
def test_texts_that_were_cut(tmp_path, second):
    """Against the lengths without a limit: a text that just fits was not cut."""
    write_tokenizer(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    first = ["the dog sleeps", "two wolves that the chef feeds sing again", "a dog", "a"]
    examples = Examples(first, second, np.zeros(4, np.int32))
    whole = tokenize(tokenizer, examples, 512, 1000).lengths
    for most in range(5, 15):
        kept = tokenize(tokenizer, examples, most, 1000).lengths
        assert were_cut(tokenizer, examples, kept, most).tolist() == (whole > most).tolist()
    assert {*whole.tolist()} & {*range(5, 15)}  # some just fit
