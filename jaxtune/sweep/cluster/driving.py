"""The driver's side: hands trials out, takes results in, and is the only one that writes."""

import time
from collections import Counter
from collections.abc import Sequence

import jax
import yaml

from jaxtune.config.parse import Settings
from jaxtune.config.trials import Trial
from jaxtune.core.console import duration, say
from jaxtune.core.errors import UserError
from jaxtune.core.signals import Interruption
from jaxtune.core.words import listed, plural
from jaxtune.models.heads import SequenceClassifier
from jaxtune.storage.inputs import Inputs, absolute
from jaxtune.sweep.cluster.hand_out import MOST_LOSSES, HandOut
from jaxtune.sweep.cluster.messages import Answer, DamagedAnswerError, check_group
from jaxtune.sweep.cluster.sent_files import SentFiles
from jaxtune.sweep.cluster.usual_time import UsualTime
from jaxtune.sweep.cluster.who_ran import note_workers
from jaxtune.sweep.cluster.workers import Ended, Handle, Workers
from jaxtune.sweep.results import Keep, SweepResults
from jaxtune.sweep.same_plan import fingerprint
from jaxtune.sweep.together import of_arrays
from jaxtune.training.outcome import TrialResult, saved_kinds
from jaxtune.training.plan import ProgramPlan

TICK = 0.5  # seconds that a signal or a new node waits at most
SLOW = 3.0  # times the usual time of a group, from which on a worker is called slow
SILENT = 20.0  # the same, from which on it is given up
LEAST_SILENCE = 900.0  # but not before so many seconds


