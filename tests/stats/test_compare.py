"""Pairs of arms and Holm's correction."""

import numpy as np
import pytest
from made_up import made_up_arm

from jaxtune.core.errors import UserError
from jaxtune.stats.compare import compare, compare_all, fewest_seeds, holm

RNG = np.random.default_rng(0)
GOOD = RNG.normal(0.8, 0.02, 16)


def test_holm_of_known_p_values():
    """As R's p.adjust gives them."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_counts_what_could_not_be_tested():
    assert holm([0.01, None, 0.6]) == [pytest.approx(0.03), None, 1.0]
    assert holm([]) == []


def test_a_pair_says_what_was_set_differently_and_what_came_out():
    off = made_up_arm([*[0.6] * 12, *GOOD[:4]], "off", bias_correction=False)
    on = made_up_arm(GOOD, "on", bias_correction=True)
    pair = compare(off, on)
    assert pair.settings == {"bias_correction": ("false", "true")}
    assert pair.failure_difference.value == 0.75
    assert pair.failures.p < 1e-4
    assert pair.all.location is pair.all.paired
    assert pair.all.mean_difference.value == pytest.approx(np.mean(off.final - on.final))


def test_arms_with_other_seeds_are_compared_unpaired():
    pair = compare(made_up_arm(GOOD), made_up_arm(GOOD[1:], seeds=range(1, 16)))
    assert pair.all.location is pair.all.mann_whitney
    assert pair.all.paired.reason == "the seeds do not match"


def test_all_pairs_share_one_correction():
    arms = [made_up_arm(GOOD + 0.01 * i, f"arm {i}") for i in range(3)]
    pairs = compare_all(arms)
    assert [(pair.one, pair.other) for pair in pairs] == [
        ("arm 0", "arm 1"),
        ("arm 0", "arm 2"),
        ("arm 1", "arm 2"),
    ]
    expected = holm([p for pair in pairs for p in pair.p])
    assert [p for pair in pairs for p in pair.holm] == expected
    # Constant shifts of paired scores: as certain as permutations can be, in each of nine tests.
    assert pairs[0].holm.location == pytest.approx(9 * 2 / 10_000, rel=1.0)


def test_one_arm_has_no_pairs():
    assert compare_all([made_up_arm(GOOD)]) == []


def test_arms_of_two_tasks_do_not_compare():
    with pytest.raises(UserError, match="compare arms of one task"):
        compare_all([made_up_arm(GOOD), made_up_arm(GOOD, task="cola")])


@pytest.mark.parametrize(("num_tests", "seeds"), [(1, 6), (3, 7), (45, 11)])
def test_fewest_seeds_at_which_a_paired_test_can_reach_the_level(num_tests, seeds):
    """2 / 2 ** 6 = 0.031: six pairs are the fewest for a single test."""
    assert fewest_seeds(num_tests) == seeds
