"""What a group has told so far, kept on the host: enough to tell it again after a restart, and to
end the group.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxtune.core.records import Recorder, StepRecords

# Steps that are told again at once: gradient norms are dense only for as many.
STEPS_PER_REPORT = 256


@dataclasses.dataclass
class Journal:
    """Losses, logged gradient norms and evaluations of a group's trials, from step 0 on."""

    log_every: int
    losses: list[np.ndarray] = dataclasses.field(default_factory=list)  # [trial, step] each
    norms: list[np.ndarray] = dataclasses.field(default_factory=list)  # [trial, logged, norm] each
    evaluated: list[int] = dataclasses.field(default_factory=list)  # updates before each evaluation
    scores: list[list[dict[str, float]]] = dataclasses.field(default_factory=list)
    logits: np.ndarray | None = None  # [trial, example, label] of the last evaluation
    finite: np.ndarray | None = None  # [trial]
    seconds: float = 0.0  # spent by earlier processes

    def add_steps(self, start: int, records: StepRecords) -> None:
        """Steps `start`, `start + 1`, ... in order."""
        steps = np.arange(start, start + records.loss.shape[1])
        self.losses.append(records.loss)
        self.norms.append(records.norms[:, steps % self.log_every == 0])

    def add_evaluation(
        self, step: int, scores: list[dict[str, float]], logits: np.ndarray, finite: np.ndarray
    ) -> None:
        """Scores per trial after `step` updates; `finite` says whose parameters are."""
        self.evaluated.append(step)
        self.scores.append(scores)
        self.logits = logits
        self.finite = finite if self.finite is None else self.finite & finite

    def all_losses(self) -> np.ndarray:
        """[trial, step]."""
        return np.concatenate(self.losses, axis=1)

    def all_norms(self) -> np.ndarray:
        """[trial, logged, norm]."""
        return np.concatenate(self.norms, axis=1)

    def best(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Each trial's best score and the updates before it (the first, of equals); -inf and 0
        where none is a number.
        """
        table = np.array([[scores[metric] for scores in row] for row in self.scores])
        table = np.where(np.isnan(table), -np.inf, table)
        where = table.argmax(axis=0)
        best = table.max(axis=0)
        return best, np.where(best > -np.inf, np.array(self.evaluated)[where], 0)

    def part(self, place: int) -> "Journal":
        """What concerns one of the trials; the seconds are its share."""
        own = slice(place, place + 1)
        return Journal(
            self.log_every,
            [losses[own] for losses in self.losses],
            [norms[own] for norms in self.norms],
            list(self.evaluated),
            [row[own] for row in self.scores],
            None if self.logits is None else self.logits[own],
            None if self.finite is None else self.finite[own],
            self.seconds / len(self.scores[0]),
        )

    @classmethod
    def joined(cls, journals: Sequence["Journal"]) -> "Journal":
        """Trials that took the same steps, and were scored after the same ones, as one group."""
        first = journals[0]
        return cls(
            first.log_every,
            [np.concatenate([each.all_losses() for each in journals])],
            [np.concatenate([each.all_norms() for each in journals])],
            list(first.evaluated),
            [
                [scores for row in rows for scores in row]
                for rows in zip(*(each.scores for each in journals), strict=True)
            ],
            np.concatenate([each.logits for each in journals if each.logits is not None]),
            np.concatenate([each.finite for each in journals if each.finite is not None]),
            sum(each.seconds for each in journals),
        )

    def replay(
        self,
        recorders: Sequence[Recorder],
        trials: Sequence[int],
        rates: np.ndarray,
        names: tuple[str, ...],
    ) -> None:
        """Tells recorders that know nothing yet all of it; `rates` [trial, step] are the learning
        rates.
        """
        if not self.losses:
            return
        loss, logged = self.all_losses(), self.all_norms()
        norms = np.zeros((*loss.shape, len(names)), np.float32)
        norms[:, :: self.log_every] = logged
        for start in range(0, loss.shape[1], STEPS_PER_REPORT):
            part = slice(start, min(start + STEPS_PER_REPORT, loss.shape[1]))
            report = StepRecords(loss[:, part], rates[:, part], norms[:, part], names)
            for recorder in recorders:
                recorder.steps(trials, start, report)
        for step, scores in zip(self.evaluated, self.scores, strict=True):
            for recorder in recorders:
                recorder.evaluation(trials, step, scores)

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
            "seconds": np.array(self.seconds),
        }
        if self.logits is not None and self.finite is not None:
            arrays |= {"logits": self.logits, "finite": self.finite}
        return arrays

    @classmethod
    def from_arrays(cls, log_every: int, arrays: dict[str, np.ndarray]) -> "Journal":
        """What `as_arrays` gave."""
        names = arrays["metrics"].tolist()
        scores = [
            [dict(zip(names, values, strict=True)) for values in row]
            for row in arrays["scores"].tolist()
        ]
        return cls(
            log_every=log_every,
            losses=[arrays["loss"]],
            norms=[arrays["norms"]],
            evaluated=arrays["evaluated"].tolist(),
            scores=scores,
            logits=arrays.get("logits"),
            finite=arrays.get("finite"),
            seconds=float(arrays["seconds"]),
        )
