"""Dominance, against integrals done otherwise, and how often equal arms get a small eps-min."""

import numpy as np
import pytest
from drawn_scores import bimodal, normal, rarely_failing

from jaxtune.stats.order import ALMOST, almost_dominance, order, share_above, violation


def by_quantiles(one, other, steps=200_000):
    """The same ratio by a fine grid of quantiles."""
    at = (np.arange(steps) + 0.5) / steps
    gaps = np.quantile(one, at, method="inverted_cdf")
    gaps = gaps - np.quantile(other, at, method="inverted_cdf")
    return np.sum(gaps[gaps < 0] ** 2) / np.sum(gaps**2)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (8, 3), (7, 12)])
def test_the_violation_is_the_integral_over_quantiles(n, m):
    rng = np.random.default_rng(n)
    one, other = np.sort(rng.normal(size=n)), np.sort(rng.normal(0.3, 2, size=m))
    found = violation(one, other)
    assert found == pytest.approx(by_quantiles(one, other), abs=1e-3)
    assert violation(other, one) == pytest.approx(1 - found)
    both = violation(np.stack([one, one + 1]), np.stack([other, other]))
    assert both == pytest.approx([found, violation(one + 1, other)])


def test_dominance_in_every_trial():
    found = order(np.array([0.8, 0.9, 0.85]), np.array([0.5, 0.7, 0.79]), None, 0.05, 0)
    assert (found.violation.value, found.better) == (0.0, 1)
    assert (found.turned().violation.value, found.turned().better) == (1, -1)
    single = order(np.array([0.8]), np.array([0.7]), None, 0.05, 0)
    assert (single.violation.value, single.better) == (0.0, 1)


def test_wins_by_more_than_a_margin():
    found = order(np.array([0.70, 0.75]), np.array([0.70, 0.72]), 0.02, 0.05, 0)
    assert (found.wins_clearly, found.losses_clearly) == (0.5, 0.0)
    assert found.turned().losses_clearly == 0.5


def test_the_same_scores_have_no_order():
    found = order(np.full(4, 0.5), np.full(4, 0.5), None, 0.05, 0)
    assert found.violation.value is None
    assert found.better == 0


def test_it_is_not_far_off_where_one_is_clearly_higher():
    rng = np.random.default_rng(0)
    found = order(rng.normal(0.74, 0.02, 24), rng.normal(0.70, 0.02, 24), None, 0.05, 0)
    assert found.violation.high < ALMOST
    assert found.better == 1


def small_eps_min(draw, n, at, repeats):
    """Share of pairs of equal arms one of which has an eps-min below, either way."""
    rng, found = np.random.default_rng(n), 0
    for seed in range(repeats):
        share = almost_dominance(draw(rng, n), draw(rng, n), 0.05, seed)
        found += share.value is not None and (share.high < at or share.low > 1 - at)
    return found / repeats


def test_eps_min_is_no_test_by_itself():
    """What docs and comments say of it: far more than 5 of 100 at 0.5, a few at 0.2."""
    assert small_eps_min(normal, 16, 0.5, 60) > 0.2
    assert small_eps_min(normal, 16, ALMOST, 60) < 0.2


@pytest.mark.storm
@pytest.mark.parametrize("draw", [normal, bimodal, rarely_failing])
@pytest.mark.parametrize("n", [8, 16, 32])
def test_eps_min_is_small_between_equal_arms_in_so_many_cases(draw, n):
    assert 0.2 < small_eps_min(draw, n, 0.5, 300) < 0.46
    assert small_eps_min(draw, n, ALMOST, 300) < 0.18


def test_the_share_above_counts_no_ties():
    one, other = np.array([0.5] * 26 + [0.7] * 6), np.full(32, 0.5)
    assert share_above(one, other) == pytest.approx(6 / 32)
    assert share_above(other, one) == 0.0
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=7), rng.normal(0.3, 2, size=12)
    assert share_above(one, other) + share_above(other, one) == pytest.approx(1)
