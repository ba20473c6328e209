"""Runs one group of trials: dispatch, evaluate, record. Everything that is read on the host is read
a dispatch late.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtune.config.trials import Trial
from jaxtune.core.metrics import evaluate
from jaxtune.core.records import Recorder, StepRecords
from jaxtune.core.signals import Interruption
from jaxtune.data.packing import Plan, Shape, make_plan, trial_batches
from jaxtune.data.tokens import Tokens
from jaxtune.models.heads import SequenceClassifier
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.sweep.waiting import PausedTrial
from jaxtune.training.history import Journal
from jaxtune.training.outcome import TrialResult, conclude
from jaxtune.training.prepare import Prepared
from jaxtune.training.program import GroupProgram, Records
from jaxtune.training.step import TrialState, gradient_norm_names
from jaxtune.training.trial_inputs import learning_rates, stack_hypers, steps_per_epoch, stream_keys

# A dispatch should take about this long: short enough for a live display, long enough to hide its
# own cost.
SECONDS_PER_DISPATCH = 0.5


class OnDevice(NamedTuple):
    """What all trials share, where the programs read it: the same on every device."""

    train: Tokens
    dev: Tokens
    eval_plan: Plan
    model: SequenceClassifier  # what every trial starts from


def put_on_devices(program: GroupProgram, task: Prepared) -> OnDevice:
    """Copies the data once, for all groups of a program."""

    tables = OnDevice(task.train.as_tokens(), task.dev.as_tokens(), task.eval_plan, task.model)
    return program.place(tables, per_trial=False)


class Position(NamedTuple):
    """Where a run stands, on the devices: enough to go on from."""

    step: int
    state: TrialState
    kept: (
        SequenceClassifier | None
    )  # each trial's best parameters so far, where they are to be saved


class GroupRun:
    """One group from first step to results.

    `trials` may be fewer than the program's group size: the places left over repeat the last trial
    and are dropped.
    """

    def __init__(
        self,
        program: GroupProgram,
        task: Prepared,
        tables: OnDevice,
        trials: Sequence[Trial],
        shape: Shape,
        recorders: Sequence[Recorder],
    ):
        self.program = program
        self.task = task
        self.tables = tables
        self.trials = list(trials)
        self.numbers = [trial.number for trial in trials]
        self.shape = shape
        self.recorders = recorders
        config = trials[0].config
        self.eval_every = config.eval_every or steps_per_epoch(len(task.train), config.batch_size)
        self.save = config.save_params
        self.lanes = [*trials, *[trials[-1]] * (program.group_size - len(trials))]
        self.batches = [
            trial_batches(
                trial.seeds.order_seed,
                len(task.train),
                config.batch_size,
                program.recipe.num_steps,
            )
            for trial in self.lanes
        ]
        self.hyper = program.place(stack_hypers([trial.hyper for trial in self.lanes]))
        self.init_keys = program.place(stream_keys(t.seeds.init_seed for t in self.lanes))
        self.dropout_keys = program.place(stream_keys(t.seeds.dropout_seed for t in self.lanes))
        # Once and early: device work asked for later would wait behind the dispatch under way.
        self.rates = learning_rates(self.trials, program.recipe.num_steps)
        self.journal = Journal(program.recipe.log_every)

    def num_tokens(self, first: int = 0, until: int | None = None) -> int:
        """Real tokens that the group's trials train on in these steps, padding and idle lanes not
        counted.
        """
        lengths = self.task.train.lengths
        parts = [batches[first:until] for batches in self.batches[: len(self.trials)]]
        return sum(int(lengths[batches[batches >= 0]].sum()) for batches in parts)

    def run(
        self,
        checkpoints: RunCheckpoints | None = None,
        interruption: Interruption | None = None,
    ) -> list[TrialResult]:
        """Trains and evaluates the group; a trial that diverges is a result like any other.

        Goes on from the newest checkpoint of this very group. Where `interruption` says so it
        leaves one and raises InterruptedRunError.
        """
        position = self.begin(checkpoints)
        num_steps = self.program.recipe.num_steps
        return self.results(self.advance(position, num_steps, checkpoints, interruption))

    def begin(
        self, checkpoints: RunCheckpoints | None, paused: Sequence[PausedTrial] = ()
    ) -> Position:
        """The first step, where the trials were paused, or the newest checkpoint after that: all
        before it is told again.
        """
        position = self._restore(checkpoints, paused[0].step if paused else 0)
        if position is None and paused:
            position = self._joined(paused)
        if position is not None:
            names = gradient_norm_names(self.task.model)
            self.journal.replay(self.recorders, self.numbers, self.rates, names)
            return position
        state = self.start_state()
        kept = jax.tree.map(jnp.copy, state.model) if self.save in ("best", "all") else None
        return Position(0, state, kept)

    def advance(
        self,
        position: Position,
        until: int,
        checkpoints: RunCheckpoints | None = None,
        interruption: Interruption | None = None,
    ) -> Position:
        """Trains from `position`, which is used up, to step `until`, and scores the dev set there
        and when it is due.
        """
        began, earlier = time.monotonic(), self.journal.seconds
        program, (step, state, kept) = self.program, position
        late: Callable[[], None] | None = None
        for count in self._dispatches(step, until, checkpoints.every if checkpoints else None):
            state, records = program.train(*self.train_arguments(state, step, count))
            if late:
                late()
            late = self._step_reader(step, count, records)
            step += count
            if step % self.eval_every == 0 or step == until:
                late()
                late = None
                improved = self._evaluate(state.model, step)
                if kept is not None:
                    kept = program.keep(kept, state.model, program.place(improved))
            if checkpoints and step < until and (interruption or checkpoints.due(step)):
                if late:
                    late()
                late = None
                self.journal.seconds = earlier + time.monotonic() - began
                self._save(checkpoints, Position(step, state, kept))
                if interruption:
                    checkpoints.close()
                    interruption.stop_here()
        self.journal.seconds = earlier + time.monotonic() - began
        return Position(step, state, kept)

    def paused(self, position: Position) -> list[PausedTrial]:
        """Each trial by itself, on the host."""
        trees = self.program.fetch((position.state, position.kept))
        return [
            PausedTrial(
                position.step, jax.tree.map(lambda leaf, i=i: leaf[i], trees), self.journal.part(i)
            )
            for i in range(len(self.trials))
        ]

    def _joined(self, paused: Sequence[PausedTrial]) -> Position:
        """What `paused` gave, of this or of other groups, as this group's position."""
        self.journal = Journal.joined([each.journal for each in paused])
        lanes = [*paused, *[paused[-1]] * (self.program.group_size - len(paused))]
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *(each.tree for each in lanes))
        return Position(paused[0].step, *self.program.place(stacked))

    def _save(self, checkpoints: RunCheckpoints, position: Position) -> None:
        group = {"trials": np.array(self.numbers), "lanes": np.array(self.program.group_size)}
        arrays = self.journal.as_arrays() | group
        checkpoints.save(position.step, (position.state, position.kept), arrays)

    def _restore(self, checkpoints: RunCheckpoints | None, earliest: int) -> Position | None:
        """None where there is no checkpoint of at least this step, or only those of another
        group.
        """
        newest = checkpoints.latest() if checkpoints else 0
        if checkpoints is None or not newest or newest < earliest:
            return None
        restored = checkpoints.restore_latest(self.program.abstract(self._shapes()))
        if restored is None:
            return None
        arrays = restored.arrays
        if arrays["trials"].tolist() != self.numbers or arrays["lanes"] != self.program.group_size:
            return None
        self.journal = Journal.from_arrays(self.program.recipe.log_every, arrays)
        return Position(restored.step, *restored.tree)

    def _shapes(self) -> tuple[TrialState, SequenceClassifier | None]:
        """Shapes and dtypes of a position's state and kept parameters."""
        state = jax.eval_shape(self.start_state)
        return state, state.model if self.save in ("best", "all") else None

    def lane_shapes(self) -> Any:
        """Of one trial's part."""
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), self._shapes())

    def start_state(self) -> TrialState:
        """The state before the first step."""
        return self.program.start(self.tables.model, self.init_keys, self.hyper)

    def train_arguments(self, state: TrialState, step: int, count: int) -> tuple[Any, ...]:
        """What the program's `train` takes for the next `count` steps."""
        plan = self.program.place(self._plan(step, count))
        origin = (self.tables.model, self.init_keys) if self.program.needs_origin else (None, None)
        return (
            state,
            self.hyper,
            self.dropout_keys,
            plan,
            self.tables.train,
            np.int32(step),
            np.int32(count),
            *origin,
        )

    def _dispatches(self, step: int, until: int, checkpoint_every: int | None) -> Iterator[int]:
        """Steps per dispatch from `step` to `until`, cut at evaluations and checkpoints; grows
        until one takes long enough.

        The cut changes no result: a step does the same arithmetic wherever a dispatch begins.
        """
        most = self.program.recipe.steps_per_dispatch
        cuts = [every for every in (self.eval_every, checkpoint_every) if every]
        size = 1
        while step < until:
            count = min(size, most, until - step, *(every - step % every for every in cuts))
            began = time.monotonic()
            yield count
            # Several processes must cut alike, whatever their clocks say.
            quick = time.monotonic() - began < SECONDS_PER_DISPATCH / 2
            if quick or jax.process_count() > 1:
                size *= 2
            step += count

    def _plan(self, start: int, count: int) -> Plan:
        """The plans of all lanes for some steps [trial, step, ...], filled up to the compiled
        number of steps.
        """
        most = self.program.recipe.steps_per_dispatch
        plans = []
        for batches in self.batches:
            part = np.full((most, batches.shape[1]), -1, np.int32)
            part[:count] = batches[start : start + count]
            plans.append(make_plan(self.task.train, part, self.shape))
        return Plan(*(np.stack(parts) for parts in zip(*plans, strict=True)))

    def _step_reader(self, start: int, count: int, records: Records) -> Callable[[], None]:
        def read() -> None:
            on_host = self.program.fetch(records)
            places = (slice(len(self.trials)), slice(count))
            rates = self.rates[:, start : start + count]
            names = gradient_norm_names(self.task.model)
            report = StepRecords(on_host.loss[places], rates, on_host.norms[places], names)
            self.journal.add_steps(start, report)
            for recorder in self.recorders:
                recorder.steps(self.numbers, start, report)

        return read

    def _evaluate(self, models: SequenceClassifier, step: int) -> np.ndarray:
        """Scores the dev set; returns which lanes improved on their best."""
        tables = self.tables
        outcome = self.program.fetch(self.program.evaluate(models, tables.dev, tables.eval_plan))
        count = len(self.trials)
        logits = outcome.logits[:count]
        scores = [evaluate(self.task.metrics, each, self.task.dev.labels) for each in logits]
        self.journal.add_evaluation(step, scores, logits, outcome.finite[:count])
        for recorder in self.recorders:
            recorder.evaluation(self.numbers, step, scores)
        improved = self.journal.best(self.task.metrics[0])[1] == step
        return np.resize(improved, self.program.group_size)

    def results(self, position: Position) -> list[TrialResult]:
        """What the trials leave, with the parameters that are to be saved."""
        final = position.state.model if self.save in ("final", "all") else None
        on_devices = {"final": final, "best": position.kept}
        params = {
            name: self.program.fetch(stack)
            for name, stack in on_devices.items()
            if stack is not None
        }
        last_epoch = steps_per_epoch(len(self.task.train), self.trials[0].config.batch_size)
        return conclude(self.trials, self.journal, self.task, last_epoch, params)
