"""Drawings by their numbers: what is thinned, binned and banded, and what ends up in the SVG."""

import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from made_up import made_up_rows
from trial_records import record, records, source

from jaxtune.core.errors import UserError
from jaxtune.report.contents import sections
from jaxtune.report.drawing import (
    FAILED,
    PAGE,
    SUCCEEDED,
    Picture,
    arm_style,
    log_axis,
    to_svg,
)
from jaxtune.report.figures import (
    plot_expected_best,
    plot_gradient_norms,
    plot_scores,
    trial_curves,
)
from jaxtune.report.final_scores import final_scores
from jaxtune.report.findings import find
from jaxtune.report.points import (
    MOST_POINTS,
    SMALLEST_NORM,
    band,
    band_limits,
    block_means,
    loss_limits,
    padded,
    swarm,
    thinned,
)
from jaxtune.report.sources import LOSS

RNG = np.random.default_rng(0)
COLOUR = arm_style(0).colour


def parsed(svg):
    return ElementTree.fromstring(svg)


def texts(svg):
    return [element.text for element in parsed(svg).iter("text")]


def marks_of(svg, colour):
    """Horizontal places of the marks of a colour."""
    uses = parsed(svg).iter("use")
    return [float(use.get("x")) for use in uses if colour.lower() in use.get("style", "")]


def test_block_means():
    steps, values = block_means(np.arange(7), np.array([1.0, 3, 5, 7, 9, 11, 20]), 4)
    assert steps.tolist() == [0.5, 2.5, 4.5, 6]
    assert values.tolist() == [2, 6, 10, 20]
    _, broken = block_means(np.arange(4), np.array([1.0, 2, np.nan, 4]), 2)
    assert broken[0] == 1.5
    assert np.isnan(broken[1])


@pytest.mark.parametrize("count", [1, 2, 9, 100, 101])
def test_thinning_keeps_both_ends(count):
    steps, values = thinned(np.arange(count), np.arange(count) * 2.0, 10)
    assert (steps[0], steps[-1]) == (0, count - 1)
    assert len(steps) <= 11
    assert np.array_equal(values, steps * 2.0)


def test_equal_scores_are_kept_apart():
    scores = np.array([0.6] * 24 + [0.65, 0.9])
    offsets = swarm(scores, (0.5, 1.0))
    assert np.unique(offsets[:24]).size == 24
    assert np.ptp(offsets) <= 0.4
    assert offsets[24] == offsets[25] == 0
    assert np.array_equal(offsets, swarm(scores, (0.5, 1.0)))


@pytest.mark.parametrize("score", [0.7, 0.0, 2e-4, -3.0, 1e17])
def test_equal_scores_have_room_around_them(score):
    low, high = padded([score, score, np.nan])
    assert low < score < high
    assert swarm(np.array([score]), (low, high)).tolist() == [0.0]
    # Of the scores' own size, and more than rounding.
    assert high - low <= max(abs(score), 1.0 if score == 0 else 0.0)
    low, high = padded([score, score * (1 + 1e-15)])
    assert low < score < high
    assert padded([np.nan]) == padded([]) == (0.0, 1.0)


def test_bands_are_quartiles_of_the_numbers_there_are():
    norms = [[1.0, 2, np.nan], [2.0, 4, 1], [3.0, 8, 0], [4.0, 16, np.inf]]
    found = band(records(norms), "layer 1 of 1")
    assert found.steps.tolist() == [0, 1, 2]
    expected = np.quantile(np.array(norms)[:, :2], (0.25, 0.5, 0.75), axis=0)
    np.testing.assert_allclose([found.low[:2], found.median[:2], found.high[:2]], expected)
    assert found.median[2] == pytest.approx((1 + SMALLEST_NORM) / 2)
    assert band(records([[np.nan]]), "layer 1 of 1") is None
    assert band(records(norms), "layer 2 of 2") is None
    low, high = band_limits([found, None])
    assert low < found.low.min() < found.high.max() < high


def test_a_diverged_trial_does_not_stretch_the_loss_axis():
    wild = records([[0.7, 1e9, np.inf]], [None])
    assert loss_limits([*records([[0.7, 0.5, 0.4]]), *wild])[1] < 1
    assert 0.7 < loss_limits(wild)[1] < 3
    assert loss_limits([]) == (0.0, 1.0)


