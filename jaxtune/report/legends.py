"""The legends of pictures: their entries, and their place below the axes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from jaxtune.core.folding import fold
from jaxtune.report.drawing import FAINT, FLOOR, INK, Style


class Key(NamedTuple):
    """An entry of a legend."""

    label: str
    mark: str  # line, dot, cross, diamond, box
    style: Style


FLOOR_KEY = Key("best constant prediction", "line", FLOOR)
MEAN_KEY = Key("mean", "diamond", Style(INK))
MARKERS = {"dot": "o", "cross": "x", "diamond": "D"}
# Inches: a letter at the most, a letter of a usual label, and a mark with the space around it.
WIDE_LETTER, LETTER, MARK = 0.07, 0.055, 0.53


def handle(key: Key) -> Artist:
    """What a legend shows for a key."""
    colour, dashes, _ = key.style
    if key.mark == "box":
        return Patch(facecolor=(colour, 0.4), edgecolor=FAINT, label=key.label)
    if key.mark == "line":
        return Line2D([], [], color=colour, dashes=dashes or (None, None), label=key.label)
    mark = Line2D([], [], linestyle="", marker=MARKERS[key.mark], color=colour, label=key.label)
    if key.mark == "diamond":
        mark.set(markerfacecolor="white", markeredgecolor=colour)
    return mark


def legend_below(figure: Figure, handles: Sequence[Artist | Container]) -> Figure:
    """The figure, made higher for a legend below its axes, of as many columns as fit."""
    most = int((figure.get_figwidth() - MARK) / WIDE_LETTER)
    labels = [fold(str(handle.get_label()), most) for handle in handles]
    for handle, lines in zip(handles, labels, strict=True):
        handle.set_label("\n".join(lines))
    lengths = [max(map(len, lines)) for lines in labels]
    columns = len(lengths)
    while columns > 1 and _legend_width(lengths, columns) > figure.get_figwidth():
        columns -= 1
    rows = max(map(_height, np.array_split([len(lines) for lines in labels], columns)))
    figure.set_figheight(figure.get_figheight() + 0.1 + rows)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def _legend_width(lengths: Sequence[int], columns: int) -> float:
    """In inches, about."""
    widest = [max(part) for part in np.array_split(lengths, columns)]
    return LETTER * float(sum(widest)) + MARK * columns - 0.2


def _height(column: np.ndarray) -> float:
    """In inches, of entries of so many lines."""
    return float(sum(0.2 + 0.133 * (lines - 1) for lines in column))
