"""What a sweep shows while it runs, and the table at its end."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from jaxtune.core.console import Name, ProgressLine, console, duration, say
from jaxtune.core.processes import writes
from jaxtune.core.records import StepRecords
from jaxtune.core.words import percent, plural


class SweepProgress(ProgressLine):
    """A recorder that shows a sweep: steps, seeds, failures, mean score, speed and time left."""

    def __init__(self, num_trials: int, num_done: int, total_steps: int):
        opening = "compiling and taking the first steps" if writes() else ""
        super().__init__("trial-steps", total_steps, opening)
        self.num_trials = num_trials
        self.num_done = num_done
        # Steps of this very run, without those of before it was cut off; the time and these steps
        # at the first report, when all is compiled.
        self._own = 0
        self._first: tuple[float, int] | None = None
        self._taken: dict[int, int] = {}
        self._repeated = 0
        self._finished = 0
        self._failed = 0
        self._stopped = 0
        self._scores: list[float] = []
        self.aside = ""  # what else is to be shown, such as who is at work

    def steps(self, trials: Sequence[int], start: int, records: StepRecords) -> None:
        """Moves the bar."""
        for trial in trials:  # a group that is run again begins at 0
            self._taken[trial] = start + records.loss.shape[1]
        if not records.repeated:
            self._own += records.loss.size
            self._first = self._first or (time.monotonic(), self._own)
        self._show()

    def evaluation(
        self, trials: Sequence[int], step: int, metrics: Sequence[dict[str, float]]
    ) -> None:
        """Nothing to show before a trial ends."""

    @property
    def _steps(self) -> int:
        return self._repeated + sum(self._taken.values())

    def finished(self, scores: Sequence[float], failed: int) -> None:
        """A group has ended with these final scores."""
        self._finished += len(scores)
        self._failed += failed
        self._scores += scores
        self._show()

    def stopped(self, trial: int, num_steps: int) -> None:
        """A trial of so many steps takes no more than it has."""
        self._stopped += 1
        self.shorten(num_steps - self._taken.get(trial, 0))
        self._show()

    def run_again(self, trials: Sequence[int]) -> None:
        """These begin anew: what they have taken counts beside their steps to come."""
        steps = sum(self._taken.pop(trial, 0) for trial in trials)
        self._repeated += steps
        self.shorten(-steps)

    def _show(self) -> None:
        now = time.monotonic()
        parts = [f"{self.num_done + self._finished}/{plural(self.num_trials, 'seed')}"]
        if self._scores:
            mean = sum(self._scores) / len(self._scores)
            # Failures, mean and speed are of the trials of this run alone.
            new = f"of {self._finished} new: " if self.num_done else ""
            parts += [
                f"{new}{self._failed} failed",
                *([f"{self._stopped} stopped early"] if self._stopped else []),
                f"mean {mean:.3f}",
                f"{3600 * self._finished / (now - self._began):.0f} seeds/h",
            ]
        if self._first and self._first[1] < self._own and self._steps < self.total:
            rate = (self._own - self._first[1]) / (now - self._first[0])
            parts.append(f"{duration((self.total - self._steps) / rate)} left")
        if self.aside:
            parts.append(self.aside)
        self.update(self._steps, " · ".join(parts))


def show_arms(summaries: Mapping[str, Mapping[str, Any]]) -> None:
    """The table at the end of a sweep, a row per arm."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("arm")
    for name in ("n", "mean", "std", "min", "max", "failed", "95% interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm, summary in summaries.items():
        scores = ("mean", "std", "min", "max")
        table.add_row(
            Name(arm),
            str(summary["n"]),
            *("-" if summary[name] is None else f"{summary[name]:.3f}" for name in scores),
            f"{summary['failed']}/{summary['n']}",
            f"{percent(summary['failed_low'])} to {percent(summary['failed_high'])}",
        )
    first = next(iter(summaries.values()))
    console.print(table)
    for arm, summary in summaries.items():
        for name, scores in summary.get("further", {}).items():
            if not name.endswith(f"/{summary['metric']}"):
                continue  # summary.json has the others
            mean, std = ("-" if x is None else f"{x:.3f}" for x in scores.values())
            of = f" [{arm}]" if summaries.keys() - {arm} else ""
            say(f"{name}{of}: mean {mean}, std {std}.")
    say(
        f"{first['metric']} on the dev set after the last step; the best constant prediction scores"
        f" {first['trivial']:.3f}."
    )
