"""Runs the groups of a sweep; each leaves its results before the next begins."""

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
from jaxtune.core.failure import has_failed
from jaxtune.core.metrics import METRICS
from jaxtune.core.processes import from_owner, owner, worst, writes
from jaxtune.core.records import Recorder
from jaxtune.core.signals import Interruption
from jaxtune.core.words import plural
from jaxtune.storage.curves import History, write_predictions
from jaxtune.storage.kept_params import save_params
from jaxtune.storage.paths import HISTORY, PARAMS, TENSORBOARD
from jaxtune.storage.sweep_checkpoints import SweepCheckpoints
from jaxtune.storage.tensorboard import Run, TrialRuns
from jaxtune.storage.trial_rows import append_rows
from jaxtune.sweep.early_stop import stop_rule
from jaxtune.sweep.meter import Meter
from jaxtune.sweep.progress import SweepProgress
from jaxtune.sweep.together import Ended, of_all, own_part
from jaxtune.training.group_run import GroupRun
from jaxtune.training.on_device import OnDevice, put_on_devices
from jaxtune.training.outcome import TrialResult, saved_kinds
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.program import GroupProgram

# What one looks for first in the HParams table, after what was swept.
RECIPE_FIELDS = ("learning_rate", "bias_correction", "num_epochs", "batch_size", "weight_decay")


