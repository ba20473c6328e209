"""A sweep with `early_stop`: every trial's first leg, the choice, and the second leg of those that
go on.

Who goes on is regrouped, so that the devices stay full. Who is stopped has a row like any other
trial.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jaxtune.config.trials import Trial
from jaxtune.core.console import say
from jaxtune.storage.paths import WAITING
from jaxtune.storage.trial_rows import read_rows
from jaxtune.sweep.early_stop import constant_loss, has_learnt_nothing, outranked, stop_step
from jaxtune.sweep.groups import RunningProgram, SweepRun
from jaxtune.sweep.waiting import WaitingTrials
from jaxtune.training.group_run import GroupRun
from jaxtune.training.history import Journal
from jaxtune.training.outcome import conclude
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.step import gradient_norm_names
from jaxtune.training.trial_inputs import steps_per_epoch

LOWEST = "layer_00/layer"


class EarlyStopping:
    """All programs of a sweep. `keep` trials of each arm go on, or, where that is None, all that
    learn.
    """

    def __init__(self, sweep: SweepRun, keep: int | None):
        self.sweep = sweep
        self.keep = keep
        went_on = [row["arm"] for row in read_rows(sweep.out) if row.get("stopped_at") is None]
        self._went_on = Counter(went_on)
        self._legs: list[_Legs] = []

    def run(self, plans: Sequence[ProgramPlan]) -> None:
        """First all first legs, where the best of each arm are to be found; otherwise a second leg
        once a group is full.
        """
        self._legs = [_Legs(self, plan) for plan in plans]
        for legs in self._legs:
            legs.first()
        for legs in self._legs:
            legs.second(least=1)

    def choose(self) -> None:
        """Stops who is outranked in its arm: more trials would only push it further down."""
        if self.keep is None:
            return
        by_arm: dict[str, dict[int, float]] = {}
        for legs in self._legs:
            for number, journal in legs.journals.items():
                best = float(journal.best(legs.plan.task.metrics[0])[0][0])
                by_arm.setdefault(legs.trials[number].arm, {})[number] = best
        for arm, scores in by_arm.items():
            losers = outranked(scores, self.keep - self._went_on[arm])
            for legs in self._legs:
                for number in sorted(losers & legs.journals.keys()):
                    legs.stop(number)


class _Legs:
    """The trials of one program: those that have not begun, and those that wait."""

    def __init__(self, stopping: EarlyStopping, plan: ProgramPlan):
        self.plan = plan
        self.trials = {trial.number: trial for trial in plan.pending}
        self._stopping = stopping
        self._sweep = stopping.sweep
        self._program = RunningProgram(plan, self._sweep.meter)
        self._constant = constant_loss(plan.task.train.labels)
        self._waiting = WaitingTrials(self._sweep.out / WAITING, say, plan.config.log_every)
        self.journals = self._waiting.journals(list(self.trials))

    @property
    def stop_step(self) -> int:
        """Steps of the first leg."""
        step = stop_step(self.plan.config.early_stop, self.plan.num_steps)
        return self.plan.num_steps if step is None else step

    def first(self) -> None:
        """First legs, and second ones in between where nobody needs to wait for the others of the
        arm.
        """
        pending = [trial for number, trial in self.trials.items() if number not in self.journals]
        self._stopping.choose()
        while pending:
            self._sweep.asked.stop_here()
            group = pending[: self._program.size]
            if self._program.attempt(lambda group=group: self._first_leg(group)):
                pending = pending[len(group) :]
            if self._stopping.keep is None:
                self.second(least=self._program.size)

    def second(self, least: int) -> None:
        """Second legs, as long as at least `least` trials wait."""
        while len(self.journals) >= least:
            self._sweep.asked.stop_here()
            group = [self.trials[number] for number in sorted(self.journals)[: self._program.size]]
            if self._program.attempt(lambda group=group: self._second_leg(group)):
                for trial in group:
                    self._end(trial.number)

    def stop(self, number: int) -> None:
        """Ends a trial with what it has reached."""
        trial, journal = self.trials[number], self.journals[number]
        sweep, plan = self._sweep, self.plan
        with sweep.recorded(plan, [trial]) as (history, recorders):
            rates = self._program.group([trial], []).rates
            journal.replay(recorders, [number], rates, gradient_norm_names(plan.task.model))
        last_epoch = steps_per_epoch(len(plan.task.train), plan.config.batch_size)
        sweep.keep(self._program, conclude([trial], journal, plan.task, last_epoch, {}), history)
        sweep.progress.stopped(plan.num_steps - self.stop_step)
        self._end(number)

    def _end(self, number: int) -> None:
        del self.journals[number]
        self._waiting.remove(number)

    def _first_leg(self, group: Sequence[Trial]) -> None:
        sweep, until = self._sweep, self.stop_step
        with sweep.recorded(self.plan, group) as (_, recorders):
            run = self._program.group(group, recorders)
            begun = run.begin(sweep.checkpoints)
            paused = run.paused(run.advance(begun, until, sweep.checkpoints, sweep.asked))
        sweep.meter.tokens += run.num_tokens(until=until)
        by_number = {t.number: p for t, p in zip(group, paused, strict=True)}
        self.journals |= {number: each.journal for number, each in by_number.items()}
        for trial in group:
            if self._learns_nothing(self.journals[trial.number]):
                self.stop(trial.number)
        self._stopping.choose()
        self._waiting.add({n: p for n, p in by_number.items() if n in self.journals})
        if sweep.checkpoints:
            sweep.checkpoints.discard()

    def _second_leg(self, group: Sequence[Trial]) -> None:
        sweep = self._sweep
        with sweep.recorded(self.plan, group) as (history, recorders):
            run: GroupRun = self._program.group(group, recorders)
            like: Any = run.lane_shapes()
            paused = [self._waiting.get(trial.number, like) for trial in group]
            begun = run.begin(sweep.checkpoints, paused)
            results = run.results(
                run.advance(begun, self.plan.num_steps, sweep.checkpoints, sweep.asked)
            )
        sweep.meter.tokens += run.num_tokens(self.stop_step)
        sweep.keep(self._program, results, history)

    def _learns_nothing(self, journal: Journal) -> bool:
        (losses,) = journal.all_losses()
        lowest = gradient_norm_names(self.plan.task.model).index(LOWEST)
        (norms,) = journal.all_norms()
        return has_learnt_nothing(losses, norms[:, lowest], self._constant)
