"""Pairs of arms: what is compared, and how it is corrected."""

import numpy as np
import pytest
from made_up import made_up_arm

from jaxtune.core.errors import UserError
from jaxtune.stats.compare import compare_all
from jaxtune.stats.holm import holm

RNG = np.random.default_rng(0)
GOOD = RNG.normal(0.8, 0.02, 16)


def pair_of(one, other):
    (pair,) = compare_all([one, other])
    return pair


def test_a_pair_says_what_was_set_differently_and_what_came_out():
    off = made_up_arm([*[0.6] * 12, *GOOD[:4]], "off", bias_correction=False)
    on = made_up_arm(GOOD, "on", bias_correction=True)
    pair = pair_of(off, on)
    assert pair.settings == {"bias_correction": ("false", "true")}
    assert pair.effects.failures.value == 0.75
    assert pair.effects.failures.confidence == 0.975
    assert pair.tests.failures.p < 1e-4
    assert pair.failures.p == 2 * pair.tests.failures.p
    assert pair.tests.location.test == "paired permutation test"
    assert pair.effects.mean.value == pytest.approx(np.mean(off.final - on.final))
    turned = pair.turned()
    assert turned.settings == {"bias_correction": ("true", "false")}
    assert turned.effects.failures.value == -0.75
    assert turned.effects.failures.high == -pair.effects.failures.low


def test_seeds_that_both_ran_are_paired():
    """6 of 8; of 2 in common with 16 nothing is made."""
    one, other = made_up_arm(GOOD[:8], "a"), made_up_arm(GOOD[:8], "b", seeds=range(2, 10))
    pair = pair_of(one, other)
    assert (pair.num_shared, pair.num_seeds, pair.paired) == (6, 8, True)
    assert pair.effects.mean.value == pytest.approx(np.mean(GOOD[2:8] - GOOD[:6]))
    few = pair_of(made_up_arm(GOOD, "a"), made_up_arm(GOOD, "b", seeds=range(14, 30)))
    assert (few.num_shared, few.paired) == (2, False)
    assert few.tests.location.test == "Welch's t test and its permutation test"


def test_all_pairs_share_one_correction_and_location_has_its_own():
    arms = [made_up_arm(GOOD + 0.01 * i, f"arm {i}") for i in range(3)]
    pairs = compare_all(arms)
    assert [(pair.one, pair.other) for pair in pairs] == [
        ("arm 0", "arm 1"),
        ("arm 0", "arm 2"),
        ("arm 1", "arm 2"),
    ]
    decisive = [test.p for p in pairs for test in (p.tests.failures, p.tests.spread)]
    assert [c for p in pairs for c in (p.failures, p.spread)] == holm(decisive)
    assert [p.location for p in pairs] == holm([p.tests.location.p for p in pairs])
    # Constant shifts of paired scores: none of 9,999 permutations is as extreme, in three tests.
    assert [p.location.p for p in pairs] == pytest.approx([3 * 2 / 10_000] * 3)


def test_a_p_near_the_level_does_not_hang_on_the_generator():
    rng = np.random.default_rng(7)
    one, other = made_up_arm(rng.normal(0.8, 0.01, 16), "a"), made_up_arm(GOOD * 1.0, "b")
    ratio = 2.02 * one.std / other.std
    other = made_up_arm(0.8 + ratio * (GOOD - GOOD.mean()), "b")
    found = [compare_all([one, other], seed=seed)[0].spread.p for seed in range(5)]
    assert 0.025 < min(found) < 0.1
    assert np.ptp(found) < 0.05 * np.mean(found)


def test_an_interval_holds_no_difference_where_none_was_shown():
    rng = np.random.default_rng(8)
    for _ in range(20):
        one, other = made_up_arm(rng.normal(0.8, 0.02, 8), "a"), made_up_arm(GOOD[:8], "b")
        pair = pair_of(one, other)
        for corrected, effect, none in (
            (pair.failures, pair.effects.failures, 0),
            (pair.spread, pair.effects.std_ratio, 1),
            (pair.location, pair.effects.mean, 0),
        ):
            assert corrected.p <= 0.05 or effect.low <= none <= effect.high


def test_one_arm_has_no_pairs():
    assert compare_all([made_up_arm(GOOD)]) == []


def test_arms_of_two_tasks_do_not_compare():
    with pytest.raises(UserError, match=r"was trained on rte and \[all\] on cola; compare arms of"):
        compare_all([made_up_arm(GOOD), made_up_arm(GOOD, task="cola")])
