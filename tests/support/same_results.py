"""Two sweeps' folders, or their tables of trials, compared bit by bit."""

import json

import numpy as np
import pandas as pd
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import jaxtune
from jaxtune.storage.kept_params import load_params


def curves(folder):
    """Every scalar of every run: name -> (step, value)."""
    runs = {}
    for path in sorted({file.parent for file in folder.rglob("events*")}):
        events = EventAccumulator(str(path))
        events.Reload()
        for tag in events.Tags()["scalars"]:
            points = [(event.step, event.value) for event in events.Scalars(tag)]
            runs[str(path.relative_to(folder)), tag] = points
    return runs


def assert_same(one, other):
    """Two sweeps' folders hold the same."""
    sizes = [jaxtune.load_results(out).trials["group_size"].tolist() for out in (one, other)]
    assert sizes[0] == sizes[1]
    assert_same_trials(one, other)
    for name in ("checkpoints", ".lock", ".lock.json"):
        assert not (other / name).exists()


def assert_same_trials(one, other):
    """Two sweeps' folders hold the same, whatever groups the trials ran in."""
    first, second = (jaxtune.load_results(out) for out in (one, other))
    apart = ["seconds", "group_size", "per_device"]
    assert first.trials.drop(columns=apart).equals(second.trials.drop(columns=apart))
    for number, logits in first.predictions.items():
        np.testing.assert_array_equal(logits, second.predictions[number])
    for file in sorted((one / "history").iterdir()):
        assert file.read_bytes() == (other / "history" / file.name).read_bytes(), file.name
    for folder in sorted((one / "params").glob("*/*")):
        expected = load_params(folder)
        actual = load_params(other / folder.relative_to(one))
        assert expected.keys() == actual.keys()
        for path, leaf in expected.items():
            np.testing.assert_array_equal(leaf, actual[path], err_msg=path)
    assert curves(one / "tb") == curves(other / "tb")
    arms = [json.loads((out / "summary.json").read_text())["arms"] for out in (one, other)]
    assert arms[0] == arms[1]


def assert_same_tables(one, other):
    """Two tables of trials hold the same, but for how long and in what groups they ran."""
    apart = ["seconds", "group_size"]
    one, other = (trials.drop(columns=apart) for trials in (one, other))
    pd.testing.assert_frame_equal(one, other, check_exact=True)
