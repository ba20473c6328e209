"""One task and model, ready to train."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxtune.config.settings import SweepConfig
from jaxtune.core.entities import Sentences
from jaxtune.core.failure import trivial_floor
from jaxtune.core.metrics import HELD_OUT, evaluate, scorable
from jaxtune.data.class_weights import class_weights_of
from jaxtune.data.packing import Plan, Shape
from jaxtune.data.scoring import scoring_words
from jaxtune.data.token_table import TokenTable
from jaxtune.models.heads import SequenceClassifier


@dataclasses.dataclass(frozen=True)
class Asked:
    """A further set as the programs take it: what trials answer after their last step.

    Words that training does not keep are numbered after those that it does.
    """

    tokens: TokenTable
    plan: Plan  # in file order
    ids: tuple[str, ...]
    labelled: bool


@dataclasses.dataclass(frozen=True)
class Prepared:
    """One task and model, ready to train; shared by all trials of a program."""

    metrics: tuple[str, ...]  # primary first
    positive: int  # the class that F1 is of
    num_labels: int
    classes: tuple[str, ...] | None  # in the order of the logits; None for regression
    reading: dict[str, Any]  # what was read of the data
    train: TokenTable
    dev: TokenTable
    held_out: TokenTable | None  # of the training examples, to choose by
    shape: Shape  # of training batches
    eval_shape: Shape
    eval_plan: Plan  # `evaluated` in order
    # What a trial trains, and what all share as it is: on the host, with the embedding rows in use.
    model: SequenceClassifier
    frozen: SequenceClassifier
    fresh: tuple[str, ...]  # modules of the head without pre-trained weights
    notes: tuple[str, ...]  # sentences on how the checkpoint was understood
    full_embedding: np.ndarray  # all rows, for giving the unused ones back
    kept_words: np.ndarray  # ids of the rows in use
    further: Mapping[str, Asked]  # by name
    further_words: np.ndarray  # ids of the rows that only they use
    dev_parts: Mapping[str, np.ndarray]  # examples of the dev set that are scored apart, too

    @property
    def several_labels(self) -> bool:
        """Whether a text may have any number of labels."""
        return self.dev.labels.ndim == 2

    @property
    def num_layers(self) -> int:
        """Blocks of the encoder."""
        return self.model.encoder.config.num_layers

    @property
    def sentences(self) -> Sentences | None:
        """Of the dev set, where every word has a label."""
        return self._sentences_of(self.dev)

    @property
    def sentence_lengths(self) -> np.ndarray | None:
        """Labelled words of each dev sentence."""
        return None if self.sentences is None else self.sentences.lengths

    def _sentences_of(self, table: TokenTable) -> Sentences | None:
        if table.begins is None or self.classes is None:
            return None
        return Sentences(self.classes, table.num_words)

    @property
    def trivial(self) -> float:
        """The score of the best constant prediction, by the primary metric."""
        about = (self.dev.labels, self.num_labels, self.positive, self.sentences)
        return trivial_floor(self.metrics[0], *about)

    @property
    def scoring(self) -> str:
        """What trials are scored by, in words."""
        about = (self.metrics, self.positive, self.classes)
        of_words = self.sentences is not None
        return scoring_words(*about, self.dev.labels, self.trivial, of_words)

    def class_weights(self, config: SweepConfig) -> np.ndarray:
        """What each class counts in the loss of a trial, float32 [label]."""
        return class_weights_of(config, self.train.labels, self.classes)

    @property
    def evaluated(self) -> TokenTable:
        """What an evaluation gives logits for: the dev set, then the held-out examples."""
        return evaluated_of(self.dev, self.held_out)

    @property
    def chosen_by(self) -> str:
        """The score that says which evaluation of a trial is its best."""
        return self.metrics[0] if self.held_out is None else HELD_OUT + self.metrics[0]

    def scores(self, logits: np.ndarray) -> dict[str, float]:
        """Of dev logits `[example, label]` in the dev file's order, the primary metric first."""
        return self._scores_of(logits, self.dev)

    def _scores_of(
        self, logits: np.ndarray, table: TokenTable, metrics: Sequence[str] | None = None
    ) -> dict[str, float]:
        about = (table.labels, self.positive, self._sentences_of(table))
        return evaluate(metrics or self.metrics, logits, *about)

    def all_scores(self, logits: np.ndarray) -> dict[str, float]:
        """Of the logits of all that is `evaluated`: the dev set's scores, then those held out."""
        count = len(self.dev.labels)
        scores = self.scores(logits[:count])
        if self.held_out is None:
            return scores
        found = self._scores_of(logits[count:], self.held_out)
        return scores | {HELD_OUT + name: score for name, score in found.items()}

    def further_scores(
        self, dev_logits: np.ndarray, answers: Mapping[str, np.ndarray]
    ) -> dict[str, float]:
        """Of the parts of the dev set, and of the logits of further sets by name, where they have
        labels; as `NAME/METRIC`.
        """
        scored = {name: (dev_logits[at], self.dev.take(at)) for name, at in self.dev_parts.items()}
        for name, asked in self.further.items():
            if asked.labelled:
                scored[name] = (answers[name], asked.tokens)
        return {
            f"{name}/{metric}": score
            for name, (logits, table) in scored.items()
            if (metrics := scorable(self.metrics, table.labels))
            for metric, score in self._scores_of(logits, table, metrics).items()
        }


def evaluated_of(dev: TokenTable, held_out: TokenTable | None) -> TokenTable:
    return dev if held_out is None else dev.followed_by(held_out)
