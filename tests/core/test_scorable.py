"""Of examples with one label, what is the same for whatever a model answers is left out."""

import numpy as np
import pytest

from jaxtune.core.metrics import METRICS, evaluate, fitting, scorable

ANSWERS = np.random.default_rng(0).normal(size=(2, 20, 2))
ONES = np.ones(20, np.int32)


@pytest.mark.parametrize("name", ["auroc", "matthews"])
def test_what_is_left_out_says_nothing(name):
    one, other = (evaluate([name], logits, ONES)[name] for logits in ANSWERS)
    assert one == other
    assert scorable([name], ONES) == []


def test_what_is_kept_tells_models_apart():
    kept = scorable(fitting(2), ONES)
    assert kept == ["accuracy", "balanced_accuracy"]
    one, other = (evaluate(kept, logits, ONES) for logits in ANSWERS)
    assert all(one[name] != other[name] for name in kept)


def test_of_numbers_and_sets_of_labels():
    assert scorable(fitting(1), np.full(9, 0.5, np.float32)) == ["mse"]
    sets = np.tile([1, 0], (9, 1))
    assert "auroc" not in scorable(fitting(2, several_labels=True), sets)
    assert len(scorable(fitting(2, several_labels=True), sets)) == 3


def test_of_varied_labels_all_are_kept():
    assert scorable([*METRICS], np.array([0, 1])) == [*METRICS]
