"""A finished group to its trials' results."""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jaxtune.config.trials import Trial
from jaxtune.core.metrics import has_failed, is_constant_prediction, trivial_floor
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.history import Journal
from jaxtune.training.prepare import Prepared


@dataclasses.dataclass
class TrialResult:
    """One finished trial."""

    trial: Trial
    num_steps: int  # taken
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


def conclude(
    trials: Sequence[Trial],
    journal: Journal,
    task: Prepared,
    last_epoch: int,
    params: Mapping[str, SequenceClassifier],
) -> list[TrialResult]:
    """Results of a group; `train_loss` is the mean over the last `last_epoch` steps, `params` are
    stacked over trials.
    """
    assert journal.logits is not None
    assert journal.finite is not None
    metric = task.metrics[0]
    losses = journal.all_losses()
    best, best_step = journal.best(metric)
    floor = trivial_floor(metric, task.dev.labels, task.num_labels)
    return [
        TrialResult(
            trial=trial,
            num_steps=losses.shape[1],
            final=journal.scores[-1][i],
            best=float(best[i]),
            best_step=int(best_step[i]),
            train_loss=float(np.mean(losses[i, -last_epoch:])),
            trivial=floor,
            failed=has_failed(journal.scores[-1][i][metric], floor),
            diverged=not (journal.finite[i] and np.all(np.isfinite(losses[i]))),
            constant_prediction=is_constant_prediction(journal.logits[i]),
            seconds=journal.seconds / len(trials),
            logits=journal.logits[i],
            params={
                name: jax.tree.map(lambda leaf, i=i: leaf[i], stack)
                for name, stack in params.items()
            },
        )
        for i, trial in enumerate(trials)
    ]
