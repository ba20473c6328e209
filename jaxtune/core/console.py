"""One live line for anything that takes long: a bar in a terminal, plain lines now and then
elsewhere.
"""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

SECONDS_BETWEEN_LINES = 10.0

console = Console(highlight=False)


class ProgressLine:
    """`done` of `total` with a text beside it, as a context manager."""

    def __init__(self, title: str, total: int):
        self.title = title
        self.total = total
        self._last_line = time.monotonic()
        self._live = console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", markup=False),  # names may hold brackets
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._task = self._bar.add_task(title, total=total, text="")

    def update(self, done: int, text: str) -> None:
        """Shows progress; outside a terminal at most every ten seconds, and always at the end."""
        self._bar.update(self._task, completed=done, text=text)
        now = time.monotonic()
        due = now - self._last_line >= SECONDS_BETWEEN_LINES or done == self.total
        if not self._live and due:
            self._last_line = now
            print(f"{self.title} {done}/{self.total}  {text}", flush=True)

    def shorten(self, by: int) -> None:
        """There is less to do."""
        self.total -= by
        self._bar.update(self._task, total=self.total)

    def __enter__(self) -> "ProgressLine":
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
    console.print(text, markup=False, soft_wrap=not console.is_terminal)


def duration(seconds: float) -> str:
    """`2:05` for minutes and seconds, `1:02:05` from an hour on."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
