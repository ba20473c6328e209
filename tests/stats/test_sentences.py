"""The wording of a verdict: numbers in the headline, one thing and many things."""

import numpy as np
import pytest
from made_up import made_up_arm

import jaxtune
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.sentences import _cautious
from jaxtune.stats.verdict import judge
from jaxtune.stats.wording import (
    every,
    number,
    numbers,
    short_p,
    show_level,
    value_range,
    value_ranges,
)


def spread(std, n=20):
    """Scores about 0.8 with exactly this std."""
    x = np.linspace(-1, 1, n)
    return 0.8 + std * x / x.std(ddof=1)


def test_a_leader_by_spread_has_its_std_beside_those_of_the_others():
    arms = [made_up_arm(spread(std), f"{std}") for std in (0.06, 0.01, 0.05)]
    found = judge(arms)
    assert found.leaders == ("0.01",)
    assert found.more_stable.startswith(
        "[0.01] is more stable than every other arm: std 0.010 against 0.050 to 0.060; 0 of 20"
        " failed against 0 of 20"
    )
    still_open = judge([*arms, made_up_arm(spread(0.012), "near")])
    assert still_open.leaders == ("0.01", "near")
    assert still_open.more_stable.startswith(
        "[0.01] and [near] are each more stable than [0.06] and [0.05] (std 0.010 to 0.012"
        " against 0.050 to 0.060; 0 of 20 failed against 0 of 20); between them"
    )


def test_stds_are_those_of_the_arms_that_lost_by_spread():
    failing = made_up_arm([0.5] * 18 + [0.8, 0.9], "failing")
    arms = [made_up_arm(spread(0.01), "narrow"), failing, made_up_arm(spread(0.05), "wide")]
    assert judge(arms).more_stable.startswith(
        "[narrow] is more stable than every other arm: 0 of 20 failed against 0 to 18 of 20; std"
        " 0.010 against 0.050 of [wide]"
    )
    by_failures = judge([arms[0], failing, made_up_arm([0.5] * 17 + [0.8] * 3, "b")])
    assert by_failures.more_stable == (
        "[narrow] is more stable than every other arm: 0 of 20 failed against 17 to 18 of 20."
    )


def test_an_arm_that_stays_open_leaves_the_std_in_the_headline():
    few = made_up_arm(spread(0.02, 4), "few")
    found = judge([few, *(made_up_arm(spread(std), f"{std}") for std in (0.01, 0.05))])
    assert found.leaders == ("0.01",)
    assert found.more_stable.startswith(
        "[0.01] is more stable than [0.05] (std 0.010 against 0.050; 0 of 20 failed against 0 of"
        " 20); against [few] that was not shown, which does not make them equal"
    )


def test_numbers_that_differ_look_different():
    assert numbers(0.75, 0.8) == ["0.750", "0.800"]
    assert numbers(0.75031, 0.75034) == ["0.75031", "0.75034"]
    assert numbers(0.0003, 0.002) == ["0.0003", "0.0020"]
    assert numbers(0.5, 0.5 + 1e-15) == ["0.500", "0.500"]
    assert (number(0.0), number(2e-5), number(-0.0004)) == ("0.000", "0.00002", "-0.0004")
    assert value_range([0.01, 0.0102]) == "0.010"
    assert value_range([0.0002, 0.01]) == "0.0002 to 0.0100"


def test_a_p_is_seen_to_be_below_the_level_or_not():
    assert [short_p(p) for p in (0.0496, 0.0504, 0.051, 0.0123)] == [
        *("0.0496", "0.0504", "0.051", "0.012"),
    ]


def test_stds_of_small_errors_are_not_0_against_0():
    arms = [
        made_up_arm(2e-4 + 1e-6 * k * np.linspace(-1, 1, 20), name, trivial=1e-5)
        for name, k in (("a", 1), ("b", 20))
    ]
    found = judge(arms)
    assert "(std 0.0000006 against 0.0000125)" in found.more_stable


