"""Runs one group of trials: dispatch, evaluate, record. Everything that is read on the host is read a dispatch late."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxtune.data.packing import Plan, Shape, make_plan, trial_batches
from jaxtune.data.tokens import Tokens
from jaxtune.group import GroupProgram, Records
from jaxtune.logs import Recorder, StepRecords
from jaxtune.metrics import evaluate, has_failed, is_constant_prediction, trivial_floor
from jaxtune.models.heads import SequenceClassifier
from jaxtune.optim import Hyper, schedule_value
from jaxtune.prepare import Prepared
from jaxtune.step import TrialState, gradient_norm_names
from jaxtune.trials import Trial

# A dispatch should take about this long: short enough for a live display, long enough to hide its own cost.
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


@dataclasses.dataclass
class TrialResult:
    """One finished trial."""

    trial: Trial
    final: dict[str, float]
    best: float
    best_step: int
    train_loss: float
    trivial: float
    failed: bool
    diverged: bool
    constant_prediction: bool
    seconds: float
    logits: np.ndarray  # float32 [example, label]
    params: dict[str, SequenceClassifier]


@dataclasses.dataclass
class _Running:
    """What is known of a group so far, per trial."""

    losses: list[np.ndarray]
    best: np.ndarray
    best_step: np.ndarray
    evaluations: list[dict[str, float]]
    logits: np.ndarray
    finite: np.ndarray


class GroupRun:
    """One group from first step to results.

    `trials` may be fewer than the program's group size: the places left over repeat the last trial and are dropped.
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
        self.hyper = program.place(_stack_hypers([trial.hyper for trial in self.lanes]))
        self.init_keys = program.place(_stream_keys(t.seeds.init_seed for t in self.lanes))
        self.dropout_keys = program.place(_stream_keys(t.seeds.dropout_seed for t in self.lanes))
        count = len(trials)
        # Once and early: device work asked for later would wait behind the dispatch under way.
        self.rates = learning_rates(self.trials, program.recipe.num_steps)
        self.running = _Running(
            losses=[],
            best=np.full(count, -np.inf),
            best_step=np.zeros(count, int),
            evaluations=[{}] * count,
            logits=np.zeros((count, len(task.dev), task.num_labels), np.float32),
            finite=np.ones(count, bool),
        )

    @property
    def num_tokens(self) -> int:
        """Real tokens that the group's trials train on, padding and idle lanes not counted."""
        lengths = self.task.train.lengths
        parts = self.batches[: len(self.trials)]
        return sum(int(lengths[batches[batches >= 0]].sum()) for batches in parts)

    def run(self) -> list[TrialResult]:
        """Trains and evaluates the group; a trial that diverges is a result like any other."""
        began = time.monotonic()
        program, num_steps = self.program, self.program.recipe.num_steps
        state = self.start_state()
        kept = jax.tree.map(jnp.copy, state.model) if self.save in ("best", "all") else None
        late: Callable[[], None] | None = None
        step = 0
        for count in self._dispatches():
            state, records = program.train(*self.train_arguments(state, step, count))
            if late:
                late()
            late = self._step_reader(step, count, records)
            step += count
            if step % self.eval_every == 0 or step == num_steps:
                late()
                late = None
                improved = self._evaluate(state.model, step)
                if kept is not None:
                    kept = program.keep(kept, state.model, program.place(improved))
        seconds = (time.monotonic() - began) / len(self.trials)
        return self._results(state.model, kept, seconds)

    def start_state(self) -> TrialState:
        """The state before the first step."""
        return self.program.start(self.tables.model, self.init_keys)

    def train_arguments(self, state: TrialState, step: int, count: int) -> tuple[Any, ...]:
        """What the program's `train` takes for the next `count` steps."""
        plan = self.program.place(self._plan(step, count))
        return (
            state,
            self.hyper,
            self.dropout_keys,
            plan,
            self.tables.train,
            np.int32(step),
            np.int32(count),
        )

    def _dispatches(self) -> Iterator[int]:
        """Steps per dispatch, cut at evaluations; grows until a dispatch takes long enough.

        The cut changes no result: a step does the same arithmetic wherever a dispatch begins.
        """
        num_steps, most = self.program.recipe.num_steps, self.program.recipe.steps_per_dispatch
        step, size = 0, 1
        while step < num_steps:
            count = min(size, most, num_steps - step, self.eval_every - step % self.eval_every)
            began = time.monotonic()
            yield count
            # Several processes must cut alike, whatever their clocks say.
            quick = time.monotonic() - began < SECONDS_PER_DISPATCH / 2
            if quick or jax.process_count() > 1:
                size *= 2
            step += count

    def _plan(self, start: int, count: int) -> Plan:
        """The plans of all lanes for some steps [trial, step, ...], filled up to the compiled number of steps."""
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
            loss = on_host.loss[places]
            self.running.losses.append(loss)
            names = gradient_norm_names(self.task.model)
            report = StepRecords(loss, rates, on_host.norms[places], names)
            for recorder in self.recorders:
                recorder.steps(self.numbers, start, report)

        return read

    def _evaluate(self, models: SequenceClassifier, step: int) -> np.ndarray:
        """Scores the dev set; returns which lanes improved on their best."""
        tables = self.tables
        outcome = self.program.fetch(self.program.evaluate(models, tables.dev, tables.eval_plan))
        running, count = self.running, len(self.trials)
        running.logits = outcome.logits[:count]
        running.finite &= outcome.finite[:count]
        running.evaluations = [
            evaluate(self.task.metrics, logits, self.task.dev.labels) for logits in running.logits
        ]
        scores = np.array([e[self.task.metrics[0]] for e in running.evaluations])
        improved = scores > running.best
        running.best = np.where(improved, scores, running.best)
        running.best_step = np.where(improved, step, running.best_step)
        for recorder in self.recorders:
            recorder.evaluation(self.numbers, step, running.evaluations)
        return np.resize(improved, self.program.group_size)

    def _results(
        self,
        models: SequenceClassifier,
        kept: SequenceClassifier | None,
        seconds: float,
    ) -> list[TrialResult]:
        running, task = self.running, self.task
        losses = np.concatenate(running.losses, axis=1)
        last_epoch = losses[:, -min(losses.shape[1], self._steps_per_epoch()) :]
        floor = trivial_floor(task.metrics[0], task.dev.labels, task.num_labels)
        saved = {"final": models if self.save in ("final", "all") else None, "best": kept}
        params = {name: self.program.fetch(s) for name, s in saved.items() if s is not None}
        return [
            TrialResult(
                trial=trial,
                final=running.evaluations[i],
                best=float(running.best[i]),
                best_step=int(running.best_step[i]),
                train_loss=float(np.mean(last_epoch[i])),
                trivial=floor,
                failed=has_failed(running.evaluations[i][task.metrics[0]], floor),
                diverged=not (running.finite[i] and np.all(np.isfinite(losses[i]))),
                constant_prediction=is_constant_prediction(running.logits[i]),
                seconds=seconds,
                logits=running.logits[i],
                params={
                    name: jax.tree.map(lambda leaf, i=i: leaf[i], stack)
                    for name, stack in params.items()
                },
            )
            for i, trial in enumerate(self.trials)
        ]

    def _steps_per_epoch(self) -> int:
        return steps_per_epoch(len(self.task.train), self.trials[0].config.batch_size)


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Steps of a pass over the data, the short last batch included."""
    return math.ceil(num_examples / batch_size)


def learning_rates(trials: Sequence[Trial], num_steps: int) -> np.ndarray:
    """Scheduled learning rates [trial, step], without the bias correction's factor."""
    steps = np.arange(num_steps)

    def rates(trial: Trial) -> np.ndarray:
        config = trial.config
        return np.asarray(
            schedule_value(
                config.schedule, config.learning_rate, config.warmup_ratio, num_steps, steps
            )
        )

    return np.stack([rates(trial) for trial in trials])


def _stack_hypers(hypers: Sequence[Hyper]) -> Hyper:
    stacked = (np.array(values) for values in zip(*hypers, strict=True))
    return Hyper(*(v if v.dtype == bool else v.astype(np.float32) for v in stacked))


def _stream_keys(seeds: Iterator[int] | Any) -> jax.Array:
    """One key per trial. Threefry, whatever JAX's default: rbg mixes streams under vmap (DESIGN 4.4)."""
    return jnp.stack([jax.random.key(seed, impl="threefry2x32") for seed in seeds])
