"""Summaries and descriptions of arms."""

import itertools
import math
import statistics

import numpy as np
import pytest
from best_of_few import wrong
from made_up import made_up_arm
from made_up import made_up_rows as rows

from jaxtune.stats.arms import by_arm, make_arms
from jaxtune.stats.describe import (
    describe,
    describe_scores,
    expected_best,
    expected_max,
    higher_best,
    summarise,
)


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
    """Known answer: 4/25 has the 95% Wilson interval [0.064, 0.347]."""
    summary = summarise(rows([0.5] * 4 + [0.9] * 21))
    assert summary["failed_low"] == pytest.approx(0.064, abs=5e-4)
    assert summary["failed_high"] == pytest.approx(0.347, abs=5e-4)


def test_one_trial_has_no_std():
    assert summarise(rows([0.7]))["std"] is None


def test_the_summary_counts_trials_as_the_report_does():
    """One diverged above the floor, one has no score: both failed, and the mean is of all."""
    trials = rows([0.9, 0.8, None, 0.5])
    trials[1] |= {"diverged": True, "failed": False}
    summary, found = summarise(trials), describe(make_arms({"all": trials})[0])
    assert (summary["failed"], summary["diverged"], summary["unscored"]) == (3, 2, 1)
    assert (found.failed.count, found.diverged.count, found.num_unscored) == (3, 2, 1)
    assert summary["mean"] == found.all.mean.value == pytest.approx((0.9 + 0.8 + 0.6 + 0.5) / 4)


def test_arms_keep_the_order_of_their_first_trial():
    mixed = [*rows([0.5], name="b"), *rows([0.6], name="a")]
    mixed[0]["trial"], mixed[1]["trial"] = 1, 0
    assert list(by_arm(mixed)) == ["a", "b"]


def test_description_shows_the_good_trials_beside_all_and_never_instead():
    found = describe(made_up_arm([0.5, 0.6, None, 0.8, 0.9]), num_dev=277)
    assert (found.failed.count, found.diverged.count, found.constant.count) == (3, 1, 1)
    assert (found.num_unscored, found.all.n, found.not_failed.n) == (1, 5, 2)
    assert found.all.mean.value == pytest.approx((0.5 + 0.6 + 0.6 + 0.8 + 0.9) / 5)
    assert found.not_failed.mean.value == pytest.approx(0.85)
    assert found.dev_error.value == pytest.approx(math.sqrt(0.68 * 0.32 / 277))


def test_every_score_statistic_has_its_value_and_interval():
    scores = np.random.default_rng(0).normal(0.7, 0.05, 30)
    found = describe_scores(scores)
    expected = {
        "mean": scores.mean(),
        "std": statistics.stdev(scores),
        "min": scores.min(),
        "lower_quartile": np.quantile(scores, 0.25),
        "median": statistics.median(scores),
        "upper_quartile": np.quantile(scores, 0.75),
        "max": scores.max(),
        "iqm": np.sort(scores)[7:-7].mean(),
    }
    for name, value in expected.items():
        estimate = getattr(found, name)
        assert estimate.value == pytest.approx(value), name
        if name not in ("min", "max"):
            assert estimate.low < value < estimate.high, name
    assert (found.min.low, found.max.high) == (None, None)
    assert describe_scores(scores) == found


@pytest.mark.parametrize("scores", [[], [0.7], [0.7, 0.8], [0.7, 0.7, 0.7], [0.7] * 20])
@pytest.mark.filterwarnings("error")
def test_degenerate_scores_are_described_without_warning_or_nan(scores):
    found = describe_scores(np.array(scores))
    assert found.n == len(scores)
    for estimate in found[1:]:
        assert (estimate.low, estimate.high) == (None, None)
        assert estimate.reason
        assert (estimate.value is None) == (not scores or (estimate is found.std and found.n == 1))


def test_expected_max_of_two_scores():
    """One draw is either; two different ones hold the better score for sure."""
    found = expected_max(np.array([1.0, 0.0]))
    assert found.mean == pytest.approx([0.5, 1.0])
    assert found.std == pytest.approx([0.5, 0.0])
    assert found.low == pytest.approx([0.0, 1.0])
    assert found.high == pytest.approx([1.0, 1.0])


def test_expected_max_is_the_mean_over_all_draws():
    scores = np.array([0.2, 0.5, 0.5, 0.9, 0.3])
    found = expected_max(scores)
    for n in range(1, 6):
        draws = [max(draw) for draw in itertools.combinations(scores, n)]
        assert found.mean[n - 1] == pytest.approx(np.mean(draws))
        assert found.low[n - 1] == pytest.approx(max(np.mean(draws) - np.std(draws), 0.2))
        assert found.high[n - 1] == pytest.approx(min(np.mean(draws) + np.std(draws), 0.9))


def test_expected_max_of_one_and_of_many_trials():
    assert expected_max(np.array([0.7])).mean.tolist() == [0.7]
    found = expected_max(np.linspace(0, 1, 625))
    assert np.all(np.diff(found.mean) > 0)
    assert found.mean[-1] == pytest.approx(1)


@pytest.mark.slow
def test_a_clearly_higher_best_is_more_than_noise():
    rng = np.random.default_rng(0)
    for n, most in ((8, 0.09), (32, 0.04)):
        arms = [[made_up_arm(rng.normal(0.8, 0.05, n)) for _ in range(2)] for _ in range(400)]
        assert np.mean([higher_best(*pair) is not None for pair in arms]) < most
    one, other = rng.normal(0.9, 0.05, 32), rng.normal(0.8, 0.05, 32)
    higher = higher_best(made_up_arm(one), made_up_arm(other))
    assert higher.budget == 5
    assert higher.one == pytest.approx(expected_max(one).mean[4])


def test_a_higher_best_is_looked_for_in_all_arms_at_one_level():
    """Of 15 unstable arms whose best is as good as the leader's, with 10 seeds each: 2.5 standard
    errors said so beside 37 of 100 leaders.
    """
    mean = 0.7037  # of tests/support/best_of_few.py
    assert wrong(10, 15, 0.5, mean, 12) <= 0.2
    rng = np.random.default_rng(0)
    one, other = (made_up_arm(rng.normal(0.8, std, 20)) for std in (0.06, 0.01))
    found = [higher_best(one, other, others) is not None for others in (1, 3, 15, 100)]
    assert found == sorted(found, reverse=True)
    assert (found[0], found[-1]) == (True, False)


def test_the_expected_best_of_errors_is_the_smallest():
    errors = [1.0, 2.0, 4.0]
    error = {"trivial": 9.0, "metric": "mse", "higher_is_better": False}
    arm = made_up_arm(errors, **error)
    found = expected_best(arm)
    # Of two different ones of three: the smallest is 1 in two of three cases, else 2.
    assert found.mean == pytest.approx([7 / 3, 4 / 3, 1])
    assert np.all((found.low <= found.mean) & (found.mean <= found.high))
    assert np.all((errors[0] <= found.low) & (found.high <= errors[-1]))
    assert arm.best == 1.0
    rng = np.random.default_rng(0)
    low, high = (made_up_arm(rng.normal(mean, 0.05, 32), **error) for mean in (0.8, 0.9))
    assert higher_best(high, low) is None
    better = higher_best(low, high)
    assert better.one == pytest.approx(expected_best(low).mean[4])
    assert better.one < better.other
