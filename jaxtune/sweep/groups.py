"""Runs the groups of a sweep's programs one after another; each leaves its results before the next
begins.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxtune.config.trials import Trial
from jaxtune.core.console import say
from jaxtune.core.devices import is_out_of_memory
from jaxtune.core.errors import UserError
from jaxtune.core.records import Recorder
from jaxtune.core.signals import Interruption
from jaxtune.storage.checkpoints import RunCheckpoints, save_params
from jaxtune.storage.curves import History, write_predictions
from jaxtune.storage.paths import HISTORY, PARAMS, TENSORBOARD
from jaxtune.storage.tensorboard import Run, TrialRuns
from jaxtune.storage.trial_rows import append_rows
from jaxtune.sweep.progress import SweepProgress
from jaxtune.training.group_run import GroupRun, put_on_devices
from jaxtune.training.outcome import TrialResult
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.throughput import Meter

# What one looks for first in the HParams table, after what was swept.
RECIPE_FIELDS = ("learning_rate", "bias_correction", "num_epochs", "batch_size", "weight_decay")


def writes() -> bool:
    """Whether this process writes and speaks: the first one, where there are several."""
    return jax.process_index() == 0


class RunningProgram:
    """A program and its data on the devices; without the memory for a group it goes on with groups
    of half the size.
    """

    def __init__(self, plan: ProgramPlan, meter: Meter):
        self.plan = plan
        self.size = plan.group_size
        self._meter = meter
        self._program = plan.compile(self.size)
        self._tables = put_on_devices(self._program, plan.task)
        self._compiled_before: float | None = meter.compile_seconds

    def group(self, trials: Sequence[Trial], recorders: Sequence[Recorder]) -> GroupRun:
        """Some trials, at most `size`, ready to run."""
        plan = self.plan
        return GroupRun(self._program, plan.task, self._tables, trials, plan.shape, recorders)

    def attempt(self, run: Callable[[], None]) -> bool:
        """Runs a group, in time that counts; False where its memory ran out, and the next ones are
        to be smaller.
        """
        try:
            with self._meter.timing():
                run()
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            self._halve(error)
            return False
        if self._compiled_before is not None and writes():
            rows = ", ".join(map(str, self.plan.shape.ladder))
            say(
                f"Compiled in {self._meter.compile_seconds - self._compiled_before:.1f} s:"
                f" {self.size} trials at once, {rows} rows of {self.plan.shape.slots} slots."
            )
        self._compiled_before = None
        return True

    def _halve(self, error: Exception) -> None:
        devices = len(self.plan.devices)
        if self.size == devices:
            raise UserError(
                "One trial does not fit in a device's memory; give a smaller batch_size or"
                " max_length, --remat true, or --precision bfloat16."
            ) from error
        self.size = max(1, self.size // devices // 2) * devices
        say(f"Out of memory: going on with groups of {self.size} trials.")
        self._program = self.plan.compile(self.size)
        self._compiled_before = self._meter.compile_seconds


@dataclasses.dataclass
class SweepRun:
    """What the groups of a sweep share."""

    out: Path
    swept: tuple[str, ...]
    progress: SweepProgress
    meter: Meter
    checkpoints: RunCheckpoints | None
    asked: Interruption

    def run(self, plan: ProgramPlan) -> None:
        """Every trial of one program that is left to run."""
        pending, program = plan.pending, RunningProgram(plan, self.meter)
        while pending:
            self.asked.stop_here()
            group = pending[: program.size]
            if program.attempt(lambda group=group: self._train(program, group)):
                pending = pending[len(group) :]

    def _train(self, program: RunningProgram, group: Sequence[Trial]) -> None:
        with self.recorded(program.plan, group) as (history, recorders):
            run = program.group(group, recorders)
            results = run.run(self.checkpoints, self.asked)
        self.meter.tokens += run.num_tokens()
        self.keep(program, results, history)

    @contextlib.contextmanager
    def recorded(
        self, plan: ProgramPlan, group: Sequence[Trial]
    ) -> Iterator[tuple[History, list[Recorder]]]:
        """What is to be told how the group runs: its history, to be written in the end, and what is
        seen meanwhile.
        """
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

    def keep(
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
        metric, num_steps = plan.task.metrics[0], plan.num_steps
        append_rows(out, [trial_row(r, metric, num_steps, program.size) for r in results])
        if self.checkpoints:
            self.checkpoints.discard()
        scores = [result.final[metric] for result in results]
        self.progress.finished(scores, sum(result.failed for result in results))


def _shown(trial: Trial, swept: tuple[str, ...]) -> Run:
    """A trial's place in TensorBoard."""
    names = dict.fromkeys((*swept, *RECIPE_FIELDS))
    return Run(trial.arm, trial.seeds.seed, {name: trial.settings[name] for name in names})


def trial_row(result: TrialResult, metric: str, num_steps: int, group_size: int) -> dict[str, Any]:
    """One line of trials.jsonl. `stopped_at` is the number of steps taken by a trial that was
    stopped early.
    """
    trial, seeds = result.trial, result.trial.seeds
    return {
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
        "failed": result.failed,
        "diverged": result.diverged,
        "constant_prediction": result.constant_prediction,
        "num_steps": num_steps,
        "seconds": round(result.seconds, 3),
        "group_size": group_size,
        "stopped_at": result.num_steps if result.num_steps < num_steps else None,
    } | trial.settings
