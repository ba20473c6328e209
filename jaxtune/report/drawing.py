"""How the figures of a report look, and matplotlib's SVG cut down to what an HTML page needs.

Text stays text, so that it can be read aloud, searched and printed; it takes the page's own font.
Many curves in one panel become a picture inside the SVG, which bounds the page's size.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from jaxtune.core.schedules import show_rate


class Style(NamedTuple):
    """What tells one kind of line from the others."""

    colour: str
    dashes: tuple[float, ...]


# Okabe and Ito's blue and vermillion, told apart with every kind of colour vision; shapes and
# dashes repeat what they say.
SUCCEEDED, FAILED = Style("#0072B2", ()), Style("#D55E00", (4, 1.5))
INK, FAINT, RULE = "#1a1a1a", "#5f6670", "#dfe3e8"
FLOOR = Style(INK, (3, 2))
# Tol's muted colours that are dark enough for lines on white.
ARM_COLOURS = ("#332288", "#CC6677", "#117733", "#882255", "#44AA99", "#999933")
ARM_DASHES = ((), (6, 2), (2, 1.5), (7, 2, 1.5, 2))
# More points than this in a panel are drawn as a picture: an SVG path takes about 12 bytes a point.
MOST_POINTS = 8_000
MOST_PER_CURVE = 120

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 13,
    "grid.color": RULE,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # names are data: `$` is a dollar
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}


class Sketch(NamedTuple):
    """A figure with one pair of axes."""

    figure: Figure
    axes: Axes


def arm_style(index: int) -> Style:
    """Twelve arms differ in colour and dashes together; then they repeat."""
    return Style(ARM_COLOURS[index % len(ARM_COLOURS)], ARM_DASHES[index % len(ARM_DASHES)])


@contextmanager
def sketch(name: str, width: float = 440.0, height: float = 280.0) -> Iterator[Sketch]:
    """Axes to draw on in the report's style, `width` x `height` CSS pixels.

    Args:
        name: different for every figure of a page, so that what they define there does not clash.
    """
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        # 72 points an inch: a unit of the SVG is a point.
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        yield Sketch(figure, figure.add_subplot())


def to_svg(figure: Figure) -> str:
    """The drawing as inline SVG without sizes, fonts and identifiers of its own; call it within
    `sketch`.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing, transparent=True, dpi=180)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r"<svg \1>", text, count=1)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.S)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = re.sub(r" font-family: [^;\"]*;?", "", text).replace("xlink:href", "href")
    text = re.sub(r' d="([^"]*)"', lambda d: f' d="{_rounded(d[1])}"', text)
    return re.sub(r">\s+<", "><", text).strip()


def _rounded(path: str) -> str:
    """A path with one decimal, which is finer than a pixel."""
    path = re.sub(r"-?\d+\.\d+", lambda n: f"{float(n[0]):.1f}".removesuffix(".0"), path)
    return re.sub(r"\s*([MLHVCSQTAZ])\s*", r"\1", path).replace("\n", " ").strip()


def log_axis(axes: Axes) -> None:
    """A logarithmic y axis with a few labels such as 1e-3."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_locator(LogLocator(numticks=1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"1e{round(np.log10(value))}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def count_axis(axes: Axes, label: str) -> None:
    """An x axis of whole numbers."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))


def rate_axis(axes: Axes) -> None:
    """A y axis from 0 with labels such as 1.5e-3."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: show_rate(value)))


def floor_line(axes: Axes, trivial: float, *, vertical: bool = False) -> None:
    """The score of the best constant prediction."""
    draw = axes.axvline if vertical else axes.axhline
    draw(trivial, color=FLOOR.colour, linewidth=1.2, dashes=FLOOR.dashes, zorder=1.5)


def block_means(
    steps: Int[np.ndarray, " point"], values: Float[np.ndarray, " point"], most: int
) -> tuple[Float[np.ndarray, " block"], Float[np.ndarray, " block"]]:
    """At most `most` means over blocks of consecutive points of one length; a block with a nan is
    nan.
    """
    length = -(-len(steps) // most)
    cuts = np.arange(0, len(steps), length)
    sizes = np.diff([*cuts, len(steps)])
    with np.errstate(invalid="ignore", over="ignore"):
        means = [np.add.reduceat(np.asarray(x, np.float64), cuts) / sizes for x in (steps, values)]
    return means[0], means[1]


def thinned(
    steps: Int[np.ndarray, " point"], values: Float[np.ndarray, " point"], most: int
) -> tuple[Int[np.ndarray, " kept"], Float[np.ndarray, " kept"]]:
    """At most about `most` of the points, evenly, the last one always."""
    every = -(-len(steps) // most)
    kept = np.unique([*range(0, len(steps), every), len(steps) - 1])
    return steps[kept], values[kept]
