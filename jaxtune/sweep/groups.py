"""Runs the groups of a sweep; each leaves its results before the next begins."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxtune.config.trials import Trial
from jaxtune.core.console import say
from jaxtune.core.devices import is_out_of_memory, peak_memory
from jaxtune.core.errors import UserError
from jaxtune.core.failure import has_failed
from jaxtune.core.metrics import METRICS
from jaxtune.core.records import Recorder
from jaxtune.core.signals import Interruption
from jaxtune.core.words import plural
from jaxtune.storage.checkpoints import SweepCheckpoints, save_params
from jaxtune.storage.curves import History, write_predictions
from jaxtune.storage.paths import HISTORY, PARAMS, TENSORBOARD
from jaxtune.storage.tensorboard import Run, TrialRuns
from jaxtune.storage.trial_rows import append_rows
from jaxtune.sweep.early_stop import stop_rule
from jaxtune.sweep.progress import SweepProgress
from jaxtune.training.group_run import GroupRun, put_on_devices
from jaxtune.training.outcome import TrialResult
from jaxtune.training.plan import ProgramPlan

# What one looks for first in the HParams table, after what was swept.
RECIPE_FIELDS = ("learning_rate", "bias_correction", "num_epochs", "batch_size", "weight_decay")
COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"


def writes() -> bool:
    """Whether this process writes and speaks: the first one, where there are several."""
    return jax.process_index() == 0


class Meter:
    """How fast a sweep runs: time of its groups, compiling included, trials and tokens."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.compile_seconds = 0.0
        self.trials = 0
        self.tokens = 0

    @contextlib.contextmanager
    def timing(self) -> Iterator[None]:
        """Adds the time of a group, whether it succeeds or not."""
        # JAX would keep a listener for as long as the process lives, which may run many sweeps.
        listener: Any = self._on_event
        jax.monitoring.register_event_duration_secs_listener(listener)
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - began
            jax.monitoring.unregister_event_duration_listener(listener)

    def totals(self) -> dict[str, Any]:
        """For summary.json: bytes and seconds as named, rates with compilation and evaluation."""
        per_second = 1 / self.seconds if self.seconds else 0.0
        return {
            "trials": self.trials,
            "seconds": round(self.seconds, 3),
            "seeds_per_hour": round(3600 * self.trials * per_second, 1),
            "tokens_per_second": round(self.tokens * per_second, 1),
            "compile_seconds": round(self.compile_seconds, 3),
            "peak_memory_bytes": peak_memory(),
        }

    def _on_event(self, event: str, duration: float, **_: str | int) -> None:
        if event == COMPILE_EVENT:
            self.compile_seconds += duration


