"""The arms of the study `correction` are the settings they are called by, their effective steps are
those of Adam's formulas, and areas are scikit-learn's.
"""

import numpy as np
import pandas as pd
import pytest
from link_settings import arm_settings
from made_up import RECIPE
from sklearn.metrics import roc_auc_score

from jaxtune.config.parse import from_settings
from jaxtune.stats.intervals import Estimate
from jaxtune.study.effective_steps import (
    area,
    best_column,
    bin_of,
    failure_chances,
    held_out_area,
    largest_step,
    left_out_chances,
)
from jaxtune.study.figures.correction import RECIPE as OF_ALL
from jaxtune.study.link_arms import ARMS, PRODUCTS, arms_of

STEPS = 60


def adam_sizes(settings, b2):
    """|update| over steps of steady gradients, straight from the formulas, in float64."""
    b1, lr, m, g = 0.9, settings["learning_rate"], 0.0, 0.37
    v = settings.get("second_moment_init", 0.0) * g * g
    warm = int(settings["warmup_ratio"] * STEPS)
    sizes = []
    for t in range(1, STEPS + 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        update, rms = m / np.sqrt(v), g / np.sqrt(v)
        which = settings.get("correct_moments", "both") if settings["bias_correction"] else "none"
        if which in ("both", "first"):
            update /= 1 - b1**t
        if which in ("both", "second"):
            update, rms = update * np.sqrt(1 - b2**t), rms * np.sqrt(1 - b2**t)
        if settings.get("update_clipping"):
            update /= max(1.0, rms)
        past = t - 1
        rate = lr * (past / warm if past < warm else (STEPS - past) / (STEPS - warm))
        if settings.get("untuned_warmup"):
            rate *= min(1.0, t * (1 - b2) / 2)
        sizes.append(rate * update)
    return np.array(sizes)


@pytest.mark.parametrize("b2", [0.98, 0.999])
@pytest.mark.parametrize("arm", ARMS)
def test_the_effective_step_is_that_of_adam(arm, b2):
    settings = RECIPE | {"learning_rate": 3e-4, "adam_b2": b2} | arm_settings()[arm]
    sizes = adam_sizes(settings, b2)
    for first in (1, 5, 20, STEPS, 10 * STEPS):
        found = largest_step(settings, STEPS, first)
        assert found == pytest.approx(sizes[:first].max(), rel=1e-9)


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_sweep_accepts_every_product_and_arms_are_told_by_their_rows(name):
    product = PRODUCTS[name]
    grid = product.grid | {"learning_rate": (1e-4, 1e-3), "adam_b2": (0.98, 0.999)}
    settings = from_settings({"model": "miniature", "grid": grid} | OF_ALL | product.settings)
    assert len(settings.arms) == 4 * len(product.arms)
    rows = pd.DataFrame([vars(arm) for arm in settings.arms])
    expected = arm_settings()
    for arm, row in zip(arms_of(product, rows), rows.to_dict("records"), strict=True):
        assert {field: row[field] for field in expected[arm]} == expected[arm]


def test_areas_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    failed, chances = rng.random(200) < 0.4, rng.random(200).round(1)
    assert area(failed, chances).value == pytest.approx(roc_auc_score(failed, chances))
    assert area(np.ones(3, bool), chances[:3]) == Estimate(None, reason="every trial failed")
    assert area(np.zeros(3, bool), chances[:3]).reason == "no trial failed"
    # 20 pairs all in order: 0.025 ** (1 / 20).
    perfect = area(np.arange(50) < 20, np.linspace(1, 0, 50))
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low == pytest.approx(0.8316, abs=1e-4)


def test_chances_follow_the_known_trials_at_both_ends():
    known = np.array([1e-5, 1e-4, 1e-3, 1e-2])
    failed = np.array([True, False, False, True])
    chances = failure_chances(known, failed, np.array([1e-12, 1e-5, 3e-4, 1e-2, 1e6]))
    assert chances == pytest.approx([1, 1, 0, 1, 1], abs=1e-6)
    # Half-way in the logarithm both sides count alike.
    (middle,) = failure_chances(known[1:], failed[1:], np.array([10**-2.5]))
    assert middle == pytest.approx(0.5)
    # One known trial a standard deviation away, one at the place itself.
    (near,) = failure_chances(np.array([1.0, 10**0.15]), np.array([False, True]), np.array([1.0]))
    assert near == pytest.approx(np.exp(-0.5) / (1 + np.exp(-0.5)))


def test_no_arm_judges_itself():
    known = pd.DataFrame({"arm": ["a", "a", "b", "b"], "x": [1.0] * 4, "failed": [1, 1, 0, 0]})
    asked = pd.DataFrame({"arm": ["a", "b", "a"], "x": [1.0] * 3, "failed": [1, 0, 1]})
    assert left_out_chances(known, asked, "x").tolist() == [0.0, 1.0, 0.0]
    assert held_out_area(known, asked, "x").value == 0.0


def test_bins_are_a_quarter_of_a_decade():
    assert bin_of(np.array([1.0, 1.7, 1.8, 9.9, 10.0])) == pytest.approx(
        [1, 1, 10**0.25, 10**0.75, 10]
    )


def test_the_updates_are_chosen_whose_steps_tell_failures():
    steps = np.tile(np.logspace(-4, -1, 8), 4)
    table = pd.DataFrame({"norms": ["after"] * 16 + ["before"] * 16, "arm": [*"aabb"] * 8})
    table = table.assign(failed=steps > 3e-3, tells=steps, same=1.0)
    table["mixed"] = np.random.default_rng(0).permutation(steps)
    assert best_column(table, {20: "same", 60: "tells", 189: "mixed"}) == 60
    assert best_column(table, {20: "tells", 60: "tells"}) == 20
