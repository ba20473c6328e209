"""A group that has ended to its trials' results."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import jax
import numpy as np

from jaxtune.config.trials import Trial
from jaxtune.core.failure import is_constant_prediction
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.group_records import GroupRecords
from jaxtune.training.prepared import Prepared


@dataclasses.dataclass
class TrialResult:
    """What one trial has reached."""

    trial: Trial
    num_steps: int  # taken
    stopped_by: Literal["learnt_nothing", "patience"] | None
    final: dict[str, float]
    best: float  # on the dev set, whatever chose it
    best_step: int
    held_out_best: float | None  # what chose it, where examples are held out
    train_loss: float
    trivial: float
    diverged: bool
    constant_prediction: bool
    seconds: float
    logits: np.ndarray  # float32 [example, label]
    answers: dict[str, np.ndarray]  # the same of further sets, by name
    further: dict[str, float]  # their scores, as NAME/METRIC
    params: dict[str, SequenceClassifier]  # none of a trial that has learnt nothing


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
    best, best_step = records.best(task.metrics[0], task.chosen_by)
    held_out = None if task.held_out is None else records.best(task.chosen_by)[0]
    floor = task.trivial
    results = []
    for i, trial in enumerate(trials):
        losses, final = all_losses[i, : records.steps_taken(i)], records.scores[-1][i]
        answers = {name: logits[i] for name, logits in records.answers.items()}
        stopped_by = None
        if i in records.stopped:
            stopped_by = "patience" if i in records.out_of_patience else "learnt_nothing"
        result = TrialResult(
            trial=trial,
            num_steps=len(losses),
            stopped_by=stopped_by,
            final=final,
            best=float(best[i]),
            best_step=int(best_step[i]),
            held_out_best=None if held_out is None else float(held_out[i]),
            train_loss=float(np.mean(losses[-last_epoch:])),
            trivial=floor,
            # A loss may overflow and come back, and parameters may break after the last loss.
            diverged=not (records.finite[i] and np.all(np.isfinite(losses))),
            constant_prediction=is_constant_prediction(records.logits[i], task.several_labels),
            seconds=records.seconds / len(trials),
            logits=records.logits[i],
            answers=answers,
            further=task.further_scores(records.logits[i], answers),
            params={
                name: jax.tree.map(lambda leaf, i=i: leaf[i], stack)
                for name, stack in ({} if stopped_by == "learnt_nothing" else params).items()
            },
        )
        results.append(result)
    return results