class RunningProgram:
    """A program and its data on the devices; where memory runs out its groups become smaller."""

    def __init__(self, plan: ProgramPlan, meter: Meter):
        self.plan = plan
        self.size = plan.group_size
        self.rule = None if plan.stop_step is None else stop_rule(plan.task)
        self._meter = meter
        self._program = plan.compile(self.size)
        self._tables = put_on_devices(self._program, plan.task)
        self._compiled_before: float | None = meter.compile_seconds

    def group(self, trials: Sequence[Trial], recorders: Sequence[Recorder]) -> GroupRun:
        """Some trials, at most `size`, ready to run."""
        plan = self.plan
        return GroupRun(self._program, plan.task, self._tables, trials, plan.shape, recorders)

    def attempt(self, run: Callable[[], None]) -> bool:
        """Runs a group, timed; False where its memory ran out and `size` is now smaller."""
        try:
            with self._meter.timing():
                run()
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self._halve(error)
            return False
        if self._compiled_before is not None and writes():
            shape = self.plan.shape
            rows = ", ".join([*map(str, shape.ladder[:-1]), plural(shape.ladder[-1], "row")])
            say(
                f"Compiled in {self._meter.compile_seconds - self._compiled_before:.1f} s:"
                f" {plural(self.size, 'trial')} at once, {rows} of {plural(shape.slots, 'slot')}."
            )
        self._compiled_before = None
        return True

    def _halve(self, error: Exception) -> None:
        devices = len(self.plan.devices)
        if self.size == devices:
            raise UserError(
                "One trial does not fit in a device's memory; give a smaller batch_size or"
                " max_length, --remat block, or --precision bfloat16."
            ) from error
        self.size = max(1, self.size // devices // 2) * devices
        say(f"Out of memory: going on with groups of {plural(self.size, 'trial')}.")
        self._program = self.plan.compile(self.size)
        self._compiled_before = self._meter.compile_seconds


# What to do with the results and curves of a group.
Keep = Callable[[RunningProgram, Sequence[TrialResult], History], None]


@dataclasses.dataclass
class SweepRun:
    """What the groups of a sweep share."""

    out: Path
    swept: tuple[str, ...]
    progress: SweepProgress
    meter: Meter
    checkpoints: SweepCheckpoints | None
    asked: Interruption

    def run(
        self,
        program: RunningProgram,
        trials: Sequence[Trial],
        until: int | None = None,
        keep: Keep | None = None,
    ) -> None:
        """Trains these trials of a program group by group, whole or to step `until`."""
        left = {trial.number: trial for trial in trials}
        while left:
            self.asked.stop_here()
            numbers = [*left][: program.size]
            if self.checkpoints:
                numbers = self.checkpoints.next_group([*left], program.size)
            group = [left[number] for number in numbers]
            if program.attempt(lambda group=group: self._train(program, group, until, keep)):
                left = {number: trial for number, trial in left.items() if number not in numbers}
                if self.checkpoints:
                    self.checkpoints.drop(numbers, [*left])

    def _train(
        self,
        program: RunningProgram,
        group: Sequence[Trial],
        until: int | None,
        keep: Keep | None,
    ) -> None:
        numbers = [trial.number for trial in group]
        saved = self.checkpoints.of(numbers) if self.checkpoints else contextlib.nullcontext()
        with saved as checkpoints, self._recorded(program.plan, group) as (history, recorders):
            run = program.group(group, recorders)
            results = run.run(checkpoints, self.asked, program.rule, until)
        self.meter.tokens += run.num_tokens()
        (keep or self._keep)(program, results, history)

    @contextlib.contextmanager
    def _recorded(
        self, plan: ProgramPlan, group: Sequence[Trial]
    ) -> Iterator[tuple[History, list[Recorder]]]:
        """The group's history, and all recorders: that, TensorBoard and the progress line."""
        history = History(plan.config.log_every)
        if not writes():
            yield history, []
            return
        shown = {trial.number: _shown(trial, self.swept) for trial in group}
        curves = TrialRuns(
            self.out / TENSORBOARD, shown, plan.task.metrics[0], plan.config.log_every
        )
        try:
            yield history, [history, curves, self.progress]
        finally:
            curves.close()

    def _keep(
        self, program: RunningProgram, results: Sequence[TrialResult], history: History
    ) -> None:
        """Parameters, curves, predictions and rows of trials that have ended.

        The rows come last: a trial that has one has everything else too. Every process takes part
        in saving parameters, as orbax wants it, and the first one writes.
        """
        plan, out = program.plan, self.out
        for result in results:
            for kind, model in result.params.items():
                folder = out / PARAMS / f"{result.trial.number:05d}" / kind
                save_params(folder, plan.full_params(result, kind, model))
        self.meter.trials += len(results)
        if not writes():
            return
        history.write(out / HISTORY)
        for result in results:
            write_predictions(out, result.trial.number, result.logits)
        rows = [trial_row(result, plan, program.size) for result in results]
        append_rows(out, rows)
        for result in results:
            if result.learnt_nothing:
                self.progress.stopped(result.trial.number, plan.num_steps)
        scores = [row["final"] for row in rows]
        self.progress.finished(scores, sum(row["failed"] for row in rows))


def _shown(trial: Trial, swept: tuple[str, ...]) -> Run:
    """A trial's place in TensorBoard."""
    names = dict.fromkeys((*swept, *RECIPE_FIELDS))
    return Run(trial.arm, trial.seeds.seed, {name: trial.settings[name] for name in names})


def trial_row(result: TrialResult, plan: ProgramPlan, group_size: int) -> dict[str, Any]:
    """One line of trials.jsonl; `stopped_at` are the steps of a trial that was stopped early."""
    trial, seeds, task, num_steps = result.trial, result.trial.seeds, plan.task, plan.num_steps
    metric = task.metrics[0]
    two = task.classes if task.num_labels == 2 else None
    row = {
        "trial": trial.number,
        "arm": trial.arm,
        "seed": seeds.seed,
        "init_seed": seeds.init_seed,
        "order_seed": seeds.order_seed,
        "dropout_seed": seeds.dropout_seed,
        "model": trial.config.model,
        "task": trial.config.task,
        "metric": metric,
        "final": result.final[metric],
        "best": result.best,
        "best_step": result.best_step,
        "train_loss": result.train_loss,
        "trivial": result.trivial,
        "failed": False,  # below, from what stands here
        "diverged": result.diverged,
        "constant_prediction": result.constant_prediction,
        "num_steps": num_steps,
        "seconds": round(result.seconds, 3),
        "group_size": group_size,
        "stopped_at": result.num_steps if result.num_steps < num_steps else None,
        "higher_is_better": METRICS[metric].higher_is_better,
        "positive_class": two[task.positive] if two else None,
        "positive_label": task.positive if two else None,  # its column of the predictions
    }
    return row | {"failed": has_failed(row)} | trial.settings
