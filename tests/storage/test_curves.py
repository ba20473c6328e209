"""History and predictions are complete or absent, and readable without jaxtune."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxtune.core.errors import UserError
from jaxtune.core.files import write_json
from jaxtune.core.records import StepRecords
from jaxtune.storage.curves import History, write_labels, write_predictions
from jaxtune.storage.paths import CLASSES, LABELS
from jaxtune.storage.results import read_classes, read_labels


def records(steps: int, trials: int = 2) -> StepRecords:
    values = np.arange(trials * steps, dtype=np.float32).reshape(trials, steps)
    return StepRecords(values, values / 10, values[..., None] * np.ones(3), ("a", "b", "c"))


def test_history_is_long_form_whatever_the_dispatches(tmp_path):
    whole, parts = History(log_every=4), History(log_every=4)
    every = records(10)
    whole.steps([3, 7], 0, every)
    for start, stop in ((0, 1), (1, 6), (6, 10)):
        part = StepRecords(*(field[:, start:stop] for field in every[:3]), every.norm_names)
        parts.steps([3, 7], start, part)
    frames = []
    for name, history in (("whole", whole), ("parts", parts)):
        history.evaluation([3, 7], 10, [{"accuracy": 0.5}, {"accuracy": 0.75}])
        history.write(tmp_path / name)
        files = [tmp_path / name / f"{trial:05d}.parquet" for trial in (3, 7)]
        frame = pd.concat(map(pd.read_parquet, files)).astype({"name": str})
        frames.append(frame.sort_values(["name", "trial", "step"], ignore_index=True))
    pd.testing.assert_frame_equal(*frames)
    frame = frames[0]
    assert list(frame.columns) == ["trial", "step", "name", "value"]
    assert len(frame[frame.name == "loss"]) == 20
    assert sorted(set(frame[frame.name == "grad_norm/b"].step)) == [0, 4, 8]
    assert frame[(frame.name == "dev/accuracy") & (frame.trial == 7)].value.item() == 0.75
    assert not list(tmp_path.rglob("*.part"))


def test_json_holds_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"x": [float("inf"), np.float32(2)], "y": (1, None)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [None, 2.0], "y": [1, None]}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", object())
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_predictions(tmp_path):
    logits = np.random.default_rng(0).normal(size=(5, 2))
    write_predictions(tmp_path, 12, logits)
    read = np.load(tmp_path / "predictions" / "00012.npy")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, logits.astype(np.float32))


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (None, np.array([0.5, -2.0], np.float32)),
        (("10", "caf\u00e9"), np.array([1, 0, 1], np.int32)),
    ],
)
def test_labels_are_read_back(tmp_path, classes, labels):
    write_labels(tmp_path, classes, labels)
    assert read_classes(tmp_path) == classes
    kept = read_labels(tmp_path)
    assert kept.dtype == labels.dtype
    np.testing.assert_array_equal(kept, labels)


@pytest.mark.parametrize("name", [CLASSES, LABELS])
def test_damaged_labels_are_named(tmp_path, name):
    write_labels(tmp_path, ("a", "b"), np.array([1, 0], np.int32))
    (tmp_path / name).write_bytes(b"[")
    with pytest.raises(UserError, match=rf"{name} is missing, as sweeps of jaxtune 0\.1\.0"):
        _ = read_classes(tmp_path), read_labels(tmp_path)
