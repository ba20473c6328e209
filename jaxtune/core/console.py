"""One live line for anything that takes long: a bar in a terminal, plain lines now and then
elsewhere.
"""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from jaxtune.core.logs import StepRecords

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


class SweepProgress:
    """A recorder that shows a sweep: steps of all trials, seeds done, failures, mean metric, seeds
    per hour, time left.
    """

    def __init__(self, num_trials: int, num_done: int, total_steps: int):
        self.num_trials = num_trials
        self.num_done = num_done
        self._line = ProgressLine("trial-steps", total_steps)
        self._began = time.monotonic()
        self._first: tuple[float, int] | None = (
            None  # time and steps at the first report, when all is compiled
        )
        self._taken: dict[int, int] = {}
        self._finished = 0
        self._failed = 0
        self._stopped = 0
        self._scores: list[float] = []

    def __enter__(self) -> "SweepProgress":
        self._line.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.__exit__(kind, error, trace)

    def steps(self, trials: Sequence[int], start: int, records: StepRecords) -> None:
        """Moves the bar."""
        for trial in trials:  # a group that is run again begins at 0
            self._taken[trial] = start + records.loss.shape[1]
        self._first = self._first or (time.monotonic(), self._steps)
        self._show()

    def evaluation(
        self, trials: Sequence[int], step: int, metrics: Sequence[dict[str, float]]
    ) -> None:
        """Nothing to show before a trial ends."""

    @property
    def _steps(self) -> int:
        return sum(self._taken.values())

    def finished(self, scores: Sequence[float], failed: int) -> None:
        """A group has ended with these final scores."""
        self._finished += len(scores)
        self._failed += failed
        self._scores += scores
        self._show()

    def stopped(self, steps: int) -> None:
        """A trial will not take so many steps."""
        self._stopped += 1
        self._line.shorten(steps)
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        parts = [f"{self.num_done + self._finished}/{self.num_trials} seeds"]
        if self._scores:
            mean = sum(self._scores) / len(self._scores)
            parts += [
                f"{self._failed} failed",
                *([f"{self._stopped} stopped early"] if self._stopped else []),
                f"mean {mean:.3f}",
                f"{3600 * self._finished / (now - self._began):.0f} seeds/h",
            ]
        if self._first and self._first[1] < self._steps < self._line.total:
            rate = (self._steps - self._first[1]) / (now - self._first[0])
            parts.append(f"{duration((self._line.total - self._steps) / rate)} left")
        self._line.update(self._steps, " · ".join(parts))


def show_arms(summaries: Mapping[str, Mapping[str, Any]]) -> None:
    """The table at the end of a sweep, a row per arm."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("arm", no_wrap=True)
    for name in ("n", "mean", "std", "min", "max", "failed", "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm, summary in summaries.items():
        scores = ("mean", "std", "min", "max")
        table.add_row(
            arm.replace(" ", "\n"),
            str(summary["n"]),
            *("-" if summary[name] is None else f"{summary[name]:.3f}" for name in scores),
            f"{summary['failed']}/{summary['n']}",
            f"{summary['failed_low']:.0%} to {summary['failed_high']:.0%}",
        )
    first = next(iter(summaries.values()))
    console.print(table)
    say(
        f"{first['metric']} on the dev set after the last step; failed: at most"
        f" {first['trivial']:.3f}."
    )


def duration(seconds: float) -> str:
    """`2:05` for minutes and seconds, `1:02:05` from an hour on."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
