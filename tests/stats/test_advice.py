"""The next step of a verdict: what it recommends follows from the numbers and the settings."""

import dataclasses

import numpy as np
import pytest
from made_up import made_up_arm

from jaxtune.stats.verdict import judge

GOOD = np.linspace(0.75, 0.85, 16)
FAILED = [0.6] * 16  # at the floor
RECOMMENDED = {"bias_correction": True, "learning_rate": 2e-5, "warmup_ratio": 0.1}


def test_of_unknown_settings_no_direction_is_said():
    """Their rate may be too small as well as too large."""
    found = judge([made_up_arm(FAILED, "a"), made_up_arm(FAILED, "b")]).next_step
    assert found.endswith("adding seeds: another learning rate, more steps or a longer warm-up.")


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        (
            {"bias_correction": False, "learning_rate": 5e-5, "num_epochs": 3},
            "bias_correction=true first, then a smaller learning_rate than 5e-05 and more epochs"
            " than 3, such as 20",
        ),
        (
            RECOMMENDED | {"warmup_ratio": 0.0, "max_steps": 40, "num_epochs": 3},
            "a warm-up (warmup_ratio=0.1) first, then more steps than 40",
        ),
        (RECOMMENDED | {"num_epochs": 3, "max_steps": None}, "more epochs than 3, such as 20"),
        (RECOMMENDED | {"num_epochs": 20}, "a smaller learning_rate or a longer warm-up"),
        (
            RECOMMENDED | {"learning_rate": 1e-8, "num_epochs": 20},
            "a larger learning_rate than 1e-08",
        ),
    ],
)
def test_failures_alone_ask_for_what_the_recipe_has_not_yet(settings, advice):
    expected = f"Change the recipe before adding seeds: {advice}."
    assert judge([made_up_arm(FAILED, "a", **settings)]).next_step == expected
    two = [made_up_arm(FAILED, name, **settings) for name in "ab"]
    assert judge(two).next_step == expected


def test_what_one_of_the_failed_arms_has_tried_is_not_advised():
    tried = {"learning_rate": 1e-4, "num_epochs": 3}
    arms = [
        made_up_arm(FAILED, "off", bias_correction=False, **tried),
        made_up_arm(FAILED, "on", bias_correction=True, **tried | {"learning_rate": 5e-5}),
    ]
    assert judge(arms).next_step == (
        "Change the recipe before adding seeds: a smaller learning_rate than 5e-05 first, then more"
        " epochs than 3, such as 20."
    )


def test_a_usual_learning_rate_is_too_large_where_trials_diverged():
    settings = RECOMMENDED | {"num_epochs": 20}
    assert judge([made_up_arm([None] * 8, "a", **settings)]).next_step == (
        "Change the recipe before adding seeds: a smaller learning_rate than 2e-05."
    )


def test_where_patience_ended_every_trial_more_epochs_would_not_be_trained():
    settings = RECOMMENDED | {"num_epochs": 3, "patience": 2}
    arm = made_up_arm(FAILED, "a", **settings)
    ended = dataclasses.replace(arm, out_of_patience=np.ones(16, bool))
    advice = "Change the recipe before adding seeds: a larger patience than 2."
    assert judge([ended]).next_step == advice
    some = dataclasses.replace(arm, out_of_patience=np.arange(16) < 15)
    assert judge([some]).next_step.endswith("more epochs than 3, such as 20.")


def test_an_arm_whose_trials_all_failed_is_told_what_to_change():
    failed = made_up_arm(FAILED, "off", bias_correction=False, learning_rate=2e-5)
    found = judge([failed, made_up_arm(GOOD, "on", bias_correction=True, learning_rate=2e-5)])
    (said,) = [note for note in found.notes if note.startswith("Every trial of [off] failed")]
    assert said.endswith("alike; to mend that, change the recipe: bias_correction=true.")
    alone = [failed, made_up_arm(FAILED, "again", bias_correction=False)]
    assert "to mend that" not in judge(alone).text


def test_failures_of_crossed_seeds_ask_for_another_recipe_too():
    crossed = made_up_arm(FAILED, "a", seeds=[0, 1] * 8, **RECOMMENDED)
    assert judge([crossed]).next_step.startswith("Change the recipe before adding seeds: ")
    assert not judge([made_up_arm(GOOD, "a", seeds=[0, 1] * 8)]).next_step.startswith("Change")


def grid(counts, **settings):
    """Arms of learning rates without and with bias correction, of which so many trials fail."""
    return [
        made_up_arm(
            [0.5] * failed + [*np.linspace(0.75, 0.85, 16 - failed)],
            f"{rate} {correction}",
            learning_rate=rate,
            bias_correction=bool(correction),
        )
        for rate, pair in counts.items()
        for correction, failed in enumerate(pair)
    ]


@pytest.mark.slow
def test_what_a_grid_shows_is_kept():
    """No cell leads, and 28 of 80 against 6 of 80 trials failed."""
    found = judge(grid({1: (8, 2), 2: (6, 1), 3: (6, 1), 4: (5, 1), 5: (3, 1)}))
    assert found.leaders == ()
    assert found.next_step.startswith(
        "Keep bias_correction=true, shown to fail less often over the grid. "
    )


def test_two_values_that_beat_a_third_are_both_kept():
    found = judge(grid({1: (0, 0), 2: (0, 1), 3: (13, 12)}))
    assert len(found.leaders) > 1
    assert found.next_step.startswith(
        "Keep learning_rate=1 or learning_rate=2, shown to fail less often over the grid. Use any"
    )


def test_a_lone_leader_is_advice_enough():
    found = judge(grid({1: (16, 0), 2: (16, 7)}))
    assert found.leaders == ("1 1",)
    assert found.over_grid
    assert found.next_step.startswith("Use bias_correction=true learning_rate=1;")


def test_a_better_mean_is_said_where_stability_stays_open():
    low, high = made_up_arm(GOOD - 0.05, "low", mixout=0.0), made_up_arm(GOOD, "high", mixout=0.5)
    found = judge([low, high])
    assert found.leaders == ()
    assert found.more_stable == (
        "Neither [low] nor [high] was shown to be more stable than the other, which does not make"
        " them equal; but [high] scores higher than [low] (mean 0.800 against 0.750, p ≤ 0.0002)."
    )
    assert found.next_step.startswith(
        "If the score alone counts, use mixout=0.5. Run more seeds in a comparison of their own (in"
        " a sweep: another --out, with other --seeds or with --until_decided), or settle for"
    )
    assert not any("scores higher" in note for note in found.notes)
    many = judge([low, high, made_up_arm(GOOD - 0.04, "third", mixout=0.9)])
    assert many.more_stable.startswith("None of 3 arms was shown to be more stable than another (0")
    assert many.more_stable.endswith(
        "; but [high] scores higher than [low] and [third] (mean 0.800 against 0.750 to 0.760, p ≤"
        " 0.0006)."
    )
    error = {"metric": "mse", "higher_is_better": False, "trivial": 2.0}
    errors = [made_up_arm(GOOD - 0.05 * i, f"{i}", **error) for i in range(2)]
    assert (
        "; but [1] scores better than [0] (mean 0.750 against 0.800," in judge(errors).more_stable
    )


def test_a_mean_says_whose_it_is():
    found = judge([made_up_arm(GOOD, "a"), made_up_arm(GOOD[::-1] + 0.001, "b")])
    (said,) = [note for note in found.notes if note.startswith("No difference in the mean")]
    assert said.startswith("No difference in the mean was shown ([b] 0.801 against [a] 0.800, p = ")
