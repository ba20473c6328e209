"""How every picture of jaxtune looks: colours, lines, marks and axes; and how it is written.

A report's pages hold SVG cut down to what HTML needs; notebooks and studies show pictures that
stand alone, with shapes for text.
"""

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from PIL import Image

from jaxtune.core.schedules import show_rate
from jaxtune.report.points import MOST_POINTS, Limits, swarm


class Style(NamedTuple):
    """What tells one kind of line or mark from the others."""

    colour: str
    dashes: tuple[float, ...] = ()
    marker: str = ""


# Okabe and Ito's, dark enough for lines on white and told apart with every kind of colour vision;
# shapes and dashes repeat what blue and vermillion say.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8a6d00", "#56B4E9")
SUCCEEDED, FAILED = Style(COLOURS[0], (), "o"), Style(COLOURS[1], (4, 1.5), "x")
INK, FAINT, RULE, BOX = "#1a1a1a", "#5f6670", "#dfe3e8", "#e9edf2"
FLOOR = Style(INK, (3, 2))
# Tol's muted colours; teal and olive are darker, for lines on white (3.5:1 and more). Whatever the
# colour vision, no two of them are closer than his closest.
ARM_COLOURS = ("#332288", "#CC6677", "#117733", "#882255", "#2b93b0", "#8f8a0e")
ARM_DASHES = ((), (6, 2), (2, 1.5), (7, 2, 1.5, 2))

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "white",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "figure.facecolor": "white",
    "font.size": 10,
    "grid.color": RULE,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
    "text.color": INK,
    "text.parse_math": False,  # names are data: `$` is a dollar
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}
# A page shows a point as a pixel, and its text in its own font, to be read aloud and searched.
PAGE = STYLE | {"font.size": 13, "svg.fonttype": "none"}
PNG_DPI = 110
P = ParamSpec("P")


class Picture(Figure):
    """A figure of so many inches, which a notebook shows without pyplot.

    It keeps the look in which it was made: matplotlib makes ticks only when it draws, in the
    look of that moment.
    """

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), layout="constrained")
        self._look = {name: mpl.rcParams[name] for name in STYLE}

    def draw(self, renderer: Any) -> None:  # the renderer of an SVG is no RendererBase
        """As matplotlib does, in the picture's look."""
        with mpl.rc_context(self._look):
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=PNG_DPI)
        return buffer.getvalue()


def arm_style(index: int) -> Style:
    """24 arms differ in colour and dashes together; then they repeat."""
    dashes = (index + index // 12) % len(ARM_DASHES)
    return Style(ARM_COLOURS[index % len(ARM_COLOURS)], ARM_DASHES[dashes])


def kind_style(failed: bool) -> Style:
    """Of a trial, and of what is drawn of all trials of a kind."""
    return FAILED if failed else SUCCEEDED


def line(
    axes: Axes, x: Sequence | np.ndarray, y: Sequence | np.ndarray, style: Style, **more
) -> Line2D:
    """A line in a style; `more` goes to matplotlib."""
    dashes = style.dashes or (None, None)  # what matplotlib takes for a solid line
    return axes.plot(x, y, color=style.colour, dashes=dashes, **more)[0]


def ribbon(
    axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, style: Style, alpha: float
) -> None:
    """What lies between two curves."""
    axes.fill_between(x, low, high, color=style.colour, alpha=alpha, linewidth=0)


def box(
    axes: Axes,
    place: int | float,
    scores: Float[np.ndarray, " trial"],
    colour: str | tuple[str, float],
    width: float,
    *,
    upright: bool = True,
) -> None:
    """Middle half, median and mean (a diamond) of scores; whiskers go to the extremes."""

    def plot(along: list, across: list, *mark: str, **look: Any) -> None:
        axes.plot(*((across, along) if upright else (along, across)), *mark, **look)

    # Not matplotlib's boxplot: it reads all settings, which loads pyplot and chooses a backend.
    low, first, median, third, high = np.quantile(scores, (0, 0.25, 0.5, 0.75, 1))
    half = width / 2
    plot([low, high], [place, place], color=FAINT, linewidth=1.2)
    (axes.bar if upright else axes.barh)(
        place, third - first, width, first, facecolor=colour, edgecolor=FAINT, zorder=2
    )
    plot([median, median], [place - half, place + half], color=INK, linewidth=2, zorder=3)
    plot([scores.mean()], [place], "D", markersize=4.5, color="white", mec=INK, zorder=4)


def trial_marks(
    axes: Axes,
    place: int | float,
    scores: Float[np.ndarray, " trial"],
    failed: Bool[np.ndarray, " trial"],
    limits: Limits,
    room: float,
    size: float,
    *,
    upright: bool = True,
) -> None:
    """A dot per score, of a failed trial a cross, within `room` around a place."""
    across = place + swarm(scores, limits, room)
    for kind in (False, True):
        own, style = failed == kind, kind_style(kind)
        x, y = (across, scores) if upright else (scores, across)
        (marks,) = axes.plot(x[own], y[own], style.marker, color=style.colour, markersize=size)
        marks.set(alpha=1 if kind else 0.75, clip_on=False, in_layout=False, zorder=3)
        marks.set_rasterized(scores.size > MOST_POINTS)


def floor_line(axes: Axes, trivial: float | None, *, vertical: bool = False) -> None:
    """The score of the best constant prediction, where there is one; no better than it, a trial
    has failed.
    """
    if trivial is None:
        return
    draw = axes.axvline if vertical else axes.axhline
    draw(trivial, color=FLOOR.colour, linewidth=1.2, dashes=FLOOR.dashes, zorder=1.5)


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


def log_rate_axis(axes: Axes, label: str) -> None:
    """A logarithmic x axis with labels such as 2e-4; call it when all is drawn."""
    axes.set(xscale="log", xlabel=label)
    low, high = axes.get_xlim()
    # Over many powers of ten, labels at 2 and 5 would run into each other.
    subs = (1, 2, 5) if high < 200 * low else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=8))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: show_rate(value)))


def to_svg(name: str, make: Callable[P, Figure], *args: P.args, **kwargs: P.kwargs) -> str:
    """A figure as inline SVG without sizes, fonts and identifiers of its own.

    Args:
        name: different for every figure of a page, so that what they define there does not clash.
        make: makes the figure of the arguments that follow, in the look of a page.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context(PAGE | {"svg.hashsalt": name}):
        make(*args, **kwargs).savefig(
            buffer, format="svg", metadata=nothing, transparent=True, dpi=180
        )
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


def save(figure: Figure, stem: Path) -> list[Path]:
    """Writes STEM.svg, the same bytes for the same figure, and STEM.png."""
    files = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg")]
    # Text as shapes: a picture that stands alone finds its fonts nowhere.
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "study"}):
        figure.savefig(files[1], metadata={"Date": None})
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PNG_DPI)
    # These pictures have few colours: a palette takes a third of the bytes. The octree keeps the
    # colours of few pixels, such as a cross.
    picture = Image.open(buffer).convert("RGB")
    few = picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(files[0], optimize=True)
    return files
