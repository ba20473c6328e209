"""One live line for anything that takes long: a bar in a terminal or notebook, else plain lines."""

import sys
import textwrap
import time
from collections.abc import Iterator
from html import escape
from types import TracebackType
from typing import Any, TypeVar

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from jaxtune.core.folding import fold

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_PICTURES = 0.2  # of a notebook's bar
NOTEBOOK_WIDTH = 88  # columns; a cell scrolls what is wider
LEAST_NAME = 12  # columns of a table's names


class Output(Console):
    """rich's, but that a reader who has gone is the command's to answer (`jaxtune.core.cli`)."""

    def on_broken_pipe(self) -> None:
        """Lets the error out; rich itself would exit with 1."""
        raise


console = Output(highlight=False)
Line = TypeVar("Line", bound="ProgressLine")  # beartype, in tests, knows no `Self` here


class ProgressLine:
    """`done` of `total` with a text beside it, as a context manager."""

    def __init__(self, title: str, total: int, first: str = ""):
        """Args:
        first: the text before there is progress, where that takes long.
        """
        self._opening = first
        self.title = title
        self.total = total
        self._began = self._last_shown = time.monotonic()
        self._every = SECONDS_BETWEEN_PICTURES if console.is_jupyter else SECONDS_BETWEEN_LINES
        self._picture: Any = None  # what a notebook shows
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", markup=False),  # names may hold brackets
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total, text=first)

    def update(self, done: int, text: str) -> None:
        """Shows progress; outside a terminal at most every ten seconds, and always at the end."""
        self._bar.update(self._task, completed=done, text=text)
        now = time.monotonic()
        due = now - self._last_shown >= self._every or done == self.total
        if due and console.is_jupyter:
            self._last_shown = now
            self._draw(done, f"{duration(now - self._began)}  {text}")
        elif due and not console.is_terminal:
            self._last_shown = now
            self._print(done, text)

    def _print(self, done: int, text: str) -> None:
        """Beside the results: who redirects those wants no progress among them."""
        print(f"{self.title} {done}/{self.total}  {text}", file=sys.stderr, flush=True)

    def _draw(self, done: int, text: str) -> None:
        """The bar in a cell's output, without ipywidgets and there when the notebook is saved."""
        from IPython.display import HTML, display  # pyrefly: ignore[missing-import]

        words = escape(f"{self.title} {done}/{self.total}  {text}")
        bar = HTML(f'<progress value="{done}" max="{self.total}"></progress> {words}')
        if self._picture is None:
            self._picture = display(bar, display_id=True)
        else:
            self._picture.update(bar)

    def shorten(self, by: int) -> None:
        """There is less to do."""
        self.total -= by
        self._bar.update(self._task, total=self.total)

    def __enter__(self: Line) -> Line:
        self._bar.start()
        if self._opening and console.is_jupyter:
            self._draw(0, self._opening)
        elif self._opening and not console.is_terminal:
            self._print(0, self._opening)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()


def say(text: str) -> None:
    """A line for the reader, above a live bar if there is one."""
    if console.is_jupyter:  # where rich would make a box of every line, and wrap none
        print(_filled(text, NOTEBOOK_WIDTH))
    else:
        console.print(
            _filled(text, console.width) if console.is_terminal else text,
            markup=False,
            soft_wrap=True,
        )


def say_whole(text: str) -> None:
    """A line to copy: none of its ends is ours."""
    if console.is_jupyter:
        print(text)
    else:
        console.print(text, markup=False, soft_wrap=True)


def _filled(text: str, width: int) -> str:
    """Lines of at most so many columns; those of a note begin below its first word."""
    return "\n".join(
        textwrap.fill(
            line,
            width,
            subsequent_indent=" " * (len(line) - len(line.lstrip(" -"))),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )


class Name:
    """A cell of a terminal's table: lines that are folded to the room that is left for them."""

    def __init__(self, text: str):
        self._lines = text.split("\n")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self._lines:
            # Text, not markup, for names may hold brackets.
            yield Text("\n".join(fold(line, options.max_width)))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        longest = max(map(len, self._lines))
        return Measurement(min(longest, LEAST_NAME), longest)


def duration(seconds: float) -> str:
    """`2:05` for minutes and seconds, `1:02:05` from an hour on."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
