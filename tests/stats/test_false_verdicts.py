"""How often a verdict is wrong: about equal recipes, about the worse of two, about crossed seeds,
repeated looks and grids. The figures are those of docs/verdict.md.

Simulated shares are held against bounds that a right method misses less than once in a thousand
times; seeds are fixed.
"""

from pathlib import Path

import numpy as np
import pytest
from drawn_scores import bimodal, normal
from false_verdicts import FIXED, of_crossed_seeds, of_grids, of_repeated_looks, stops_at
from made_up import made_up_arm

from jaxtune.stats.looks_notes import LOOKS
from jaxtune.stats.power import power_of_failures
from jaxtune.stats.sentences import SHARED
from jaxtune.stats.verdict import judge


def false_verdicts(draw, n, repeats, arms=2, seed=0):
    """Share of sweeps of equal arms in which one was called more stable, or any leads."""
    rng, found = np.random.default_rng(seed), 0
    for number in range(repeats):
        made = [
            made_up_arm(draw(rng, n), str(i), trivial=0.55, seeds=range(i * n, (i + 1) * n))
            for i in range(arms)
        ]
        found += bool(judge(made, seed=number).wins)
    return found / repeats


def test_equal_arms_are_rarely_called_different():
    """0.05 and three and a half standard errors."""
    assert false_verdicts(bimodal, 12, 50) <= 0.158


@pytest.mark.storm
@pytest.mark.parametrize(("draw", "n", "arms"), [(normal, 16, 2), (bimodal, 16, 2), (normal, 8, 4)])
def test_equal_arms_are_rarely_called_different_in_many_sweeps(draw, n, arms):
    assert false_verdicts(draw, n, 400, arms) <= 0.088


def worse_named(repeats):
    """45% and 20% of 32 trials fail: how often the verdict names which arm."""
    rng, named = np.random.default_rng(1), {"worse": 0, "better": 0}
    for number in range(repeats):
        worse, better = (
            made_up_arm(
                bimodal(rng, 32, rate), name, trivial=0.55, seeds=range(i * 32, i * 32 + 32)
            )
            for i, (name, rate) in enumerate((("worse", 0.45), ("better", 0.2)))
        )
        for name in judge([worse, better], seed=number).leaders:
            named[name] += 1
    return {name: count / repeats for name, count in named.items()}


@pytest.mark.slow
def test_an_arm_that_fails_more_is_not_named():
    """It was in 34 of 100, where a smaller std won alone."""
    assert worse_named(30)["worse"] <= 0.1


@pytest.mark.storm
def test_an_arm_that_fails_more_is_not_named_in_many_sweeps():
    found = worse_named(500)
    assert found["worse"] <= 0.045
    assert found["better"] >= 0.3


@pytest.mark.storm
def test_two_tests_find_more_than_three():
    """30% against no failures, 16 seeds: what location in the correction would cost."""
    one, other = np.array([0.3]), np.array([0.0])
    power = [power_of_failures(one, other, 16, 0.05 / tests) for tests in (2, 3)]
    assert power == pytest.approx([0.55, 0.34], abs=0.02)


def test_crossed_seeds_would_decide_falsely():
    """Why crossed designs get no verdict."""
    assert of_crossed_seeds(8, 0.9, 40) > 0.4


@pytest.mark.storm
@pytest.mark.parametrize(
    ("side", "share", "found"), [(5, 0.6, 0.28), (5, 0.9, 0.50), (8, 0.6, 0.40), (8, 0.9, 0.63)]
)
def test_crossed_seeds_would_decide_falsely_in_so_many_sweeps(side, share, found):
    assert of_crossed_seeds(side, share, 150) == pytest.approx(found, abs=0.13)


@pytest.mark.slow
def test_repeated_looks_are_too_often_wrong():
    """Why a number of seeds is asked for: a look at 8, 12, ... 64 seeds each."""
    assert of_repeated_looks(0.3, 60) > 0.05


@pytest.mark.storm
@pytest.mark.parametrize(("rate", "found"), [(0.0, 0.12), (0.1, 0.12), (0.3, 0.13), (0.5, 0.12)])
def test_repeated_looks_are_wrong_in_so_many_sweeps(rate, found):
    assert of_repeated_looks(rate, 300) == pytest.approx(found, abs=0.07)


@pytest.mark.slow
def test_counted_looks_are_rarely_wrong():
    """As --until_decided has them; the bound is 0.05 and three and a half standard errors."""
    assert of_repeated_looks(0.3, 60, FIXED[0], counted=True) <= 0.148


@pytest.mark.storm
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("looks", FIXED)
def test_counted_looks_are_rarely_wrong_in_many_sweeps(rate, looks):
    assert of_repeated_looks(rate, 600, looks, counted=True) <= 0.081


@pytest.mark.storm
def test_clear_differences_are_decided_at_the_first_look():
    """Failures of the quickstart: 88% against 3%."""
    stops = stops_at((0.88, 0.03), 200, FIXED[0], counted=True)
    assert {winner for _, winner in stops} == {1}
    assert sum(n == FIXED[0][0] for n, _ in stops) >= 190


def test_the_docs_have_the_figures_of_the_sentences():
    docs = (Path(__file__).parents[2] / "docs" / "verdict.md").read_text(encoding="utf-8")
    assert f"| {SHARED} of 100, hence no verdict |" in docs
    assert f'| {LOOKS} of 100, hence "fixed beforehand" |' in docs


@pytest.mark.storm
@pytest.mark.parametrize(("values", "n"), [((2, 2), 16), ((3, 2), 32)])
def test_cells_and_settings_of_a_grid_are_rarely_called_different(values, n):
    """Two families of tests, each of 5%, which are cautious enough for 5% together."""
    assert of_grids(values, n, 200)[-1] <= 0.104
