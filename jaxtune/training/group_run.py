"""Runs one group of trials: dispatch, evaluate, record.

What a dispatch leaves is read on the host only after the next one has begun, so that the devices
never wait for the host.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxtune.config.trials import Trial, identities
from jaxtune.core.freed_memory import FreedMemory
from jaxtune.core.records import Checkpoints, Recorder, Restored, StepRecords
from jaxtune.core.schedules import head_steps, stop_step
from jaxtune.core.signals import Interruption
from jaxtune.data.packing import steps_per_epoch
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.group_inputs import GroupInputs, OnDevice
from jaxtune.training.group_records import GroupRecords
from jaxtune.training.local_trials import Records
from jaxtune.training.outcome import TrialResult, conclude, saved_kinds
from jaxtune.training.pace import Pace
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.program import GroupProgram
from jaxtune.training.rates import learning_rates, left_of_unused_words
from jaxtune.training.step import TrialState, gradient_norm_names

# Whether a trial has learnt nothing, from its losses [step] and gradient norms [logged, norm].
StopRule = Callable[[Trial, np.ndarray, np.ndarray], bool]


class Position(NamedTuple):
    """Where a run stands, on the devices: enough to go on from."""

    step: int
    state: TrialState
    kept: SequenceClassifier | None  # each trial's best parameters so far, where they are saved


class GroupRun:
    """One group from first step to results; `trials` may leave lanes idle, see GroupInputs."""

    def __init__(
        self,
        program: GroupProgram,
        plan: ProgramPlan,
        tables: OnDevice,
        trials: Sequence[Trial],
        recorders: Sequence[Recorder],
    ):
        self.program = program
        self.inputs = GroupInputs(program, plan, tables, trials)
        self.task = task = plan.task
        self.tables = tables
        self.trials = list(trials)
        self.numbers = [trial.number for trial in trials]
        self.recorders = recorders
        config, num_steps = trials[0].config, program.static.num_steps
        self.num_steps = self.until = num_steps
        self.stop_step = stop_step(config.early_stop, num_steps)
        self.epoch_steps = steps_per_epoch(len(task.train), config.batch_size)
        self.eval_every = config.eval_every or self.epoch_steps
        self.saved, self.patience = saved_kinds(config.save_params), config.patience
        # Of the head alone: patience begins with what follows them.
        self.head_steps = np.array([head_steps(t.hyper.head_ratio, num_steps) for t in trials])
        # Once and early: device work asked for later would wait behind the dispatch under way.
        self.rates = learning_rates(self.trials, num_steps)
        self.norm_names = gradient_norm_names(task.model)
        self.records = GroupRecords(program.static.log_every, self.eval_every)
        self.seconds_before = 0.0  # of earlier processes, on the way to the checkpoint
        self.pace = Pace(program.static.steps_per_dispatch)

    def num_tokens(self) -> int:
        """Real tokens that the trials have trained on, idle lanes and stopped trials left out."""
        taken = (self.records.steps_taken(i) for i in range(len(self.trials)))
        return sum(self.inputs.num_tokens(lane, steps) for lane, steps in enumerate(taken))

    def run(
        self,
        checkpoints: Checkpoints | None = None,
        interruption: Interruption | None = None,
        rule: StopRule | None = None,
        until: int | None = None,
    ) -> list[TrialResult]:
        """Trains and evaluates the group, to step `until`; a trial that diverges is a result like
        any other.

        Goes on from the newest checkpoint of this very group. Where `interruption` says so it
        leaves one and raises InterruptedRunError. With `early_stop`, the dev set is scored at the
        stop step, and those that `rule` finds there end with what they have reached, while for the
        others that evaluation counts only where it was due; with
        `patience`, those without a better score for so many evaluations. Their lanes go on, for the
        program has a fixed number, but nobody reads them; where all have stopped the group ends.
        """
        self.until = until or self.num_steps
        position, stop = self._begin(checkpoints), self.stop_step
        self.seconds_before, self.records.until = self.records.seconds, self.until
        if stop and position.step < stop:
            position = self._advance(position, stop, checkpoints, interruption)
            if rule:
                self._stop_by(rule, position)
        position = self._advance(position, self.until, checkpoints, interruption)
        if self.records.running(len(self.trials)):
            self._answer(position.state.evaluated, position.step)
        return self._results(position)

    def _stop_by(self, rule: StopRule, position: Position) -> None:
        losses, norms = self.records.all_losses(), self.records.all_norms()
        running = self.records.running(len(self.trials))
        found = [i for i in running if rule(self.trials[i], losses[i], norms[i])]
        self._end(found, position.state.evaluated, position.step)

    def _end(
        self, places: list[int], models: SequenceClassifier, step: int, patience: bool = False
    ) -> None:
        """These trials end here. They answer first: of those that have ended, answers stay."""
        if places:
            self._answer(models, step)
        self.records.stop(places, patience)

    def _begin(self, checkpoints: Checkpoints | None) -> Position:
        """The newest checkpoint, all before it told to the recorders, or the first step."""
        position = self._restore(checkpoints)
        if position is not None:
            self.records.replay(self.recorders, self.numbers, self.rates, self.norm_names)
            return position
        state = self.inputs.start_state()
        # A copy: the state's own buffers are given away to the first dispatch.
        kept = self.program.copy(state.evaluated) if "best" in self.saved else None
        return Position(0, state, kept)

    def _advance(
        self,
        position: Position,
        to: int,
        checkpoints: Checkpoints | None,
        interruption: Interruption | None,
    ) -> Position:
        """Trains from `position`, which is used up, to step `to`, and scores the dev set there too;
        no further than some trial still runs.
        """
        began, earlier = time.monotonic(), self.records.seconds
        freed = FreedMemory()
        program, (step, state, kept) = self.program, position
        late: Callable[[], None] | None = None
        cuts = [self.eval_every, checkpoints.every if checkpoints else None]
        for count in self.pace.dispatches(step, to, list(filter(None, cuts))):
            if not self.records.running(len(self.trials)):
                break
            arguments = self.inputs.train_arguments(state, step, count)
            if late is None:
                self.pace.began(time.monotonic())
            state, records = program.train(*arguments)
            if late:
                late()
                freed.after_dispatch()
            late = self._step_reader(step, count, records)
            step += count
            if step % self.eval_every == 0 or step == to:
                late()
                late = None
                improved = self._evaluate(state.evaluated, step)
                if kept is not None:
                    kept = program.keep(kept, state.evaluated, program.place(improved))
            # Not at `to`: which trials stop there is not yet in the records.
            if checkpoints and step < to and (interruption or checkpoints.due(step)):
                if late:
                    late()
                late = None
                self.records.seconds = earlier + time.monotonic() - began
                self._save(checkpoints, Position(step, state, kept))
                if interruption:
                    checkpoints.close()
                    interruption.stop_here()
        self.records.seconds = earlier + time.monotonic() - began
        return Position(step, state, kept)

    def _save(self, checkpoints: Checkpoints, position: Position) -> None:
        arrays = self.records.as_arrays() | {
            "trials": np.array(self.numbers),
            "lanes": np.array(self.program.group_size),  # of the saved stack, idle ones too
            "per_device": np.array(self.program.group_size // self.program.mesh.size),
            "until": np.array(self.until),
            "identities": identities(self.trials),
        }
        checkpoints.save(position.step, (position.state, position.kept), arrays)

    def _restore(self, checkpoints: Checkpoints | None) -> Position | None:
        """None where there is no checkpoint of these trials.

        It may be of a larger or smaller group, from another number of devices: a trial's state is
        its lane of the stack, and does not depend on the trials beside it. As long as a device runs
        as many at once, the bits are the same.
        """
        if checkpoints is None:
            return None
        shapes = self.inputs.state_shapes()
        kept = shapes.model if "best" in self.saved else None
        restored = checkpoints.restore_latest((shapes, kept))
        if restored is None:
            return None
        if not self._is_own(restored):
            # Of later steps than this run's first ones it would keep these from being saved.
            checkpoints.discard()
            return None
        saved = restored.arrays["trials"].tolist()
        lanes = [saved.index(trial.number) for trial in self.inputs.lanes]
        state, kept = self.program.place_state(
            *jax.tree.map(lambda leaf: leaf[lanes], restored.tree)
        )
        log_every = self.program.static.log_every
        records = GroupRecords.from_arrays(log_every, restored.arrays, self.eval_every)
        self.records = records.take(lanes[: len(self.trials)])
        # Of a larger group: each of those that go on has taken its share.
        self.records.seconds *= len(self.trials) / len(saved)
        return Position(restored.step, state, kept)

    def _is_own(self, restored: Restored) -> bool:
        """Whether a checkpoint holds these very trials, on the way to the same step."""
        saved = restored.arrays["trials"].tolist()
        if int(restored.arrays["until"]) != self.until or not {*self.numbers} <= {*saved}:
            return False
        own = restored.arrays.get("identities")  # of an older version: none
        places = [saved.index(number) for number in self.numbers]
        return own is not None and np.array_equal(own[places], identities(self.trials))

    def _step_reader(self, start: int, count: int, records: Records) -> Callable[[], None]:
        def read() -> None:
            on_host = self.program.fetch(records)
            self.pace.ended(count, time.monotonic())
            lanes = np.s_[: len(self.trials), :count]
            rates = self.rates[:, start : start + count]
            report = StepRecords(on_host.loss[lanes], rates, on_host.norms[lanes], self.norm_names)
            self.records.add_steps(start, report)
            running = self.records.running(len(self.trials))
            numbers = [self.numbers[i] for i in running]
            arrays = (report.loss[running], rates[running], report.norms[running])
            for recorder in self.recorders:
                recorder.steps(numbers, start, StepRecords(*arrays, self.norm_names))

        return read

    def _evaluate(self, models: SequenceClassifier, step: int) -> np.ndarray:
        """Scores the dev set; returns which lanes improved on their best. With `patience`, trials
        whose best is too long ago stop here.
        """
        task = self.task
        outcome = self.program.evaluate(*self.inputs.evaluate_arguments(models))
        outcome = self.program.fetch(outcome)
        count = len(self.trials)
        scores = [task.all_scores(each) for each in outcome.logits[:count]]
        logits = outcome.logits[:count, : len(task.dev.labels)]
        self.records.add_evaluation(step, scores, logits, outcome.finite[:count])
        running = self.records.running(count)
        for recorder in self.recorders:
            recorder.evaluation(
                [self.numbers[i] for i in running], step, [scores[i] for i in running]
            )
        if self.patience is not None and step < self.num_steps:
            waited = self.records.waited(task.chosen_by, self.head_steps)
            self._end([i for i in running if waited[i] >= self.patience], models, step, True)
        improved = self.records.best(task.metrics[0], task.chosen_by)[1] == step
        return np.resize(improved, self.program.group_size)

    def _answer(self, models: SequenceClassifier, step: int) -> None:
        """Every trial that ends after so many steps, or goes on, answers the further sets."""
        if not self.tables.further:
            return
        left = left_of_unused_words(self.trials, self.rates, step, self.task.num_layers)
        decay = self.program.place(np.resize(left, self.program.group_size))
        tables, count = self.tables, len(self.trials)
        for name, (tokens, plan) in tables.further.items():
            arguments = (decay, tokens, plan, tables.further_words, tables.frozen)
            logits = self.program.fetch(self.program.answer(models, self.inputs.hyper, *arguments))
            self.records.add_answers(name, logits[:count])

    def _results(self, position: Position) -> list[TrialResult]:
        """What the trials leave; parameters only of whole runs and of those that patience ended, as
        far as they are to be saved.
        """
        on_devices = {"final": position.state.evaluated, "best": position.kept}
        over = position.step == self.num_steps or self.records.out_of_patience
        kinds = self.saved if over else ()
        params = {kind: self.program.fetch(on_devices[kind]) for kind in kinds}
        return conclude(self.trials, self.records, self.task, self.epoch_steps, params)
