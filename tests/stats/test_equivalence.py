"""Two one-sided tests at the edge of the margin; the posterior against draws, and calibrated."""

import dataclasses

import numpy as np
import pytest
from drawn_scores import bimodal
from made_up import made_up_arm
from scipy import stats

from jaxtune.core.errors import UserError
from jaxtune.stats.equivalence import equal_pairs, equivalence, fails_less
from jaxtune.stats.verdict import judge

MARGIN = 0.02


def equal(one, other):
    return equivalence(
        made_up_arm(one, "a", trivial=0.55), made_up_arm(other, "b", trivial=0.55), MARGIN
    )


def test_p_is_that_of_the_two_one_sided_tests():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.70, 0.01, 12), rng.normal(0.705, 0.03, 20)
    tests = [
        stats.ttest_ind(a, b - shift, equal_var=False, alternative=side).pvalue
        for shift, side in ((MARGIN, "greater"), (-MARGIN, "less"))
    ]
    found = equal(a, b)
    assert found.p == pytest.approx(max(tests))
    assert found.difference == pytest.approx(a.mean() - b.mean())


@pytest.mark.parametrize(
    ("scores", "margin", "such_as"),
    [((0.69, 0.75), 1.0, "0.01"), ((-0.1, 0.0), 1.5, "0.01"), ((69.0, 75.0), 1e2, "1")],
)
def test_a_margin_in_another_unit_than_the_scores_is_refused(scores, margin, such_as):
    """Within it any arms would be equal."""
    arms = [made_up_arm([score] * 8, name) for score, name in zip(scores, "ab", strict=True)]
    sentence = f"margin is {margin:g}, and no score is above .* scores, such as {such_as}\\."
    with pytest.raises(UserError, match=sentence):
        judge(arms, margin=margin)
    assert judge(arms, margin=margin / 2)


def false_equal(n, stds, repeats, draw=None):
    """How often recipes that lie apart by exactly the margin are called equal within it."""
    rng, found = np.random.default_rng(n), 0
    for _ in range(repeats):
        one = bimodal(rng, n) if draw else rng.normal(0.7, stds[0], n)
        other = rng.normal(0.7 + MARGIN, stds[1], n)
        p = equal(one, other).p
        found += p is not None and p <= 0.05
    return found / repeats


def test_recipes_at_the_margin_are_rarely_called_equal():
    """0.05 and three standard errors."""
    assert false_equal(16, (0.01, 0.02), 400) < 0.083


@pytest.mark.storm
@pytest.mark.parametrize("n", [8, 16, 32])
@pytest.mark.parametrize(
    ("stds", "draw"), [((0.01, 0.01), None), ((0.005, 0.03), None), ((0.02, 0.02), bimodal)]
)
def test_recipes_at_the_margin_are_rarely_called_equal_in_many_sweeps(n, stds, draw):
    assert false_equal(n, stds, 3000, draw) < 0.062


def test_failures_are_left_aside_and_few_trials_tell_nothing():
    rng = np.random.default_rng(1)
    steady = rng.normal(0.7, 0.004, 16)
    assert equal([*steady, 0.5, 0.5], steady + 0.001).p < 0.001
    found = equal([*steady[:7], *[0.5] * 9], steady)
    assert found.p is None
    assert "8 trials in each arm" in found.reason
    assert equal([0.5] * 8, steady).p is None
    assert equal([0.7] * 8, [0.71] * 8).p == 0.0
    assert equal([0.7] * 8, [0.73] * 8).p == 1.0


def test_it_is_not_tested_where_failures_are_not_known():
    """A rare one parts the means, and few trials do not show it."""
    rng = np.random.default_rng(1)
    arms = [
        dataclasses.replace(made_up_arm(rng.normal(0.8, 0.004, 16), name), judged=False)
        for name in "ab"
    ]
    found = equivalence(*arms, MARGIN)
    assert found.p is None
    assert found.reason == "without a floor it is not known which trials failed"


def test_holm_goes_over_all_pairs():
    def of(*p_values):
        return [equivalence_of(p) for p in p_values]

    assert equal_pairs(of(0.02, 0.04, None), 0.05) == [False, False, False]
    assert equal_pairs(of(0.04, 0.01, 0.02), 0.05) == [True, True, True]
    assert equal_pairs(of(0.06, 0.01, 0.02), 0.05) == [False, True, True]


def equivalence_of(p):
    return equal([0.7] * 8, [0.71] * 8)._replace(p=p)


@pytest.mark.parametrize(
    ("failed", "n", "other", "m"), [(0, 8, 3, 8), (5, 32, 5, 32), (1, 16, 9, 40)]
)
def test_the_chance_to_fail_less_is_that_of_draws_from_both_posteriors(failed, n, other, m):
    rng = np.random.default_rng(0)
    draws = [rng.beta(k + 1, size - k + 1, 200_000) for k, size in ((failed, n), (other, m))]
    found = fails_less(failed, n, other, m)
    assert found == pytest.approx(np.mean(draws[0] < draws[1]), abs=0.005)
    assert fails_less(other, m, failed, n) == pytest.approx(1 - found, abs=1e-9)


def test_it_is_calibrated_where_all_rates_are_alike_beforehand():
    """Of statements made with 80 to 90%, 80 to 90% are right."""
    rng = np.random.default_rng(2)
    rates = rng.random((20_000, 2))
    counts = rng.binomial(16, rates)
    chances = np.array([fails_less(int(a), 16, int(b), 16) for a, b in counts[:5000]])
    right = (rates[:, 0] < rates[:, 1])[:5000]
    said = (chances > 0.8) & (chances < 0.9)
    assert right[said].mean() == pytest.approx(chances[said].mean(), abs=0.06)


def test_it_ends_well():
    assert fails_less(0, 1000, 1000, 1000) == pytest.approx(1.0)
    assert fails_less(1000, 1000, 0, 1000) == pytest.approx(0.0)
    assert fails_less(4, 8, 4, 8) == pytest.approx(0.5)
