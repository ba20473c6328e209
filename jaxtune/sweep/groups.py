"""Runs the groups of a sweep here; each leaves its results before the next begins."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Generator, Sequence

import jax

from jaxtune.config.trials import Trial
from jaxtune.core.console import say
from jaxtune.core.devices import is_out_of_memory
from jaxtune.core.errors import UserError
from jaxtune.core.processes import from_owner, owner, worst, writes
from jaxtune.core.records import Recorder
from jaxtune.core.signals import Interruption
from jaxtune.core.words import plural
from jaxtune.models.heads import SequenceClassifier
from jaxtune.storage.sweep_checkpoints import SweepCheckpoints
from jaxtune.sweep.early_stop import stop_rule
from jaxtune.sweep.meter import Meter
from jaxtune.sweep.results import Keep, SweepResults
from jaxtune.sweep.together import Ended, of_all, own_part
from jaxtune.training.group_inputs import OnDevice, put_on_devices
from jaxtune.training.group_run import GroupRun
from jaxtune.training.kernel_rows import in_words
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.program import GroupProgram


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
    def data_on_devices(self) -> Generator[None]:
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
        return GroupRun(self._program, plan, self._tables, trials, recorders)

    def attempt(self, run: Callable[[], Ended]) -> Ended | None:
        """Runs this process's part of a group, timed; None where memory ran out, here or in another
        process, and `size` is now smaller in all of them.

        Nothing in `run` may wait for another process: the others learn only after it what became of
        it. Nothing in it may be kept either.
        """
        ended, short = None, False
        try:
            with self._meter.timing(), in_words():
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
        self._stack(self.plan.per_device // 2)
        if writes():
            say(f"Out of memory: going on with groups of {plural(self.size, 'trial')}.")

    def narrow(self, num_trials: int) -> None:
        """Groups become smaller where so many trials in all would leave at least half of the lanes
        idle; for less it is not worth compiling again.
        """
        filled = math.ceil(num_trials / len(self.plan.devices))
        if filled <= self.plan.per_device // 2:
            self._stack(filled)

    def _stack(self, per_device: int) -> None:
        self.plan = self.plan.stacking(per_device, self.plan.tried)
        self._program = self._compile()
        self._compiled_before = self._meter.compile_seconds

    def _compile(self) -> GroupProgram:
        return self.plan.compile(self.size // jax.process_count())


@dataclasses.dataclass
class LocalGroups:
    """The groups of a sweep on this process's devices, program by program.

    `programs` are those that run already, by the place of their plan, and any that is begun here is
    added: at the next look of a sweep that adds seeds its groups are as large as they were.
    """

    plans: Sequence[ProgramPlan]
    programs: dict[int, RunningProgram]
    results: SweepResults
    checkpoints: SweepCheckpoints | None
    asked: Interruption

    def run(self, pending: Sequence[Sequence[Trial]], first_leg: Keep | None = None) -> None:
        """Trains these trials of each plan, whole or to its stop step."""
        for index, trials in enumerate(pending):
            if not trials:
                continue
            if index not in self.programs:
                plan, meter = self.plans[index], self.results.meter
                self.programs[index] = RunningProgram(plan, meter)
            program, plan = self.programs[index], self.plans[index]
            if plan.config.keep_trials is not None and not first_leg:
                # By all that may be kept, not by what is left: what goes on has the same size.
                program.narrow(plan.config.keep_trials * len({t.arm for t in plan.trials}))
            self._run(program, trials, first_leg)

    def _run(
        self, program: RunningProgram, trials: Sequence[Trial], first_leg: Keep | None
    ) -> None:
        """Group by group."""
        left = {trial.number: trial for trial in trials}
        with program.data_on_devices():
            while left:
                self.asked.stop_here()
                numbers = [*left][: program.size]
                if self.checkpoints:
                    numbers = self.checkpoints.next_group([*left], program.size)
                if self._train(program, [left[number] for number in numbers], first_leg):
                    left = {n: trial for n, trial in left.items() if n not in numbers}
                    if self.checkpoints:
                        self.checkpoints.drop(numbers, [*left])

    def _train(
        self, program: RunningProgram, group: Sequence[Trial], first_leg: Keep | None
    ) -> bool:
        """Trains a group and keeps what it leaves; False where it did not fit."""
        numbers = [trial.number for trial in group]
        until = program.plan.stop_step if first_leg else None
        saved = self.checkpoints.of(numbers) if self.checkpoints else contextlib.nullcontext()
        recorded = self.results.recorded(program.plan, group)
        with saved as checkpoints, recorded as (history, recorders):

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
        plan, size = program.plan, program.size
        self.results.meter.tokens += tokens
        if ended.run is not None:  # whose trials and tokens count whole, whoever trained them
            self.results.meter.seconds += ended.run.seconds_before

        def model_of(place: int, kind: str) -> SequenceClassifier:
            own = results[place].params.get(kind)
            return from_owner(own, plan.task.model, owner(place, size))

        keep = first_leg or self.results.keep
        keep(plan, size, results, history, model_of)
        return True
