"""The figure of every trial's final score, arm by arm, and what is said of the floor in it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxtune.core.folding import fold
from jaxtune.core.words import plural
from jaxtune.report.drawing import (
    BOX,
    FAILED,
    SUCCEEDED,
    Picture,
    box,
    floor_line,
    trial_marks,
)
from jaxtune.report.findings import ArmFindings, Findings
from jaxtune.report.legends import FLOOR_KEY, MEAN_KEY, Key
from jaxtune.report.points import padded
from jaxtune.report.tables import score

# Inches; in a page 72 pixels each.
SIZE = 6.1, 3.9
LABEL = 54  # characters that fit above an arm, wide ones too
# Inches of an arm: what is drawn of it, the room around its label, a line of that.
DRAWN, AROUND, LINE = 0.74, 0.14, 0.22
FAR = 5  # times the scores' own spread; beside a floor that far away they would be one point


def floor_in_view(found: Findings) -> float | None:
    """The floor, where there is one that is drawn beside the scores."""
    scores = np.concatenate([arm.arm.final for arm in found.arms])
    low, high = float(scores.min()), float(scores.max())
    room = FAR * (high - low)
    if found.trivial is None or (room and not low - room <= found.trivial <= high + room):
        return None
    return found.trivial


def floor_keys(found: Findings) -> tuple[Key, ...]:
    """Of the floor's line, where there is one, or of why it is not drawn."""
    if found.trivial is None:
        return ()
    if floor_in_view(found) is not None:
        return (FLOOR_KEY,)
    where = "below" if found.arms[0].arm.higher_is_better else "above"
    shown = score(found.trivial, found)
    return (FLOOR_KEY._replace(label=f"{FLOOR_KEY.label}: {shown}, far {where} what is drawn"),)


def score_keys(found: Findings) -> tuple[Key, ...]:
    """Of every trial's score; without a floor nothing is said to have succeeded."""
    kinds = Key("successful", "dot", SUCCEEDED), Key("failed", "cross", FAILED)
    if not found.arms[0].arm.judged:
        kinds = (Key("trial", "dot", SUCCEEDED),)
    return (*kinds, MEAN_KEY, *floor_keys(found))


def final_scores(
    arms: Sequence[ArmFindings], metric: str, floor: float | None, leaders: Sequence[str]
) -> Figure:
    """Per arm a box over all trials (whiskers to the extremes) and, below it, every trial."""
    labels = [_label(arm, arm.arm.name in leaders) for arm in arms]
    limits = padded(
        [*np.concatenate([arm.arm.final for arm in arms]), *([] if floor is None else [floor])]
    )
    # A few arms fill a panel of the usual height; more make it longer, so that no label covers the
    # points of the arm above it.
    label = AROUND + LINE * max(map(len, labels))
    height = max(DRAWN + label, min(1.6, 3.17 / len(arms)))
    body = 1 - label / height  # of an arm, which is 1 high
    figure = Picture(SIZE[0], height * len(arms) + 0.72)
    axes = figure.add_subplot()
    floor_line(axes, floor, vertical=True)
    for row, arm in enumerate(arms):
        scores, failed, foot = arm.arm.final, arm.arm.failed, -row - 0.43
        box(axes, foot + 0.76 * body, scores, BOX, 0.3 * body, upright=False)
        marks = foot + 0.27 * body
        trial_marks(axes, marks, scores, failed, limits, 0.54 * body, 5.0, upright=False)
        # White, for the floor's line would run through the words.
        words = axes.text(
            *(0, foot + body, "\n".join(labels[row])),
            va="bottom",
            transform=axes.get_yaxis_transform(),
        )
        words.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        words.set_in_layout(False)  # which would make room for them beside the axes
    axes.set(xlim=limits, ylim=(-len(arms) + 0.42, 0.56), yticks=[], xlabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    return figure


def _label(arm: ArmFindings, leads: bool) -> list[str]:
    """The whole name, for what sets it apart from another may stand anywhere in it."""
    failed = plural(len(arm.arm), "trial")
    if arm.arm.judged:
        failed = f"{int(arm.arm.failed.sum())} of {len(arm.arm)} failed"
    count = f"{failed}{', more stable' if leads else ''}"
    *lines, last = fold(arm.arm.name, LABEL)
    if len(last) + len(count) + 2 <= LABEL:
        return [*lines, f"{last}: {count}"]
    return [*lines, last, count]
