"""The floor as people type it: RTE's best constant prediction scores 146 of 277, typed 0.527."""

import numpy as np
import pandas as pd
import pytest

import jaxtune
from jaxtune.core.errors import UserError
from jaxtune.report.scores.floors import floor_of, said_of_floor
from jaxtune.report.scores.read import places_source, word_source
from jaxtune.report.scores.runs import Given, Run

CONSTANT = 146 / 277


def runs(*scores):
    return [
        Run(f"run {i}", "A", None, score, None, None, None, None, None, {})
        for i, score in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("typed", "scores", "higher", "expected"),
    [
        (0.527, (CONSTANT, 0.71), True, CONSTANT),
        (0.527, (0.5276, 0.71), True, 0.527),  # rounds to 0.528
        (0.527, (0.5266, 0.5), True, 0.527),  # never below what was typed
        (0.8122, (0.81224, 0.81228), True, 0.81224),
        (0.53, (CONSTANT, 0.534), True, 0.534),
        (52.7, (52.708, 52.712, 52.8), True, 52.712),
        (0.5, (0.509, 0.71), True, 0.5),  # of one digit nobody can tell
        (0.0, (0.01, 0.4), True, 0.0),
        (120, (116, 118, 90), False, 120),
        (110, (114, 112, 190), True, 110),
        (12.5, (12.54, 71.2), True, 12.54),
        (0.25, (0.2525, 0.71), True, 0.2525),
        (0.25000001, (0.2525, 0.71), True, 0.25000001),
        (2.13, (2.1251, 0.3), False, 2.1251),
        (CONSTANT, (CONSTANT + 1e-3, float(np.float32(CONSTANT))), True, CONSTANT),
        (0.562, (0.5625,), True, 0.5625),
        (None, (0.7,), True, None),
    ],
)
def test_a_floor_is_known_to_half_a_unit_of_its_last_decimal(typed, scores, higher, expected):
    assert floor_of(runs(*scores), Given(floor=typed), higher) == expected


def test_runs_at_the_floor_that_was_typed_have_failed():
    """As the Trainer writes them, and no run more."""
    steady = [0.7 + i / 277 for i in range(8)]
    found = jaxtune.compare({"A": steady, "B": [CONSTANT] * 7 + [148 / 277]}, floor=0.527)
    assert "[A] is more stable than [B]: 0 of 8 trials failed against 7 of 8" in str(found)


def test_what_its_rounding_did_or_may_hide_is_said():
    assert said_of_floor(runs(CONSTANT, CONSTANT, 0.6), 0.527, CONSTANT, True) == (
        "A score of 0.52708 is the floor of 0.527 when it is rounded, so that 2 runs up to there"
        " count as no better: give more digits of the floor if they are, such as 0.527000001 if it"
        " is exact."
    )
    assert said_of_floor(runs(0.5092, 0.5092, 0.6), 0.5, 0.5, True) == (
        "2 runs score 0.5092, hardly better than the floor of 0.5: give more digits of it if it was"
        " rounded."
    )
    assert said_of_floor(runs(0.5092, 0.5101, 0.54, 0.54), 0.5, 0.5, True) == ""
    assert said_of_floor(runs(0.5, 0.5, 0.01), 0.0, 0.0, True) == ""
    source = word_source([f"A=0.7,0.71,{CONSTANT}", "B=0.7,0.72"], Given(floor=0.527))
    assert "floor 0.5271. A score of 0.52708 is the floor" in " ".join(source.reading)
    assert [row["failed"] for row in source.rows] == [False, False, True, False, False]


def with_predictions(folder):
    """A's first two runs answer one class for all of 277 examples; B's are right in most."""
    labels = np.array([1] * 146 + [0] * 131)
    right = np.where(np.arange(277) < 200, labels, 1 - labels)
    lines = []
    for arm, seed, answers in (
        *(("A", i, np.ones_like(labels)) for i in range(2)),
        *(("B", i, right) for i in range(2)),
    ):
        np.save(folder / f"{arm}{seed}.npy", answers)
        score = (answers == labels).mean()
        lines.append({"arm": arm, "seed": seed, "score": score, "predictions": f"{arm}{seed}.npy"})
    np.save(folder / "labels.npy", labels)
    pd.DataFrame(lines).to_csv(folder / "scores.csv", index=False)
    return folder / "scores.csv"


def test_the_labels_floor_is_that_of_all_and_another_is_refused(tmp_path):
    file = with_predictions(tmp_path)
    for floor in (None, 0.527, 0.53, 0.5):
        source = places_source([file], Given(floor=floor, metric="accuracy"))
        assert {row["trivial"] for row in source.rows} == {CONSTANT}
        assert [row["failed"] for row in source.rows] == [True, True, False, False]
    with pytest.raises(UserError, match=r"The floor is 0\.55, and the labels give 0\.5271; leave"):
        places_source([file], Given(floor=0.55, metric="accuracy"))


def test_the_labels_floor_is_not_rounded(tmp_path):
    """0.65 of 200 labels exactly: a run that is right in one more has not failed."""
    labels = np.array([1] * 130 + [0] * 70)
    np.save(tmp_path / "labels.npy", labels)
    lines = []
    for seed, right in enumerate((131, 131, 130, 170)):
        np.save(tmp_path / f"{right}.npy", np.where(np.arange(200) < right, labels, 1 - labels))
        lines.append(
            {"arm": "A", "seed": seed, "score": right / 200, "predictions": f"{right}.npy"}
        )
    pd.DataFrame(lines).to_csv(tmp_path / "scores.csv", index=False)
    for floor in (None, 0.65):
        given = Given(floor=floor, metric="accuracy")
        source = places_source([tmp_path / "scores.csv"], given)
        assert {row["trivial"] for row in source.rows} == {0.65}
        assert [row["failed"] for row in source.rows] == [False, False, True, False]
        assert "rounded" not in " ".join(source.reading)


def test_constant_answers_are_known_by_predictions_alone(tmp_path):
    rows = places_source([with_predictions(tmp_path)], Given(metric="accuracy")).rows
    assert [row["constant_prediction"] for row in rows] == [True, True, False, False]
    rows = word_source(["A=0.7,0.71"], Given(floor=0.527)).rows
    assert [row["constant_prediction"] for row in rows] == [None, None]
