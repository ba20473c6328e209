"""A config to what the programs need: tokens, row shapes, weights, plan of the evaluation."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig, mitigations_of
from jaxtune.core.entities import Sentences
from jaxtune.core.errors import UserError
from jaxtune.core.failure import trivial_floor
from jaxtune.core.metrics import HELD_OUT, evaluate
from jaxtune.core.words import plural
from jaxtune.data.class_weights import class_weights_of
from jaxtune.data.dataset import read_dataset
from jaxtune.data.packing import (
    Plan,
    Shape,
    batch_indices,
    choose_shape,
    make_plan,
    rows_needed,
)
from jaxtune.data.scoring import scoring_words
from jaxtune.data.token_table import TokenTable, compact, compact_beside
from jaxtune.models.encoder_config import EncoderConfig, Remat
from jaxtune.models.families import FAMILIES
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.pretrained import (
    load_classifier,
    locate,
    of_tokens,
    random_classifier,
    read_config,
    with_dropout,
)
from jaxtune.models.vocabulary import compact_embedding
from jaxtune.training.splits import read_splits
from jaxtune.training.trained_part import in_parts

EVAL_BATCH_SIZE = 64


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
        return _evaluated(self.dev, self.held_out)

    @property
    def chosen_by(self) -> str:
        """The score that says which evaluation of a trial is its best."""
        return self.metrics[0] if self.held_out is None else HELD_OUT + self.metrics[0]

    def scores(self, logits: np.ndarray) -> dict[str, float]:
        """Of dev logits `[example, label]` in the dev file's order, the primary metric first."""
        return self._scores_of(logits, self.dev)

    def _scores_of(self, logits: np.ndarray, table: TokenTable) -> dict[str, float]:
        about = (table.labels, self.positive, self._sentences_of(table))
        return evaluate(self.metrics, logits, *about)

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
            for name, pair in scored.items()
            for metric, score in self._scores_of(*pair).items()
        }


def prepare(
    config: SweepConfig, platform: str | None = None, trials: Iterable[SweepConfig] = ()
) -> Prepared:
    """Everything that does not depend on a seed, as suits a platform (by default JAX's own).

    Raises UserError for input that cannot be used.

    Args:
        trials: configs with the traced values that `config` may lack, for what must fit the data.
    """
    assert config.model is not None
    folder = locate(config.model, config.revision)
    encoder_config, _ = read_config(folder)
    platform = platform or jax.default_backend()
    on_cpu = platform == "cpu"
    encoder_config = dataclasses.replace(
        with_dropout(encoder_config, config.dropout),
        dtype=config.precision,
        remat=config.remat or remat_of(platform),
        attention=config.attention,
    )
    if config.token_classification:
        encoder_config = of_tokens(encoder_config)
    _check_attention(encoder_config, platform)
    dataset = read_dataset(config)
    (train, dev, *rest), further, reading = read_splits(config, dataset, folder, encoder_config)
    _check_usable(config, train)
    trials = list(trials)
    for own in {(each.class_weights, each.label_smoothing): each for each in trials}.values():
        class_weights_of(own, train.labels, dataset.task.label_names)
    kept_words = np.arange(encoder_config.vocab_size, dtype=np.int32)
    if config.compact_vocabulary:
        padding = encoder_config.pad_token_id
        counted = encoder_config.positions == "counted"
        (train, dev, *rest), kept_words = compact([train, dev, *rest], padding if counted else 0)
        # A model knows padding by its id, which ModernBERT has behind all words.
        own_id = int(np.searchsorted(kept_words, padding))
        encoder_config = dataclasses.replace(encoder_config, pad_token_id=own_id)
    held_out = rest[0] if rest else None
    further, further_words = compact_beside(further, kept_words)
    labels = dataset.task.num_labels
    if config.random_weights:
        start = random_classifier(encoder_config, labels)
    else:
        start = load_classifier(folder, encoder_config, labels)
    # On the host: a grid of eight programs would keep eight models on the first device.
    model, frozen = in_parts(
        jax.device_get(compact_embedding(start.model, kept_words)),
        config,
        max((each.lora_rank for each in trials), default=config.lora_rank),
    )
    width = encoder_config.hidden_size
    evaluated = _evaluated(dev, held_out)
    eval_shape, eval_plan = plan_evaluation(evaluated, width, config.packing, on_cpu)
    return Prepared(
        metrics=dataset.task.metrics,
        positive=dataset.task.positive,
        num_labels=labels,
        classes=dataset.task.label_names,
        reading=reading,
        train=train,
        dev=dev,
        held_out=held_out,
        shape=choose_shape(train.lengths, config.batch_size, width, config.packing, on_cpu),
        eval_shape=eval_shape,
        eval_plan=eval_plan,
        model=model,
        frozen=frozen,
        fresh=start.fresh,
        notes=start.notes,
        full_embedding=np.asarray(jax.device_get(start.model.encoder.word.embedding[...])),
        kept_words=kept_words,
        further={
            name: Asked(
                table,
                plan_evaluation(table, width, config.packing, on_cpu)[1],
                _ids(table, dataset.further[name].ids),
                dataset.further[name].labelled,
            )
            for name, table in further.items()
        },
        further_words=further_words,
        dev_parts=dataset.dev_parts,
    )