def test_a_cautious_interval_is_said_to_be_one():
    """The permutation test excludes equal stds, and Bonett's interval does not."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        arms = [made_up_arm(rng.normal(0.8, s, 8), n) for n, s in (("a", 0.01), ("b", 0.03))]
        found = judge(arms)
        (pair,) = found.comparisons
        ratio = pair.turned().effects.std_ratio
        if found.leaders:
            said = "a cautious one and does not exclude 1 as the test does" in found.how_sure
            assert said == (ratio.low <= 1)
            if said:
                return
    raise AssertionError("no such pair was drawn")


def test_a_spread_that_was_shown_is_not_called_out_of_reach():
    """Holm holds the larger p against the whole level."""
    arms = [
        made_up_arm([0.5] * 8, "b", trivial=0.5),
        made_up_arm(0.7 + 0.01 * np.arange(8) ** 2, "a", trivial=0.5),
    ]
    found = judge(arms, times=200.0)  # 2 / 12,870 times 2 tests times 200 is above 0.05
    (pair,) = found.comparisons
    assert pair.tests.spread.least * 2 * pair.times > 0.05
    assert pair.spread.p <= 0.05
    assert "whatever the scores" not in found.text


def test_one_trial_is_no_trials():
    assert judge([made_up_arm([0.9])]).how_sure.startswith("0 of 1 trial failed, which")
    assert "With 1 trial each no test" in judge([made_up_arm([0.9], n) for n in "ab"]).text
    assert (
        "With 1 and 2 trials no test"
        in judge([made_up_arm([0.9], "a"), made_up_arm([0.9, 0.8], "b")]).text
    )
    assert (every(1, "trial"), every(5, "trial")) == ("The only trial", "All 5 trials")
    assert (value_range([0.01]), value_range([0.06, 0.05])) == ("0.010", "0.050 to 0.060")


def test_rates_of_arms_of_many_sizes_are_no_counts():
    arms = [made_up_arm([0.5, *spread(0.02, n)], f"{n}") for n in (7, 8, 9)]
    assert judge(arms).more_stable.startswith(
        "None of 3 arms was shown to be more stable than another (10% to 12% failed), which"
    )


def test_of_errors_a_note_says_what_is_better():
    error = {"metric": "mse", "higher_is_better": False, "trivial": 2.0}
    arms = [made_up_arm(spread(0.1), name, **error) for name in "ab"]
    assert judge(arms).notes[0] == "The scores are errors (mse): lower is better."
    assert not any("lower is better" in note for note in judge([made_up_arm([0.9])]).notes)


def failing(failed, n=16, name=None, seed=0):
    """So many of `n` at the floor, the others about 0.8."""
    rng = np.random.default_rng(seed + failed)
    scores = [0.6] * failed + list(rng.normal(0.8, 0.01, n - failed))
    return made_up_arm(scores, name or f"f{failed}")


def test_values_of_two_groups_look_different():
    assert value_ranges([0.80041], [0.80012]) == ["0.8004", "0.8001"]
    assert value_ranges([0.01], [0.05, 0.06]) == ["0.010", "0.050 to 0.060"]
    assert numbers(1.2e-10, 3e-11) == ["1.2e-10", "3e-11"]


def test_tiny_numbers_that_look_alike_are_shown_all_the_same():
    """More decimals would never tell them apart: they are shown by their first digits."""
    assert numbers(9.4499e-7, 9.4501e-7) == ["9.45e-07", "9.45e-07"]
    assert value_ranges([9.4499e-7], [9.4501e-7]) == ["9.45e-07", "9.45e-07"]


@pytest.mark.parametrize("none", [0.0, 1.0])
def test_an_interval_that_holds_no_difference_is_called_cautious(none):
    """The test decides, and its interval may be wider."""
    said = _cautious(Estimate(none + 2, none - 0.1, none + 4), none)
    assert said == f", which is a cautious one and does not exclude {none:g} as the test does"
    assert _cautious(Estimate(none + 2, none + 0.1, none + 4), none) == ""
    assert _cautious(Estimate(none + 2, None, None), none) == ""


def test_leaders_name_whom_they_beat_and_what_stays_open():
    found = judge([failing(n) for n in (0, 4, 5, 13)])
    assert found.leaders == ("f0", "f4")
    assert "are each more stable than [f13]" in found.more_stable
    assert "choose by their failures, then by their scores" in found.next_step
    arms = [failing(0, name="a"), failing(0, name="b", seed=3), failing(13), failing(1, n=4)]
    two = judge(arms)
    assert two.more_stable == (
        "[a] and [b] are each more stable than [f13] (0 of 16 failed against 13 of 16); between"
        " them and against [f1] no difference was shown, which does not make them equal."
    )
    assert "choose by their scores, or" in two.next_step


def test_a_smaller_std_of_failed_trials_is_explained():
    rng = np.random.default_rng(1)
    alike = made_up_arm([0.6] * 9 + list(0.61 + 0.001 * rng.random(7)), "alike")
    apart = made_up_arm([0.6] * 9 + list(rng.uniform(0.61, 0.95, 7)), "apart")
    found = judge([alike, apart])
    assert not found.leaders
    (note,) = [note for note in found.notes if note.startswith("The std of [alike]")]
    assert note.endswith(
        "but 9 of 16 trials failed, and scores that lie together there are no stability."
    )


def test_of_scores_that_are_all_equal_more_seeds_tell_nothing():
    found = jaxtune.compare({"a": [0.7] * 8, "b": [0.7] * 8}).numbers
    other = jaxtune.compare({"a": [0.5] * 8, "b": [0.7] * 8}).numbers
    assert "No score differs" not in other.next_step
    assert found.next_step == (
        "No score differs from another, which more seeds would hardly change; a floor (--floor)"
        " would tell whether these trials have failed."
    )


def test_a_p_before_holm_says_so():
    rng = np.random.default_rng(0)
    arms = [made_up_arm(rng.normal(0.8, 0.02, 16), name) for name in "abcd"]
    notes = [n for n in judge(arms, margin=0.016).notes if "score equal within 0.016" in n]
    assert any("was not shown (p = " in n and n.endswith(" before Holm over 6).") for n in notes)


@pytest.mark.parametrize(("level", "shown"), [(0.95, "95%"), (1 - 2e-7, "99.99998%")])
def test_no_interval_has_a_level_of_100_percent(level, shown):
    assert show_level(level) == shown
