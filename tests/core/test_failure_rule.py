"""What counts as failed: the floor of the best constant answer, on made-up and real labels."""

import math

import numpy as np
import pytest
from data_folder import DATA, NEEDS_DATA

from jaxtune.core.failure import (
    at_floor,
    constant_loss,
    has_failed,
    is_constant_prediction,
    trivial_floor,
)
from jaxtune.data.glue import read_glue_folder

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("name", "labels", "num_labels", "expected"),
    [
        ("accuracy", [0, 0, 1, 2], 3, 0.5),
        ("accuracy", [0, 1, 2, 2, 2], 3, 0.6),
        ("f1", [0, 0, 0, 1], 2, 0.4),
        ("matthews", [0, 0, 1], 2, 0),
        ("pearson", [0.5, 2, 5], 1, 0),
        ("spearman", [0.5, 2, 5], 1, 0),
        ("mse", [0.5, 2, 5], 1, 3.5),
        ("macro_f1", [0, 0, 0, 1], 2, 3 / 7),
        ("balanced_accuracy", [0, 0, 0, 1], 2, 0.5),
        ("balanced_accuracy", [0, 1, 2, 2], 3, 1 / 3),
        ("auroc", [0, 0, 1, 2], 3, 0.5),
    ],
)
def test_trivial_floor(name: str, labels: list, num_labels: int, expected: float) -> None:
    assert trivial_floor(name, np.array(labels), num_labels) == pytest.approx(expected)


@NEEDS_DATA
@pytest.mark.parametrize(
    ("task", "expected"),
    [("mrpc", 0.8122), ("rte", 0.5271), ("cola", 0), ("qnli", 0.5054)],
)
def test_trivial_floor_of_real_dev_labels(task: str, expected: float) -> None:
    data = read_glue_folder(task, DATA / "glue")
    floor = trivial_floor(data.task.primary_metric, data.dev.labels, data.task.num_labels)
    assert floor == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([[0, 1], [0.2, 0.3], [-5, 5]], True),
        ([[0, 1], [1, 0]], False),
        ([[NAN, NAN], [NAN, 1]], True),
        ([[0.5], [0.5]], True),
        ([[0.5], [0.5000001]], False),
        ([[NAN], [NAN]], True),
        ([[NAN], [0.5]], False),
    ],
)
def test_is_constant_prediction(logits: list, expected: bool) -> None:
    assert is_constant_prediction(np.array(logits, np.float32)) is expected


@pytest.mark.parametrize(
    ("final", "floor", "expected"),
    [
        (146 / 277, 146 / 277, True),
        (float(np.float32(146 / 277)), 146 / 277, True),
        (147 / 277, 146 / 277, False),
        (0.3, 0.5, True),
        (-0.1, 0.0, True),
        (NAN, 0.0, True),
        (-INF, 0.0, True),
    ],
)
def test_at_floor(final: float, floor: float, expected: bool) -> None:
    assert at_floor(final, floor) is expected
    assert at_floor(None if np.isnan(final) else -final, -floor, higher_is_better=False) is expected


@pytest.mark.parametrize(
    ("final", "floor", "expected"),
    [
        (0.5, 2.0, False),
        (2.0, 2.0, True),
        (2.0 - 1e-7, 2.0, True),
        (3.0, 2.0, True),
        (2e-8, 3e-8, False),  # the labels' unit is no reason to fail
        (3e-8, 3e-8, True),
        (NAN, 2.0, True),
        (-INF, 2.0, True),
    ],
)
def test_an_error_at_the_floor_is_not_below_it(final: float, floor: float, expected: bool) -> None:
    assert at_floor(final, floor, higher_is_better=False) is expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"final": 0.9, "diverged": False}, False),
        ({"final": 0.6, "diverged": False}, True),
        ({"final": 0.9, "diverged": True}, True),
        ({"final": None, "diverged": False}, True),
        ({"final": NAN, "diverged": False}, True),
        # Of version 0.1, where a trial that diverged above the floor was no failed one.
        ({"final": 0.9, "diverged": True, "failed": False}, True),
        ({"final": 0.5, "diverged": False, "higher_is_better": False}, False),
        ({"final": 0.9, "diverged": False, "higher_is_better": False}, True),
    ],
)
def test_a_trial_has_failed_at_the_floor_diverged_or_unscored(row: dict, expected: bool) -> None:
    assert has_failed(row | {"trivial": 0.6}) is expected


def test_loss_of_the_best_constant_output() -> None:
    assert constant_loss(np.array([0, 1, 2, 3])) == pytest.approx(np.log(4))
    assert constant_loss(np.array([0] * 6 + [1] * 4)) == pytest.approx(0.6730, abs=1e-4)
    assert constant_loss(np.array([1, 1])) == 0
    assert constant_loss(np.array([1.0, 3.0], np.float32)) == pytest.approx(1.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.5, 1.0, 4.0]])
def test_the_constant_loss_of_a_weighted_and_smoothed_loss_is_its_least(weights, smoothing):
    """Of torch's loss over all constant outputs, by descent; the last class has no example."""
    torch = pytest.importorskip("torch")
    labels = np.array([0] * 6 + [1] * 4)
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = torch.nn.functional.cross_entropy(
            logits.expand(10, 3),
            torch.tensor(labels),
            torch.tensor(weights, dtype=torch.float64),
            label_smoothing=smoothing,
        )
        value.backward()
        return value

    optimiser.step(loss)
    found = constant_loss(labels, np.array(weights, np.float32), smoothing)
    assert found == pytest.approx(loss().item(), abs=1e-5)
