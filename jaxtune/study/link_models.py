"""The models of the study `correction`, of equal pre-training, and its plan in numbers."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.core.words import plural
from jaxtune.data.miniature.task import TRAIN_EXAMPLES
from jaxtune.data.packing import steps_per_epoch
from jaxtune.study.context import Study
from jaxtune.study.link_arms import PLAIN, PRODUCTS, Product
from jaxtune.study.miniatures import held_out_scores, make_model, pretraining, weight_scale

AFTER, BEFORE = "norms after", "norms before"
NORMS = {"bert": AFTER, "roberta": AFTER, "albert": AFTER, "modernbert": BEFORE}
# One family of each kind, which runs every link and the shallower depth.
LINKED = ("bert", "modernbert")
# Lower than those that made the packaged BERT: with them an ALBERT stops learning.
LEARNING_RATES = (1.5e-3, 7e-4, 5e-4)
# Nats of held-out loss above the median, from which on a model has not learnt what others have.
MOST_ABOVE = 0.2
# What two cores of an AMD EPYC took for a BERT of 24 layers (docs/quickstart.md): 1,394 trials of
# 189 steps an hour, and about two minutes for a pre-training of 3,700 steps.
DEPTH, STEP_SECONDS, PRETRAINING_SECONDS = 24, 3600 / 1394 / 189, 120 / 3700


class Wanted(NamedTuple):
    """A model to pre-train."""

    family: str
    seed: int
    layers: int

    @property
    def name(self) -> str:
        """Of its folder, by which its sweeps are told apart."""
        return f"{self.family}-{self.seed}-layers-{self.layers:02d}"


class Model(NamedTuple):
    """A pre-trained model."""

    wanted: Wanted
    folder: str
    loss: float  # held out, nats
    scale: float  # root mean square of its matrices


class Runs(NamedTuple):
    """Arms that a model's sweep runs."""

    name: str
    product: Product
    b2: tuple[float, ...]


def wanted_models(study: Study) -> list[Wanted]:
    """Every family at the full depth, those of LINKED at the depth before it too."""
    *_, shallow, deep = study.config.depth_layers
    seeds = range(study.config.pretrainings)
    return [
        *(Wanted(family, seed, deep) for family in NORMS for seed in seeds),
        *(Wanted(family, seed, shallow) for family in LINKED for seed in seeds),
    ]


def runs_of(study: Study, wanted: Wanted) -> list[Runs]:
    """The sweeps of a model."""
    if wanted.layers < study.config.depth_layers[-1]:
        return [Runs("plain", PLAIN, (SweepConfig.adam_b2,))]
    names = [*PRODUCTS] if wanted.family in LINKED else [*PRODUCTS][:1]
    return [Runs(name, PRODUCTS[name], study.config.b2_values) for name in names]


def rates_of(study: Study, family: str) -> tuple[float, ...]:
    """Learning rates, from nothing learnt to divergence."""
    config = study.config
    return config.pre_norm_rates if NORMS[family] == BEFORE else config.post_norm_rates


def plan_words(study: Study) -> str:
    """What is going to be run, and about how long that takes."""
    config, wanted = study.config, wanted_models(study)
    steps = config.num_epochs * steps_per_epoch(
        config.train_examples or TRAIN_EXAMPLES, SweepConfig.batch_size
    )
    depths = [model.layers for model in wanted]
    trials = [_num_trials(study, model) for model in wanted]
    seconds = sum(
        number * steps * STEP_SECONDS * layers / DEPTH
        for number, layers in zip(trials, depths, strict=True)
    )
    of_pretraining = len(wanted) * sum(config.depth_steps)
    hours = (seconds + of_pretraining * PRETRAINING_SECONDS) / 3600
    models = " and ".join(
        f"{plural(depths.count(layers), 'model')} of {plural(layers, 'layer')}"
        for layers in sorted(set(depths), reverse=True)
    )
    return (
        f"Plan: {models}, each pre-trained for {sum(config.depth_steps):,} steps;"
        f" {plural(sum(trials), 'trial')} of {plural(steps, 'step')}. With {STEP_SECONDS * 1e3:.0f}"
        f" ms a step of a BERT of {DEPTH} layers and {PRETRAINING_SECONDS * 1e3:.0f} ms one of its"
        f" pre-training (two cores of an AMD EPYC) that is about {hours:.1f} h, compiling apart."
    )


def make_models(study: Study) -> list[Model]:
    """All of them, pre-trained if need be."""
    models = []
    for wanted in wanted_models(study):
        family, seed, layers = wanted
        settings = {"family": family, "seed": seed, "learning_rates": LEARNING_RATES}
        folder = make_model(study, pretraining(study, wanted.name, layers, **settings), wanted.name)
        loss, _ = held_out_scores(folder)
        models.append(Model(wanted, folder, loss, weight_scale(folder)))
    return models


def equal_ones(models: Sequence[Model]) -> tuple[list[Model], list[Model]]:
    """Models that have learnt what others have, and those that are left out."""
    deepest = max(model.wanted.layers for model in models)
    losses = [model.loss for model in models if model.wanted.layers == deepest]
    # A pre-training that diverged has a loss that is no number: it is left out, and moves nothing.
    finite = list(filter(math.isfinite, losses))
    if not finite:
        raise UserError("Every pre-training diverged; remove OUT/models and give smaller steps.")
    most = statistics.median(finite) + MOST_ABOVE
    kept = [model for model in models if model.loss <= most]
    return kept, [model for model in models if model not in kept]


def _num_trials(study: Study, wanted: Wanted) -> int:
    config = study.config
    arms = sum(len(runs.product.arms) * len(runs.b2) for runs in runs_of(study, wanted))
    seeds = config.exploration_seeds + config.fresh_seeds
    return arms * len(rates_of(study, wanted.family)) * seeds


def model_words(models: Sequence[Model]) -> str:
    """Held-out loss and scale of the weights of each."""
    return ", ".join(
        f"{Path(model.folder).name} {model.loss:.2f} ({model.scale:.3f})" for model in models
    )
