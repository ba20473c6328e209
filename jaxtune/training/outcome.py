"""A group that has ended to its trials' results."""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jaxtune.config.trials import Trial
from jaxtune.core.failure import is_constant_prediction
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.group_records import GroupRecords
from jaxtune.training.prepare import Prepared


@dataclasses.dataclass
class TrialResult:
    """What one trial has reached."""

    trial: Trial
    num_steps: int  # taken
    learnt_nothing: bool  # and was stopped early for it
    final: dict[str, float]
    best: float
    best_step: int
    train_loss: float
    trivial: float
    diverged: bool
    constant_prediction: bool
    seconds: float
    logits: np.ndarray  # float32 [example, label]
    answers: dict[str, np.ndarray]  # the same of further sets, by name
    further: dict[str, float]  # their scores, as NAME/METRIC
    params: dict[str, SequenceClassifier]  # none of a trial that was stopped early


def saved_kinds(save_params: str) -> tuple[str, ...]:
    """Which parameters of a trial are saved."""
    return {"none": (), "all": ("final", "best")}.get(save_params, (save_params,))


def conclude(
    trials: Sequence[Trial],
    records: GroupRecords,
    task: Prepared,
    last_epoch: int,
    params: Mapping[str, SequenceClassifier],
) -> list[TrialResult]:
    """Results of a group with its stacked `params`; `last_epoch` steps count for `train_loss`."""
    assert records.logits is not None
    assert records.finite is not None
    all_losses = records.all_losses()
    best, best_step = records.best(task.metrics[0])
    floor = task.trivial
    results = []
    for i, trial in enumerate(trials):
        losses, final = all_losses[i, : records.steps_taken(i)], records.scores[-1][i]
        answers = {name: logits[i] for name, logits in records.answers.items()}
        stopped = i in records.stopped
        result = TrialResult(
            trial=trial,
            num_steps=len(losses),
            learnt_nothing=stopped,
            final=final,
            best=float(best[i]),
            best_step=int(best_step[i]),
            train_loss=float(np.mean(losses[-last_epoch:])),
            trivial=floor,
            # A loss may overflow and come back, and parameters may break after the last loss.
            diverged=not (records.finite[i] and np.all(np.isfinite(losses))),
            constant_prediction=is_constant_prediction(records.logits[i]),
            seconds=records.seconds / len(trials),
            logits=records.logits[i],
            answers=answers,
            further=task.further_scores(records.logits[i], answers),
            params={
                name: jax.tree.map(lambda leaf, i=i: leaf[i], stack)
                for name, stack in ({} if stopped else params).items()
            },
        )
        results.append(result)
    return results
