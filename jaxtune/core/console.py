"""One live line for anything that takes long: a bar in a terminal or notebook, else plain lines."""

import textwrap
import time
from html import escape
from types import TracebackType
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_PICTURES = 0.2  # of a notebook's bar
NOTEBOOK_WIDTH = 88  # columns; a cell scrolls what is wider

console = Console(highlight=False)
Line = TypeVar("Line", bound="ProgressLine")  # beartype, in tests, knows no `Self` here


class ProgressLine:
    """`done` of `total` with a text beside it, as a context manager."""

    def __init__(self, title: str, total: int):
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
        self._task = self._bar.add_task(title, total=total, text="")

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
            print(f"{self.title} {done}/{self.total}  {text}", flush=True)

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
        lines = (textwrap.fill(line, NOTEBOOK_WIDTH) for line in text.split("\n"))
        print("\n".join(lines))
    else:
        console.print(text, markup=False, soft_wrap=not console.is_terminal)


def duration(seconds: float) -> str:
    """`2:05` for minutes and seconds, `1:02:05` from an hour on."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