def test_every_trial_is_a_mark_at_its_score():
    scores = [0.5, 0.55, 0.7, 0.8, 0.9]
    found = find([source(records([[1.0]] * 5, scores, bias_correction=True))])
    svg = to_svg("scores", final_scores, found.arms, "accuracy", 0.6, ())
    marks = {style: marks_of(svg, style.colour) for style in (FAILED, SUCCEEDED)}
    assert [len(marks[style]) for style in (FAILED, SUCCEEDED)] == [2, 3]
    x = np.array(sorted(marks[FAILED] + marks[SUCCEEDED]))
    expected = (np.array(scores) - 0.5) / 0.4
    np.testing.assert_allclose((x - x[0]) / (x[-1] - x[0]), expected, atol=1e-3)
    assert "all: 2 of 5 failed" in texts(svg)


def test_names_in_drawings_are_text_and_nothing_else():
    name = '<script>alert("$x$")</script> & more'
    found = find([source(records([[1.0]] * 3, [0.7, 0.8, 0.9], name=name, bias_correction=True))])
    svg = to_svg("scores", final_scores, found.arms, "accuracy", 0.6, ())
    assert "<script" not in svg
    assert any('alert("$x$")' in text for text in texts(svg))


def test_drawings_bring_nothing_from_outside():
    svg = to_svg("a", trial_curves, records([[1.0, 0.5], [1.0, 0.9]]), LOSS, "loss", (0.0, 1.0))
    assert "http" not in svg
    assert "<style" not in svg
    assert "font-family" not in svg
    assert len(re.findall(r"\bid=", svg)) == len(set(re.findall(r'\bid="([^"]*)"', svg)))


def test_the_same_numbers_give_the_same_drawing():
    trials = records([[1.0, 0.5]])
    one, other = (to_svg("a", trial_curves, trials, LOSS, "loss", (0.0, 1.0)) for _ in range(2))
    assert one == other


def test_very_many_curves_become_a_picture_of_bounded_size():
    losses = np.abs(RNG.normal(size=(300, 4000))).cumsum(axis=1)
    few = to_svg("a", trial_curves, records(losses[:20]), LOSS, "loss", (0.0, 4000.0))
    many = to_svg("b", trial_curves, records(losses), LOSS, "loss", (0.0, 4000.0))
    assert "<image" not in few
    assert "<image" in many
    assert len(few) < 30_000 < MOST_POINTS * 12
    assert len(many) < 250_000
    assert "loss" in texts(many)


def test_effective_rates_are_drawn_with_the_study_s_peak():
    """RTE, 3 epochs: 4.6 times what was set (PAPER a4)."""
    off = records([[1.0]] * 3, [0.7, 0.8, 0.9], name="off", bias_correction=False)
    on = records([[1.0]] * 3, [0.7, 0.8, 0.9], name="on", bias_correction=True)
    twin = records([[1.0]] * 3, [0.7, 0.8, 0.9], name="twin", bias_correction=True)
    found = find([source(on), source(twin), source(off)])
    (section,) = (s for s in sections(found) if s.title == "Effective learning rate")
    assert [key.label for key in section.keys] == [
        "[on] and [twin]: peak 2e-5 at step 46, as set",
        "[off]: peak 9.3e-5 at step 46, 4.6 times what was set",
    ]
    svg = section.panels[0].svg
    # In the style that the first of them has among all arms: no colour means two arms on a page.
    assert [key.style for key in section.keys] == [arm_style(0), arm_style(2)]
    assert [arm_style(i).colour.lower() in svg.lower() for i in range(3)] == [True, False, True]
    # The lines begin at a rate of 0, and the white-edged dots are the peaks; y grows downwards.
    zero = float(re.findall(rf'd="M[\d.]+ ([\d.]+)[^>]*{COLOUR}', svg, re.I)[0])
    dots = [use for use in parsed(svg).iter("use") if "#ffffff" in use.get("style")]
    top, bottom = sorted(float(dot.get("y")) for dot in dots)
    assert (zero - top) / (zero - bottom) == pytest.approx(4.63, abs=0.05)


def test_an_effective_rate_below_what_was_set_is_told_and_so_is_what_it_leaves_open():
    """Of a second moment that starts from the first gradient: 0.28 times (docs/links.md)."""
    plain = records([[1.0]] * 3, [0.7, 0.8, 0.9], name="plain", bias_correction=True)
    started = records(
        [[1.0]] * 3, [0.7, 0.8, 0.9], name="started", bias_correction=True, second_moment_init=1.0
    )
    for arms, told in (([plain], False), ([plain, started], True)):
        found = find([source(arm) for arm in arms])
        (section,) = (s for s in sections(found) if s.title == "Effective learning rate")
        assert ("other links of Adam" in section.lede) == told
    assert section.keys[1].label == "[started]: peak 5.6e-6 at step 148, 0.28 times what was set"


