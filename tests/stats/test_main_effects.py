"""A setting over all cells of a grid: stratified tests against enumeration, and what is a grid."""

import itertools

import numpy as np
import pytest
import scipy.stats
from made_up import made_up_arm

from jaxtune.stats.main_effects import main_effects
from jaxtune.stats.stratified_tests import (
    stratified_failures,
    stratified_homogeneity,
    stratified_spread,
)

RNG = np.random.default_rng(0)


def flags(count, n):
    return np.arange(n) < count


def test_one_stratum_is_fishers_test():
    found = stratified_failures([(flags(7, 12), flags(2, 15))])
    assert found.p == pytest.approx(scipy.stats.fisher_exact([[7, 2], [5, 13]]).pvalue)


def test_two_strata_are_the_share_of_all_ways_to_deal_failures():
    """All ways to choose which trials of each stratum are the first value's."""
    strata = [(np.array([1, 1, 0]), np.array([0, 0, 1])), (np.array([1, 1]), np.array([0, 0, 0]))]
    sums = np.zeros(1)
    for one, other in strata:
        pooled = np.concatenate([one, other])
        here = [sum(pooled[list(c)]) for c in itertools.combinations(range(len(pooled)), len(one))]
        sums = (sums[:, None] + np.array(here)).ravel()
    values, counts = np.unique(sums, return_counts=True)
    law = counts / counts.sum()
    seen = law[values == sum(one.sum() for one, _ in strata)][0]
    expected = law[law <= seen * (1 + 1e-7)].sum()
    found = stratified_failures([(one == 1, other == 1) for one, other in strata])
    assert found.p == pytest.approx(expected)


def test_strata_that_differ_in_their_rates_alone_show_nothing():
    """Simpson's trap: pooled, 32 of 40 against 14 of 40; in every stratum the rates are equal."""
    strata = [(flags(30, 32), flags(8, 8)), (flags(2, 8), flags(6, 32))]
    assert stratified_failures(strata).p > 0.5
    pooled = [np.concatenate(side) for side in zip(*strata, strict=True)]
    assert stratified_failures([tuple(pooled)]).p < 0.001


def test_equal_values_are_rarely_called_different():
    """In 300 grids, 0.05 and three and a half standard errors."""
    found = []
    for seed in range(300):
        strata = [(RNG.normal(i, 1 + i, 8), RNG.normal(0, 1 + i, 8)) for i in range(3)]
        found.append(stratified_spread(strata, seed, 199).p <= 0.05)
    assert np.mean(found) <= 0.094


def test_spreads_of_all_strata_count():
    """Each stratum hints at a factor of 1.7; together they show it."""
    strata = [(RNG.normal(0, 1, 16), RNG.normal(0, 2.2, 16)) for _ in range(5)]
    assert stratified_spread(strata).p < 0.01
    assert stratified_spread([(np.ones(8), np.ones(8))]).reason == "neither value varies"


@pytest.mark.parametrize("trials", [2, 4, 7])
def test_spreads_of_few_trials_in_each_stratum_are_not_tested(trials):
    """Of 2 against 2 equal recipes would be called different in 23 of 100 grids."""
    strata = [(RNG.normal(0, 1, trials), RNG.normal(0, 9, trials)) for _ in range(8)]
    assert "fewer than 8 trials" in stratified_spread(strata).reason
    large = (RNG.normal(0, 1, 16), RNG.normal(0, 9, 16))
    assert stratified_spread([*strata, large]).p == stratified_spread([large]).p


def arm(name, **settings):
    return made_up_arm(RNG.normal(0.8, 0.02, 6), name, **settings)


def test_only_settings_swept_together_have_main_effects():
    alone = [arm(str(rate), learning_rate=rate) for rate in (1, 2, 3)]
    assert main_effects(alone) == ()
    grid = [arm(f"{r} {c}", learning_rate=r, mixout=c) for r in (1, 2) for c in (0.0, 0.5)]
    assert [(e.setting, e.one, e.other, e.num_strata) for e in main_effects(grid)] == [
        ("learning_rate", "1", "2", 2),
        ("mixout", "0.0", "0.5", 2),
    ]
    # Two sweeps of the same cells are no grid.
    assert main_effects([*grid, arm("again", learning_rate=1, mixout=0.0)]) == ()


def zelen(strata):
    """Of two strata by going through all tables."""
    laws, seen = [], []
    for one, other in strata:
        n, k = one.size + other.size, int(one.sum() + other.sum())
        counts = range(max(0, k - other.size), min(k, one.size) + 1)
        laws.append({x: scipy.stats.hypergeom.pmf(x, n, k, one.size) for x in counts})
        seen.append(int(one.sum()))
    tables = {
        (x, y): p * q for x, p in laws[0].items() for y, q in laws[1].items() if x + y == sum(seen)
    }
    total = sum(tables.values())
    return sum(p for p in tables.values() if p <= tables[tuple(seen)] * (1 + 1e-7)) / total


@pytest.mark.parametrize("counts", [(8, 1, 1, 7), (6, 2, 5, 1), (9, 9, 4, 3)])
def test_homogeneity_of_two_strata_is_zelens_exact_test(counts):
    strata = [
        (flags(counts[0], 10), flags(counts[1], 10)),
        (flags(counts[2], 10), flags(counts[3], 12)),
    ]
    assert stratified_homogeneity(strata).p == pytest.approx(zelen(strata), abs=0.015)


def test_an_effect_that_turns_round_is_an_interaction():
    """And one that is alike everywhere is none, however large; three strata as well."""
    turned = [(flags(11, 12), flags(1, 12)), (flags(1, 12), flags(11, 12))]
    assert stratified_homogeneity(turned).p < 0.001
    alike = [(flags(9, 12), flags(2, 12))] * 3
    assert stratified_homogeneity(alike).p > 0.3
    none = stratified_homogeneity([(flags(0, 4), flags(0, 4)), (flags(2, 4), flags(1, 4))])
    assert "fewer than two strata" in none.reason


def test_equal_effects_are_rarely_called_an_interaction():
    """Failure rates of 60 and 30% in each of three strata; 0.05 and three standard errors."""
    rng, found = np.random.default_rng(5), []
    for seed in range(300):
        strata = [(rng.random(12) < 0.6, rng.random(12) < 0.3) for _ in range(3)]
        p = stratified_homogeneity(strata, seed, 499).p
        found.append(p is not None and p <= 0.05)
    assert np.mean(found) <= 0.088