def _ids(table: TokenTable, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Of everything that has a row of logits."""
    return ids if table.begins is None else tuple(table.word_names(ids))


def _evaluated(dev: TokenTable, held_out: TokenTable | None) -> TokenTable:
    return dev if held_out is None else dev.followed_by(held_out)


def remat_of(platform: str) -> Remat:
    """What the backward pass computes again by default.

    On a GPU or TPU, by the model, to keep less is faster (docs/performance.md); on CPU drawing
    masks again gained nothing (benchmarks/README.md).
    """
    return "none" if platform == "cpu" else "elementwise"


def _check_attention(encoder: EncoderConfig, platform: str) -> None:
    """Raises UserError where the attention kernel cannot be had."""
    if encoder.attention != "kernel":
        return
    if platform == "cpu":
        raise UserError("attention is 'kernel', which a CPU has not; leave it out there.")
    if not encoder.plain_scores:
        title = FAMILIES[encoder.family].title
        raise UserError(
            f"attention is 'kernel', which does not compute that of {title}; leave it out."
        )
    size = encoder.hidden_size // encoder.num_heads
    if size < 16 or size & (size - 1):  # the kernel's products are of blocks of a power of two
        raise UserError(
            f"attention is 'kernel', but the model's heads are {size} wide and it takes 16, 32, 64,"
            " ...; leave it out."
        )


def with_length_in_use(settings: Settings) -> Settings:
    """The settings with each max_length as the model has positions for it: what is recorded is what
    was done. Raises UserError where two swept lengths become the same.
    """
    assert settings.base.model is not None
    most = read_config(locate(settings.base.model, settings.base.revision))[0].max_length

    def fitted(config: SweepConfig) -> SweepConfig:
        return dataclasses.replace(config, max_length=min(config.max_length, most))

    grid = dict(settings.grid)
    if "max_length" in grid:
        grid["max_length"] = tuple(min(length, most) for length in grid["max_length"])
        if len(set(grid["max_length"])) < len(grid["max_length"]):
            swept = ", ".join(map(str, settings.grid["max_length"]))
            raise UserError(
                f"grid.max_length is {swept}, but the model has {most} positions, so that several"
                " would be the same; give at most that, once."
            )
    return Settings(fitted(settings.base), grid, tuple(map(fitted, settings.arms)))


def check_depth(config: SweepConfig, encoder: EncoderConfig) -> None:
    """Raises UserError where a mitigation counts blocks that the model does not have."""
    by_block = [m for m in mitigations_of(config) if m in ("layerwise_lr_decay", "reinit_layers")]
    if by_block and encoder.shared_block:
        raise UserError(
            f"{by_block[0]} is {getattr(config, by_block[0])}, but ALBERT's blocks share their"
            " weights; leave it out."
        )
    if config.reinit_layers > encoder.num_layers:
        raise UserError(
            f"reinit_layers is {config.reinit_layers}, but the model has"
            f" {plural(encoder.num_layers, 'block')}; give at most that."
        )


def _check_usable(config: SweepConfig, train: TokenTable) -> None:
    """Raises UserError for training examples that no trial learns anything from, or that leave
    nothing to order.

    A batch of fewer examples than asked for is legal mathematics, and the last one of an epoch is
    one. But where every batch is the whole set, the data order, whose effect is being measured, has
    none: more likely a slip.
    """
    if config.batch_size > len(train):
        raise UserError(
            f"batch_size {config.batch_size} is larger than the"
            f" {plural(len(train), 'training example')}; give at most that."
        )
    if len(np.unique(train.labels, axis=0)) < 2:
        raise UserError(
            f"The training examples that subset_seed {config.subset_seed} draws ({len(train)}) have"
            " a single label; give more train_examples or another subset_seed."
        )


def plan_evaluation(
    split: TokenTable, hidden_size: int, packed: bool, any_width: bool = True
) -> tuple[Shape, Plan]:
    """A split in its own order, every example once, in equal batches of rows."""
    shape, batches = in_order(split, hidden_size, packed, any_width)
    return shape, make_plan(split, batches, shape)


def in_order(
    table: TokenTable, hidden_size: int, packed: bool = True, any_width: bool = True
) -> tuple[Shape, np.ndarray]:
    """Equal batches of rows that hold a table in its own order, and the batches."""
    size = min(EVAL_BATCH_SIZE, len(table))
    batches = batch_indices(np.arange(len(table)), size)
    shape = choose_shape(table.lengths, size, hidden_size, packed, any_width)
    most = int(rows_needed(table, batches, shape).max())
    return shape._replace(ladder=(most,)), batches
