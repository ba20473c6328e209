"""The records of a group so far: enough to repeat them after a restart, and to end the group."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jaxtune.core.metrics import merit, metric_of
from jaxtune.core.records import Recorder, StepRecords

# Steps per report of a replay: a report holds a norm for every step, the records only logged ones.
STEPS_PER_REPORT = 256
ANSWERS = "answers/"  # before the name of a further set, in a checkpoint


@dataclasses.dataclass
class GroupRecords:
    """Losses, logged gradient norms and evaluations of a group's trials, from step 0 on.

    Trials are known by their place in the group. A trial that was stopped goes on computing beside
    the others: its losses from then on are not its own, its evaluation stays the last one.
    """

    log_every: int
    eval_every: int = 1  # steps
    until: int | None = None  # where a trial ends that nothing stops; None is after all steps here
    losses: list[np.ndarray] = dataclasses.field(default_factory=list)  # [trial, step] each
    norms: list[np.ndarray] = dataclasses.field(default_factory=list)  # [trial, logged, norm] each
    evaluated: list[int] = dataclasses.field(default_factory=list)  # updates before each evaluation
    scores: list[list[dict[str, float]]] = dataclasses.field(default_factory=list)
    logits: np.ndarray | None = None  # [trial, example, label] of the last evaluation
    finite: np.ndarray | None = None  # [trial], whether every parameter has been at each evaluation
    # Further sets by name: [trial, example, label] where each trial ended.
    answers: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    stopped: dict[int, int] = dataclasses.field(default_factory=dict)  # place -> steps taken
    out_of_patience: set[int] = dataclasses.field(default_factory=set)  # of them
    seconds: float = 0.0  # of the whole group, in this process and in earlier ones

    @property
    def num_steps(self) -> int:
        """Steps that the group has taken."""
        return sum(part.shape[1] for part in self.losses)

    def steps_taken(self, place: int) -> int:
        """Steps of a trial: all of the group's, unless it was stopped."""
        return self.stopped.get(place, self.num_steps)

    def running(self, num_trials: int) -> list[int]:
        """Places of the trials that were not stopped."""
        return [place for place in range(num_trials) if place not in self.stopped]

    def stop(self, places: Iterable[int], out_of_patience: bool = False) -> None:
        """These trials end here, just after an evaluation, with what they have reached."""
        own = dict.fromkeys(places, self.num_steps)
        self.stopped |= own
        if out_of_patience:
            self.out_of_patience |= own.keys()

    def add_steps(self, start: int, records: StepRecords) -> None:
        """Steps `start`, `start + 1`, ... in order."""
        steps = np.arange(start, start + records.loss.shape[1])
        self.losses.append(records.loss)
        self.norms.append(records.norms[:, steps % self.log_every == 0])

    def add_evaluation(
        self, step: int, scores: list[dict[str, float]], logits: np.ndarray, finite: np.ndarray
    ) -> None:
        """Scores per trial after `step` updates; `finite` says whose parameters are."""
        if self.logits is not None and self.finite is not None:
            over = list(self.stopped)
            finite, logits = self.finite & finite, np.array(logits)
            finite[over], logits[over] = self.finite[over], self.logits[over]
            scores = [
                self.scores[-1][place] if place in self.stopped else own
                for place, own in enumerate(scores)
            ]
        self.evaluated.append(step)
        self.scores.append(scores)
        self.logits, self.finite = logits, finite

    def add_answers(self, name: str, logits: np.ndarray) -> None:
        """What the trials answer to a further set; of those that ended before, it stays."""
        if name in self.answers:
            over, logits = list(self.stopped), np.array(logits)
            logits[over] = self.answers[name][over]
        self.answers[name] = logits

    def all_losses(self) -> np.ndarray:
        """[trial, step]."""
        return np.concatenate(self.losses, axis=1)

    def all_norms(self) -> np.ndarray:
        """[trial, logged, norm]."""
        return np.concatenate(self.norms, axis=1)

    def best(self, score: str, chosen_by: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Each trial's score at its best evaluation by that or another score, of equals the first,
        and the updates before it; else nan, 0. Only evaluations that count are looked at.
        """
        where, scored = self._best_evaluation(chosen_by or score, self._counts())
        best = np.where(scored, self._table(score)[where, np.arange(len(where))], np.nan)
        return best, np.where(scored, np.array(self.evaluated)[where], 0)

    def waited(self, chosen_by: str, after: np.ndarray | int = 0) -> np.ndarray:
        """Evaluations of each trial that count since its best one; all where none has a score.

        Those within its first `after` steps [trial] are left out, as if they had not been.
        """
        counts = self._counts() & (np.array(self.evaluated)[:, None] > after)
        where, scored = self._best_evaluation(chosen_by, counts)
        so_far = np.cumsum(counts, axis=0)
        return so_far[-1] - np.where(scored, so_far[where, np.arange(len(where))], 0)

    def _best_evaluation(self, score: str, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The place of each trial's best evaluation of those that count [evaluation, trial], and
        whether it has any.
        """
        merits = merit(self._table(score), metric_of(score).higher_is_better)
        # What does not count is no better than no score, which nan is, too.
        merits = np.where(counts, merits, -np.inf)
        return merits.argmax(axis=0), merits.max(axis=0) > -np.inf

    def _counts(self) -> np.ndarray:
        """Which evaluations are a trial's own [evaluation, trial]: each after `eval_every` steps,
        and that where it ends. Another is for the choice of who is stopped early: who is not is to
        end as in a sweep that stops nobody.
        """
        steps = np.array(self.evaluated)[:, None]
        end = self.num_steps if self.until is None else self.until
        ends = [self.stopped.get(place, end) for place in range(len(self.scores[0]))]
        return (steps % self.eval_every == 0) | (steps == ends)

    def _table(self, score: str) -> np.ndarray:
        """[evaluation, trial]"""
        return np.array([[scores[score] for scores in row] for row in self.scores])

    def replay(
        self,
        recorders: Sequence[Recorder],
        trials: Sequence[int],
        rates: np.ndarray,
        names: tuple[str, ...],
    ) -> None:
        """Repeats all to recorders that know nothing yet, with the learning rates [trial, step]."""
        if not self.losses:
            return
        loss, logged = self.all_losses(), self.all_norms()
        norms = np.zeros((*loss.shape, len(names)), np.float32)
        norms[:, :: self.log_every] = logged
        places_by_end: dict[int, list[int]] = {}
        for place in range(len(trials)):
            places_by_end.setdefault(self.steps_taken(place), []).append(place)
        for end, places in places_by_end.items():
            numbers = [trials[place] for place in places]
            for start in range(0, end, STEPS_PER_REPORT):
                steps = np.s_[places, start : min(start + STEPS_PER_REPORT, end)]
                report = StepRecords(loss[steps], rates[steps], norms[steps], names, repeated=True)
                for recorder in recorders:
                    recorder.steps(numbers, start, report)
            for step, scores in zip(self.evaluated, self.scores, strict=True):
                for recorder in recorders if step <= end else ():
                    recorder.evaluation(numbers, step, [scores[place] for place in places])

    def take(self, places: Sequence[int]) -> "GroupRecords":
        """The records of the trials at some places, in the order given."""
        order = list(places)
        return dataclasses.replace(
            self,
            losses=[part[order] for part in self.losses],
            norms=[part[order] for part in self.norms],
            scores=[[row[place] for place in order] for row in self.scores],
            logits=None if self.logits is None else self.logits[order],
            finite=None if self.finite is None else self.finite[order],
            answers={name: logits[order] for name, logits in self.answers.items()},
            stopped={
                new: self.stopped[old] for new, old in enumerate(order) if old in self.stopped
            },
            out_of_patience={new for new, old in enumerate(order) if old in self.out_of_patience},
        )

    def as_arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint; `from_arrays` reads it back."""
        names = list(self.scores[0][0]) if self.scores else []
        table = [[[scores[name] for name in names] for scores in row] for row in self.scores]
        arrays: dict[str, Any] = {
            "loss": self.all_losses(),
            "norms": self.all_norms(),
            "evaluated": np.array(self.evaluated, np.int64),
            "metrics": np.array(names, np.str_),
            "scores": np.array(table, np.float64),
            "stopped": np.array(list(self.stopped.items()), np.int64).reshape(-1, 2),
            "out_of_patience": np.array(sorted(self.out_of_patience), np.int64),
            "seconds": np.array(self.seconds),
        }
        if self.logits is not None and self.finite is not None:
            arrays |= {"logits": self.logits, "finite": self.finite}
        return arrays | {f"{ANSWERS}{name}": logits for name, logits in self.answers.items()}

    @classmethod
    def from_arrays(
        cls, log_every: int, arrays: dict[str, np.ndarray], eval_every: int = 1
    ) -> "GroupRecords":
        """What `as_arrays` gave."""
        names = arrays["metrics"].tolist()
        scores = [
            [dict(zip(names, values, strict=True)) for values in row]
            for row in arrays["scores"].tolist()
        ]
        return cls(
            log_every=log_every,
            eval_every=eval_every,
            losses=[arrays["loss"]],
            norms=[arrays["norms"]],
            evaluated=arrays["evaluated"].tolist(),
            scores=scores,
            logits=arrays.get("logits"),
            finite=arrays.get("finite"),
            answers={
                name.removeprefix(ANSWERS): logits
                for name, logits in arrays.items()
                if name.startswith(ANSWERS)
            },
            stopped=dict(arrays["stopped"].tolist()),
            out_of_patience=set(arrays["out_of_patience"].tolist()),
            seconds=float(arrays["seconds"]),
        )