def test_of_a_head_that_is_trained_first_the_peak_is_marked_that_comes_after():
    """However high the head's own learning rate; of another arm in the sweep nothing changes."""
    arm = {"bias_correction": True, "head_ratio": 0.25, "head_learning_rate": 1e-3}
    scores = ([[1.0]] * 3, [0.7, 0.8, 0.9])
    whole = records(*scores, name="whole", train="all", **arm)
    first = records(*scores, name="first", train="head_then_all", **arm)
    for arms, told in (([whole], False), ([whole, first], True)):
        found = find([source(each) for each in arms])
        (section,) = (s for s in sections(found) if s.title == "Effective learning rate")
        assert ("two runs, one after the other" in section.lede) == told
    # Of 468 steps 117 are the head's, and 35 of the other 351 warm up.
    assert [key.label for key in section.keys] == [
        "[whole]: peak 2e-5 at step 46, as set",
        "[first]: peak 2e-5 at step 152, as set",
    ]
    svg = section.panels[0].svg
    dots = [use for use in parsed(svg).iter("use") if "#ffffff" in use.get("style")]
    heights = [float(dot.get("y")) for dot in dots]
    assert heights[0] == pytest.approx(heights[1], abs=0.5)


def test_arms_differ_in_colour_and_dashes():
    styles = [arm_style(index) for index in range(24)]
    assert len(set(styles)) == 24


@pytest.mark.parametrize("height", [60.0, 150.0, 280.0])
def test_labels_of_logarithmic_axes_are_powers_of_ten(height):
    """In small panels too, where every second power has a label and the others none."""
    with mpl.rc_context(PAGE):
        figure = Picture(6.1, height / 72)
    axes = figure.add_subplot()
    axes.plot([1, 2], [1e-5, 30])
    log_axis(axes)
    figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.yaxis.get_ticklabels(which="both")]
    written = [label for label in labels if label]
    assert written
    assert all(re.fullmatch(r"1e-?\d+", label) for label in written)


def test_text_is_not_mathematics():
    def titled():
        figure = Picture(6.1, 3.9)
        figure.add_subplot().set_title("$10^{-2}$ costs $5")
        return figure

    assert "$10^{-2}$ costs $5" in texts(to_svg("t", titled))


def test_a_notebook_gets_whole_figures_in_the_report_s_look():
    """With a legend, shown without pyplot, and the same whatever is set when it is drawn."""
    vanishing = [[1.0, 0.1], [1.0, 1.0], [1.0, 0.9]]
    found = find([source(records(vanishing, [0.5, 0.8, 0.9], bias_correction=True))])
    for plot, labels in (
        (plot_scores, ["successful", "failed", "mean", "best constant prediction"]),
        (plot_expected_best, ["all", "best constant prediction"]),
        (plot_gradient_norms, ["successful trials", "failed trials"]),
    ):
        figure = plot(found)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == labels
        picture = figure._repr_png_()
        assert picture.startswith(b"\x89PNG")
        with mpl.rc_context({"font.size": 30, "axes.grid": False, "xtick.color": "red"}):
            assert plot(found)._repr_png_() == picture


def test_gradient_norms_are_a_row_of_panels_per_arm():
    one = records([[1.0, 0.1], [1.0, 0.9]], [0.5, 0.9], name="one", bias_correction=True)
    other = records([[1.0, 0.5]] * 3, [0.7, 0.8, 0.9], name="other", bias_correction=False)
    figure = plot_gradient_norms(find([source(one), source(other)]))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "one\nlayer 1 of 1",
        "other\nlayer 1 of 1",
    ]
    failed = [line for line in figure.axes[0].lines if line.get_color() == FAILED.colour]
    assert [line.get_ydata().tolist() for line in failed] == [[1.0, 0.1]]
    assert all(line.get_color() != FAILED.colour for line in figure.axes[1].lines)


def test_no_norms_are_an_error_that_says_so():
    rows = made_up_rows([0.7, 0.8], bias_correction=True)
    found = find([source([record(row, {LOSS: [1.0]}) for row in rows])])
    with pytest.raises(UserError, match="None of these trials has gradient norms"):
        plot_gradient_norms(found)
