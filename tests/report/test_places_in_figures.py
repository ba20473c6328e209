"""Where names, titles and lines lie in a drawing, and what colours they have."""

import itertools
import re

import matplotlib as mpl
import numpy as np
import pytest
from made_up import made_up_rows
from matplotlib.text import Text
from trial_records import record, records, source

from jaxtune.report.drawing import (
    ARM_COLOURS,
    arm_style,
)
from jaxtune.report.figures import (
    plot_expected_best,
    plot_gradient_norms,
    plot_scores,
)
from jaxtune.report.final_scores import floor_in_view, floor_keys
from jaxtune.report.findings import find

LONG = (
    "learning_rate={} bias_correction={} num_epochs=20 warmup_ratio=0.1 layerwise_lr_decay={}"
    " weight_decay=0.01 train=all"
)


def found_of(arms, **settings):
    """Findings on scores by arm."""
    parts = (
        source(records([[1.0]] * len(scores), scores, name=name, bias_correction=True, **settings))
        for name, scores in arms.items()
    )
    return find(list(parts))


def boxes(figure):
    """Where the words of a figure are drawn, in pixels."""
    figure.draw_without_rendering()
    renderer = figure._get_renderer()
    words = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    return {text: text.get_window_extent(renderer) for text in words}


@pytest.mark.parametrize(
    "names",
    [
        [
            LONG.format(rate, on, decay)
            for rate in ("1e-05", "2e-05")
            for on, decay in [("true", 0.95), ("true", 1.0), ("false", 0.95), ("false", 1.0)]
        ],
        ["a" * 120, "b"],
        [
            f"learning_rate={rate} num_epochs={n}"
            for rate in ("1e-05", "2e-05", "5e-05")
            for n in (3, 10, 20)
        ],
    ],
)
def test_long_names_are_whole_and_within_the_picture(names):
    """Arms that differ in one setting of seven had one label; labels made the axes narrow."""
    found = found_of({name: [0.6, 0.7, 0.8, 0.75] for name in names})
    for plot in (plot_scores, plot_expected_best):
        figure = plot(found)
        whole, places = figure.bbox, boxes(figure)
        for text in (*figure.axes[0].texts, *figure.legends[0].get_texts()):
            box = places[text]
            assert whole.x0 <= box.x0 + 1, text
            assert box.x1 <= whole.x1 + 1, text
    figure = plot_scores(found)
    (axes,) = figure.axes
    labels = [re.sub(r"\s", "", text.get_text()) for text in axes.texts]
    assert len({*labels}) == len(names)
    for name, label in zip(names, labels, strict=True):
        assert label.startswith(name.replace(" ", ""))
    places = boxes(figure)
    above = [places[text] for text in axes.texts]
    # No label reaches into the one above it, and the axes have the picture's width.
    assert all(low.y1 < high.y0 for high, low in itertools.pairwise(above))
    assert axes.bbox.width > 0.9 * figure.bbox.width
    ticks = [places[tick] for tick in axes.get_xticklabels() if tick in places]
    inside = [box for box in ticks if box.x0 >= axes.bbox.x0 - 30 and box.x1 <= axes.bbox.x1 + 30]
    assert all(one.x1 + 4 < other.x0 for one, other in itertools.pairwise(inside))


def test_titles_of_gradient_norms_stay_above_their_panels():
    name = LONG.format("2e-05", "true", 0.95)
    rows = made_up_rows([0.5, 0.9], name=name, bias_correction=True)
    layers = {f"layer {number} of 3": [1.0, 0.1] for number in (1, 2, 3)}
    figure = plot_gradient_norms(find([source([record(row, layers) for row in rows])]))
    places = boxes(figure)
    titles = [box for text, box in places.items() if "layer " in text.get_text()]
    assert len(titles) == 3
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(titles))
    assert titles[-1].x1 <= figure.bbox.x1
    assert all(axes.bbox.height > 0.3 * figure.bbox.height for axes in figure.axes)


@pytest.mark.parametrize(
    ("scores", "floor", "is_drawn"),
    [
        ([0.9910, 0.9930], 0.5, False),
        ([0.9910, 0.9930], 0.985, True),
        ([0.6, 0.8], 0.6, True),
        ([0.9, 0.9], 0.5, True),  # no spread to compare with
    ],
)
def test_a_floor_far_from_all_scores_is_told_and_not_drawn(scores, floor, is_drawn):
    found = found_of({"all": scores}, trivial=floor)
    assert (floor_in_view(found) == floor) == is_drawn
    (key,) = floor_keys(found)
    far = f"best constant prediction: {floor:.3f}, far below what is drawn"
    assert key.label.startswith("best constant prediction")
    assert (key.label == far) != is_drawn
    for plot in (plot_scores, plot_expected_best):
        (axes,) = plot(found).axes
        low, high = axes.get_xlim() if plot is plot_scores else axes.get_ylim()
        assert (low < floor) == is_drawn
        assert low < min(scores) <= max(scores) < high


def test_colours_of_arms_are_seen_on_white():
    """3:1 is what WCAG asks of graphics."""
    for index in range(len(ARM_COLOURS)):
        parts = np.array(mpl.colors.to_rgb(arm_style(index).colour))
        linear = np.where(parts > 0.04045, ((parts + 0.055) / 1.055) ** 2.4, parts / 12.92)
        assert 1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05) > 3.5