class ClusterGroups:
    """The groups of a sweep on the workers of a cluster, whoever is free."""

    def __init__(
        self,
        workers: Workers,
        settings: Settings,
        inputs: Inputs,
        files: SentFiles,
        plans: Sequence[ProgramPlan],
        results: SweepResults,
        asked: Interruption,
    ):
        self._workers, self._plans = workers, plans
        self._results, self._asked = results, asked
        self._trials = {trial.number: trial for plan in plans for trial in plan.trials}
        of_all = {
            "settings": yaml.safe_load(absolute(settings).as_yaml()),
            "inputs": {role: list(file) for role, file in inputs.items()},
            "files": files,
        }
        self._asked_of_workers = [
            {"first": plan.trials[0].number, "fingerprint": fingerprint(plan), **of_all}
            for plan in plans
        ]
        self._hand_out = HandOut([])
        self._left = 0  # trials that have not left their results
        self._first_leg: Keep | None = None
        self._usual = UsualTime(plans)
        self._said: set[str] = set()  # of the sizes of groups

    def run(self, pending: Sequence[Sequence[Trial]], first_leg: Keep | None = None) -> None:
        """Trains these trials of each plan, whole or to its stop step."""
        self._hand_out = HandOut([[trial.number for trial in trials] for trials in pending])
        self._first_leg = first_leg
        workers, began = self._workers, time.monotonic()
        self._left = sum(map(len, pending))
        try:
            while self._left:
                self._asked.stop_here()
                workers.look()
                for worker in [each for each in workers.all if each.ready]:
                    self._give(worker)
                for ended in workers.ended(TICK):
                    self._take(ended)
                self._watch()
                self._reclaim()
        finally:
            self._results.meter.seconds += time.monotonic() - began

    def _give(self, worker: Handle) -> None:
        """The next group, or the program that it is of; nothing where nothing is left."""
        others = [w.program for w in self._workers.all if w is not worker]
        at = Counter(program for program in others if program is not None)
        program = self._hand_out.program_for(worker.program, at)
        if program is None:
            return
        if program != worker.program:
            worker.program = program
            share = self._hand_out.share(program, len(self._workers.all))
            asked = self._asked_of_workers[program] | {"share": share}
            self._workers.call(worker, "open", asked)
            return
        worker.held = self._hand_out.take(program, worker.size)
        self._workers.call(worker, "train", worker.held, bool(self._first_leg))

    def _take(self, ended: Ended) -> None:
        """What has become of a call."""
        worker = ended.worker
        if worker not in self._workers.all:  # its node was left out by what it answered
            return
        if ended.answer is None:
            self._lose(worker, ended.why, ended.blamed)
        elif ended.method == "open":
            self._opened(worker, ended.answer)
        elif ended.method == "train":
            self._finish(worker, ended.answer)

    def _opened(self, worker: Handle, answer: Answer) -> None:
        size = answer.facts.get("size")
        if not isinstance(size, int) or size < 1:
            self._lose(worker, "it gives no group size")
            return
        worker.size = size
        devices = listed(worker.facts.get("devices", []))
        sentence = f"{worker.node.name}: {devices}, {plural(size, 'trial')} at once."
        if sentence not in self._said:
            self._said.add(sentence)
            say(" ".join(filter(None, [sentence, answer.facts.get("how")])))

    def _finish(self, worker: Handle, answer: Answer) -> None:
        """Keeps what a group has left; a worker whose answer is damaged is lost."""
        assert worker.program is not None
        plan, held = self._plans[worker.program], worker.held
        trials = [self._trials[number] for number in held]
        try:
            check_group(answer, plan, trials, self._steps(worker.program))
        except DamagedAnswerError as error:
            self._lose(worker, f"its answer was refused: {error}")
            return
        facts = answer.facts
        done = trials[: len(facts["numbers"])]
        if facts["size"] < worker.size:
            size = plural(facts["size"], "trial")
            say(f"{worker.node.name}: out of memory: going on with groups of {size} there.")
        worker.size = facts["size"]
        self._hand_out.give_back(worker.program, held[len(done) :])
        steps = answer.arrays["loss"].shape[1]
        self._usual.note(worker.program, steps, time.monotonic() - worker.asked_at)
        fetches = bool(saved_kinds(plan.config.save_params)) and not self._first_leg
        worker.held = [trial.number for trial in done] if fetches else []
        if not fetches:  # it goes on while its results are written
            self._give(worker)
        try:
            self._record(worker, plan, done, answer)
        except DamagedAnswerError as error:
            lives = self._workers.lives(worker.node)  # else its trials have no part in it
            self._lose(worker, f"its parameters could not be had: {error}", lives)
            return
        if fetches:
            worker.held = []
        self._workers.succeeded(worker)
        self._left -= len(done)
        self._workers.has_run(worker, [trial.number for trial in done])
        note_workers(self._results.out, self._workers.ran())

    def _steps(self, program: int) -> int:
        """That a group of this program takes now, if none of its trials is stopped."""
        plan = self._plans[program]
        return (plan.stop_step if self._first_leg else None) or plan.num_steps

    def _record(
        self, worker: Handle, plan: ProgramPlan, trials: Sequence[Trial], answer: Answer
    ) -> None:
        meter, size = self._results.meter, answer.facts["size"]
        # A row says how many trials ran at once on a device of the worker's; the plan, of this one.
        devices = min(len(worker.facts.get("devices", ())) or 1, len(plan.trials))
        plan = plan.stacking(max(size // devices, 1))
        with self._results.recorded(plan, trials) as (history, recorders):
            found = of_arrays(answer.arrays, plan, trials, recorders)

        def model_of(place: int, kind: str) -> SequenceClassifier:
            return self._fetched(worker, plan, found[place], kind)

        keep = self._first_leg or self._results.keep
        keep(plan, size, found, history, model_of)
        meter.tokens += int(answer.facts.get("tokens", 0))
        meter.compile_seconds += float(answer.facts.get("compile_seconds", 0.0))
        meter.peak_elsewhere = max(meter.peak_elsewhere, int(answer.facts.get("peak_memory", 0)))

    def _fetched(
        self, worker: Handle, plan: ProgramPlan, result: TrialResult, kind: str
    ) -> SequenceClassifier:
        """A trial's parameters, which its worker holds until its next group."""
        arrays = self._workers.fetch(worker, "params", result.trial.number, kind).arrays
        like, structure = jax.tree.flatten(plan.task.model)
        leaves = [arrays.get(str(place)) for place in range(len(like))]
        for leaf, expected in zip(leaves, like, strict=True):
            if leaf is None or (leaf.shape, leaf.dtype) != (expected.shape, expected.dtype):
                raise DamagedAnswerError("they are of another model")
        return jax.tree.unflatten(structure, leaves)

    def _lose(self, worker: Handle, why: str, blamed: bool = True) -> None:
        """A worker is lost, or of no use."""
        held = len(worker.held)
        those = f"; {plural(held, 'trial')} of it run again" if held else ""
        say(f"Lost a worker on {worker.node.name} ({why}){those}.")
        worker.why, worker.blamed = why, blamed
        self._workers.drop(worker, why, blamed)
        self._reclaim()

    def _reclaim(self) -> None:
        """What workers had in hand that have ended goes to others."""
        for worker in self._workers.gone():
            assert worker.program is not None
            held, worker.held = worker.held, []
            if often := self._hand_out.lost(worker.program, held, worker.blamed):
                raise UserError(
                    f"Trial {often[0]} has ended {MOST_LOSSES} workers, the last on"
                    f" {worker.node.name} ({worker.why}); what was finished is kept, and the same"
                    " command goes on."
                )

    def _watch(self) -> None:
        """Shows who is at work and who is slow; gives up who has been silent for very long."""
        workers, now = self._workers, time.monotonic()
        slow = []
        for worker in [each for each in workers.all if each.held]:
            assert worker.program is not None
            silent = now - worker.asked_at
            usual = self._usual.of(worker.program, self._steps(worker.program))
            if usual is None:
                continue
            if silent > max(SILENT * usual, LEAST_SILENCE):
                self._lose(worker, f"it has been silent for {duration(silent)}")
            elif silent > SLOW * max(usual, 1.0):
                slow.append(worker.node.name)
        parts = [plural(len(workers.all), "worker")]
        if workers.lost:
            parts.append(f"{workers.lost} lost")
        if slow:
            parts.append(f"slow: {listed(dict.fromkeys(slow))}")
        self._results.progress.aside = ", ".join(parts)