class RunningProgram:
    """A program and its data on the devices; where memory runs out its groups become smaller."""

    def __init__(self, plan: ProgramPlan, meter: Meter):
        self.plan = plan
        self.rule = None if plan.stop_step is None else stop_rule(plan.task)
        self._meter = meter
        self._program = self._compile()
        self._tables: OnDevice | None = None
        self._compiled_before: float | None = meter.compile_seconds

    @property
    def size(self) -> int:
        """Trials that run at once, in all processes."""
        return self.plan.group_size

    @contextlib.contextmanager
    def data_on_devices(self) -> Iterator[None]:
        """Data and model lie there meanwhile, and not while other programs run."""
        self._tables = put_on_devices(self._program, self.plan.task)
        try:
            yield
        finally:
            self._tables = None

    def group(self, trials: Sequence[Trial], recorders: Sequence[Recorder]) -> GroupRun:
        """Some trials of this process, at most its part of `size`, ready to run."""
        plan = self.plan
        assert self._tables is not None
        return GroupRun(self._program, plan.task, self._tables, trials, plan.shape, recorders)

    def attempt(self, run: Callable[[], Ended]) -> Ended | None:
        """Runs this process's part of a group, timed; None where memory ran out, here or in another
        process, and `size` is now smaller in all of them.

        Nothing in `run` may wait for another process: the others learn only after it what became of
        it. Nothing in it may be kept either.
        """
        ended, short = None, False
        try:
            with self._meter.timing():
                ended = run()
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            short = True
        # Only here: the error holds what lies on the devices for as long as it is handled.
        if worst([short])[0]:
            self._halve()
            return None
        if self._compiled_before is not None and writes():
            shape = self.plan.shape
            rows = ", ".join([*map(str, shape.ladder[:-1]), plural(shape.ladder[-1], "row")])
            say(
                f"Compiled in {self._meter.compile_seconds - self._compiled_before:.1f} s:"
                f" {plural(self.size, 'trial')} at once, {rows} of {plural(shape.slots, 'slot')}."
            )
        self._compiled_before = None
        return ended

    def _halve(self) -> None:
        if self.plan.per_device == 1:
            raise UserError(
                "One trial does not fit in a device's memory; give a smaller batch_size or"
                " max_length, --remat block, or --precision bfloat16."
            )
        self.plan = self.plan.stacking(self.plan.per_device // 2, self.plan.tried)
        if writes():
            say(f"Out of memory: going on with groups of {plural(self.size, 'trial')}.")
        self._program = self._compile()
        self._compiled_before = self._meter.compile_seconds

    def _compile(self) -> GroupProgram:
        return self.plan.compile(self.size // jax.process_count())


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
        with program.data_on_devices():
            while left:
                self.asked.stop_here()
                numbers = [*left][: program.size]
                if self.checkpoints:
                    numbers = self.checkpoints.next_group([*left], program.size)
                if self._train(program, [left[number] for number in numbers], until, keep):
                    left = {n: trial for n, trial in left.items() if n not in numbers}
                    if self.checkpoints:
                        self.checkpoints.drop(numbers, [*left])

    def _train(
        self,
        program: RunningProgram,
        group: Sequence[Trial],
        until: int | None,
        keep: Keep | None,
    ) -> bool:
        """Trains a group and keeps what it leaves; False where it did not fit."""
        numbers = [trial.number for trial in group]
        saved = self.checkpoints.of(numbers) if self.checkpoints else contextlib.nullcontext()
        with saved as checkpoints, self._recorded(program.plan, group) as (history, recorders):

            def run() -> Ended:
                own = own_part(group, program.size)
                if not own:  # a last group may leave a process without
                    return Ended(None, [])
                part = program.group(own, recorders)
                return Ended(part, part.run(checkpoints, self.asked, program.rule, until))

            ended = program.attempt(run)
            if ended is None:
                return False
            results, tokens = of_all(ended, program.plan, group, recorders)
        self.meter.tokens += tokens
        (keep or self._keep)(program, results, history)
        return True

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

        The rows come last: a trial that has one has everything else too. The first process writes,
        and the others hand it the parameters of their trials, one after the other.
        """
        plan, out = program.plan, self.out
        for place, result in enumerate(results):
            has_none = result.stopped_by == "learnt_nothing"
            kinds = () if has_none else saved_kinds(plan.config.save_params)
            for kind in kinds:
                own, process = result.params.get(kind), owner(place, program.size)
                model = from_owner(own, plan.task.model, process)
                if writes():
                    folder = out / PARAMS / f"{result.trial.number:05d}" / kind
                    save_params(folder, plan.full_params(result, kind, model))
        self.meter.trials += len(results)
        if not writes():
            return
        write_records(out, results, history)
        rows = [trial_row(result, plan, program.size) for result in results]
        append_rows(out, rows)
        for result in results:
            if result.stopped_by:
                self.progress.stopped(result.trial.number, plan.num_steps)
        scores = [row["final"] for row in rows]
        self.progress.finished(scores, sum(row["failed"] for row in rows))


def write_records(out: Path, results: Sequence[TrialResult], history: History) -> None:
    """The curves and the logits of trials that have ended."""
    for result in results:
        history.further(result.trial.number, result.num_steps, result.further)
    history.write(out / HISTORY)
    for result in results:
        write_predictions(out, result.trial.number, result.logits, result.answers)


def _shown(trial: Trial, swept: tuple[str, ...]) -> Run:
    """A trial's place in TensorBoard."""
    names = dict.fromkeys((*swept, *RECIPE_FIELDS))
    return Run(trial.arm, trial.seeds.seed, {name: trial.settings[name] for name in names})


def trial_row(result: TrialResult, plan: ProgramPlan, group_size: int) -> dict[str, Any]:
    """One line of trials.jsonl; `stopped_at` are the steps of a trial that was stopped."""
    trial, seeds, task, num_steps = result.trial, result.trial.seeds, plan.task, plan.num_steps
    metric = task.metrics[0]
    two = task.classes if task.num_labels == 2 and not task.several_labels else None
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
        "stopped_by": result.stopped_by,
        "held_out_best": result.held_out_best,
        "higher_is_better": METRICS[metric].higher_is_better,
        "positive_class": two[task.positive] if two else None,
        "positive_label": task.positive if two else None,  # its column of the predictions
    }
    return row | {"failed": has_failed(row)} | result.further | trial.settings
