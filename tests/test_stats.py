"""Summaries of arms, and the sentence that says what they allow."""

import statistics

import pytest

from jaxtune.stats import by_arm, conclusion, summarise


def rows(scores, trivial=0.6, arm="all"):
    return [
        {
            "trial": number,
            "arm": arm,
            "metric": "accuracy",
            "final": score,
            "trivial": trivial,
            "failed": score <= trivial,
            "diverged": False,
            "constant_prediction": score == trivial,
        }
        for number, score in enumerate(scores)
    ]


def test_summary_of_known_numbers():
    scores = [0.6, 0.7, 0.8, 0.9, 1.0, 0.5, 0.75, 0.85]
    summary = summarise(rows(scores))
    assert summary["n"] == 8
    assert summary["mean"] == pytest.approx(0.7625)
    assert summary["std"] == pytest.approx(statistics.stdev(scores))
    assert (summary["min"], summary["median"], summary["max"]) == pytest.approx((0.5, 0.775, 1.0))
    assert summary["iqm"] == pytest.approx((0.7 + 0.75 + 0.8 + 0.85) / 4)
    assert (summary["failed"], summary["constant_predictions"]) == (2, 1)


def test_wilson_interval_of_4_in_25():
    """Known answer: 4/25 has the 95 % Wilson interval [0.064, 0.347]."""
    summary = summarise(rows([0.5] * 4 + [0.9] * 21))
    assert summary["failed_low"] == pytest.approx(0.064, abs=5e-4)
    assert summary["failed_high"] == pytest.approx(0.347, abs=5e-4)


def test_one_trial_has_no_std():
    assert summarise(rows([0.7]))["std"] is None


def test_arms_keep_the_order_of_their_first_trial():
    mixed = [*rows([0.5], arm="b"), *rows([0.6], arm="a")]
    mixed[0]["trial"], mixed[1]["trial"] = 1, 0
    assert list(by_arm(mixed)) == ["a", "b"]


@pytest.mark.parametrize(
    ("failures", "says"),
    [
        (
            (27, 1),
            "[off] (27/32, 95 % interval 68% to 93% failed) fails more often than [on] (1/32",
        ),
        ((1, 27), "[on] (27/32, 95 % interval 68% to 93% failed) fails more often than [off]"),
        ((3, 1), "was not shown to fail more or less often"),
        ((0, 0), "was not shown to fail more or less often"),
    ],
)
def test_conclusion_of_two_arms(failures, says):
    arms = {
        name: summarise(rows([0.5] * count + [0.9] * (32 - count), arm=name))
        for name, count in zip(("off", "on"), failures, strict=True)
    }
    sentence = conclusion(arms)
    assert says in sentence
    assert "says nothing about other learning rates" in sentence


def test_conclusion_of_one_arm():
    assert conclusion({"all": summarise(rows([0.5, 0.9]))}).startswith("1/2, 95 % interval")
