"""What a verdict says of one arm, of three, of ten and of a grid."""

from made_up import arm, normal

from jaxtune.stats.verdict import judge


def test_one_of_three_arms_leads():
    bad = [arm(f"lr={i}", [0.5] * 20 + [*normal(0.8, 0.02, 4)], learning_rate=i) for i in (1, 2)]
    good = arm("lr=3", normal(0.8, 0.02, 24), learning_rate=3)
    found = judge([bad[0], good, bad[1]])
    assert found.leaders == ("lr=3",)
    assert found.more_stable == (
        "[lr=3] is more stable than every other arm: 0 of 24 failed against 20 of 24."
    )
    assert "as the least certain pair here in fewer than 1 of 10,000 such sweeps" in found.how_sure
    assert "after Holm over 6 tests" in found.how_sure
    assert found.next_step.startswith("Use learning_rate=3;")
    same = judge([bad[0], good, arm("twin", normal(0.8, 0.02, 24), learning_rate=4)])
    assert same.leaders == ("lr=3", "twin")
    assert same.more_stable == (
        "[lr=3] and [twin] are each more stable than [lr=1] (0 of 24 failed against 20"
        " of 24); between them no difference was shown, which does not make them equal."
    )
    assert same.next_step.startswith("Use either [lr=3] or [twin]: choose by")


def test_ten_arms_have_a_short_headline_with_their_failures():
    arms = [
        arm(f"lr={i}", [0.5] * k + [*normal(0.8, 0.02, 16 - k)], learning_rate=i)
        for i, k in enumerate([0, 3, 16, 16, 15, 16, 16, 3, 16, 14])
    ]
    found = judge(arms)
    assert found.leaders == ("lr=0", "lr=1", "lr=7")
    assert found.more_stable == (
        "[lr=0], [lr=1] and [lr=7] are each more stable than 7 other arms (0 to 3 of 16"
        " failed against 14 to 16 of 16); between them no difference was shown, which does not make"
        " them equal."
    )


def test_a_setting_is_judged_over_the_whole_grid():
    """Five learning rates: 28 of 80 failed against 5 of 80, and no pair of cells shows it."""
    counts = [(8, 2), (6, 1), (6, 1), (5, 1), (3, 0)]
    arms = [
        arm(
            f"{rate} {correction}",
            [0.5] * pair[correction] + [*normal(0.8, 0.02, 16 - pair[correction])],
            learning_rate=rate,
            bias_correction=bool(correction),
        )
        for rate, pair in enumerate(counts)
        for correction in (0, 1)
    ]
    found = judge(arms)
    (said,) = found.over_grid
    assert said.startswith(
        "Over all 5 settings of the rest of the grid bias_correction=true fails less often than"
        " bias_correction=false: 5 of 80 trials against 28 of 80. Equal values would differ this"
        " much in fewer than 1 of 10,000 such sweeps (exact stratified test, p = 0.00018 after Holm"
    )
    assert said in found.text
    assert not any(win.by_failures for win in found.wins)
    (effect,) = (e for e in found.main_effects if e.setting == "bias_correction")
    assert [part.count for part in effect.failed] == [28, 5]
    assert effect.num_strata == 5


def test_many_arms_share_sentences():
    arms = [arm(f"{i}", [0.6, 0.5, *normal(0.8, 0.02, 6)]) for i in range(6)]
    found = judge(arms)
    assert found.more_stable.startswith(
        "None of 6 arms was shown to be more stable than another (2"
    )
    assert "as the nearest pair, [" in found.how_sure
    assert (
        "[0], [1], [2] and 3 more mix trials that failed (6 of them with one answer for every dev"
        " example) with trials that did not: their mean" in found.text
    )


def test_one_arm_has_nothing_to_compare():
    found = judge([arm("all", [0.5, *normal(0.8, 0.02, 9)])])
    assert "nothing to compare it with" in found.more_stable
    assert (
        "1 of 10 trials failed, which leaves a failure rate of 2% to 40% possible" in found.how_sure
    )
    assert found.comparisons == ()


def test_a_lead_over_some_decides_nothing():
    """Of three arms two are alike: more seeds may tell them apart."""
    bad = arm("bad", [0.6] * 20, bias_correction=False)
    one, other = arm("one", normal(0.8, 0.02, 20)), arm("other", normal(0.8, 0.02, 20))
    assert not judge([bad, one, other]).decided
    assert judge([bad, one]).decided
