"""Settings to trials, and trials to groups that run as one program."""

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxtune.config.field_groups import (
    AVERAGES,
    COMMAND_FIELDS,
    FURTHER_FIELDS,
    INPUT_FIELDS,
    LINKS,
    LOSS_FIELDS,
    OWNED,
    SEED_FIELDS,
    TRACED_FIELDS,
    changed,
    head_first,
    mitigations_of,
    plain,
)
from jaxtune.config.looks import looks
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.config.text_values import Shard, seed_list
from jaxtune.core.errors import UserError
from jaxtune.core.files import shortest_ends
from jaxtune.core.words import spelled

if TYPE_CHECKING:  # for `--help` and the report, which do without JAX
    from jax.typing import ArrayLike


class Hyper(NamedTuple):
    """One trial's settings of optimiser and loss; every field may be traced and may differ between
    trials. All but the class weights are scalars.
    """

    learning_rate: "ArrayLike"  # peak
    bias_correction: "ArrayLike"  # bool
    adam_b1: "ArrayLike"
    adam_b2: "ArrayLike"
    adam_eps: "ArrayLike"
    weight_decay: "ArrayLike"
    max_grad_norm: "ArrayLike"  # infinity switches clipping off
    warmup_ratio: "ArrayLike"  # share of all steps
    # Mitigations, each compiled in only where it is used (`config.field_groups.MITIGATIONS`).
    mixout: "ArrayLike" = 0.0  # probability of the weights that a step puts back
    pretrained_decay: "ArrayLike" = 0.0  # towards the starting parameters
    layerwise_lr_decay: "ArrayLike" = 1.0  # factor per block from the head down
    reinit_layers: "ArrayLike" = 0  # top blocks drawn anew
    # Of the loss, compiled in only where a trial uses it (`config.field_groups.LOSS_FIELDS`).
    class_weights: "ArrayLike" = 1.0  # [label]; or of all
    label_smoothing: "ArrayLike" = 0.0  # share of the label that all classes get
    # Links of Adam, compiled in only where a trial uses one (`config.field_groups.LINKS`).
    correct_first: "ArrayLike" = True  # bool: which moments `bias_correction` corrects
    correct_second: "ArrayLike" = True  # bool
    correct_eps: "ArrayLike" = False  # bool: eps times sqrt(1 - b2^t)
    second_moment_init: "ArrayLike" = 0.0  # in squares of the first gradient
    untuned_warmup: "ArrayLike" = False  # bool
    update_clipping: "ArrayLike" = False  # bool
    rectify: "ArrayLike" = False  # bool
    # Averages of the weights, of which a program whose trials use none has nothing.
    ema_decay: "ArrayLike" = 0.0
    average_last: "ArrayLike" = 0  # steps
    # Of adapters, of which a program without any has nothing.
    lora_rank: "ArrayLike" = 0  # columns of A that are not zero
    lora_scale: "ArrayLike" = 1.0  # of what adapters add
    lora_b_lr_ratio: "ArrayLike" = 1.0  # learning rate of B over that of all else
    # Of steps in which the head alone is trained, compiled in only where a trial may have some.
    head_ratio: "ArrayLike" = 0.0  # share of all steps
    head_learning_rate: "ArrayLike" = 0.0  # peak of those


@dataclasses.dataclass(frozen=True)
class Seeds:
    """The three random streams of a trial; where they are crossed `seed` counts within the arm."""

    seed: int
    init_seed: int
    order_seed: int
    dropout_seed: int


@dataclasses.dataclass(frozen=True)
class Trial:
    """One fine-tuning run: `number` counts over the sweep, `arm` is a readable name."""

    number: int
    arm: str
    seeds: Seeds
    config: SweepConfig

    @property
    def hyper(self) -> Hyper:
        """The traced settings; no clipping is an infinite bound. The class weights are those of a
        trial without, for they depend on the data (`jaxtune.data.class_weights`).
        """
        values = {name: getattr(self.config, name) for name in TRACED_FIELDS}
        for name in ("class_weights", "lora_alpha", "use_rslora"):
            del values[name]
        corrected = values.pop("correct_moments")
        values["correct_first"] = corrected in ("both", "first")
        values["correct_second"] = corrected in ("both", "second")
        values["lora_scale"] = lora_scale(self.config)
        if not head_first(self.config):
            values["head_ratio"] = 0.0
        if values["head_learning_rate"] is None:
            values["head_learning_rate"] = self.config.learning_rate
        if values["max_grad_norm"] is None:
            values["max_grad_norm"] = np.inf
        return Hyper(**values)

    @property
    def settings(self) -> dict[str, Any]:
        """Every hyper-parameter, as written beside the trial's result, which names the metric."""
        values = dataclasses.asdict(self.config)
        apart = ("model", "task", "metric", "positive_class")
        named_apart = (*SEED_FIELDS, *COMMAND_FIELDS, *apart)
        return {name: value for name, value in values.items() if name not in named_apart}


def identities(trials: Sequence[Trial]) -> np.ndarray:
    """What tells each trial from one of other seeds or settings: uint8 `[trial, 32]`.

    Where model and data lie does not count, and what is asked after the last step: these may change
    while a sweep is stopped.
    """
    found = [np.frombuffer(_identity(trial), np.uint8) for trial in trials]
    return np.stack(found) if found else np.zeros((0, 32), np.uint8)


def _identity(trial: Trial) -> bytes:
    apart = {*INPUT_FIELDS, *FURTHER_FIELDS}
    settings = {name: value for name, value in trial.settings.items() if name not in apart}
    text = json.dumps([dataclasses.asdict(trial.seeds), settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).digest()


def lora_scale(config: SweepConfig) -> float:
    """What adapters are multiplied by: alpha / r (Hu et al., 2022), or alpha / sqrt(r), with which
    the size of a step does not shrink with the rank (Kalajdzievski, 2023); 1 without adapters.
    """
    if not config.lora_rank:
        return 1.0
    rank = math.sqrt(config.lora_rank) if config.use_rslora else config.lora_rank
    return config.lora_alpha / rank


def merged_config(config: SweepConfig) -> SweepConfig:
    """The config of a model whose adapters are merged into its weights: that of full tuning."""
    return plain(config, ("train", "lora_rank", *OWNED["lora_rank"]))


def seeds_of(config: SweepConfig) -> tuple[Seeds, ...]:
    """The seeds of an arm: one number for all three streams, or every combination of a crossed
    design.

    In a crossed design dropout follows the data order unless `dropout_seeds` are given, as in Dodge
    et al. (2020).
    """
    if config.init_seeds is None or config.order_seeds is None:
        own = range(looks(config)[-1]) if config.seeds is None else seed_list(config.seeds)
        return tuple(Seeds(seed, seed, seed, seed) for seed in own)
    crossed = [
        (init, order, dropout)
        for init in seed_list(config.init_seeds)
        for order in seed_list(config.order_seeds)
        for dropout in (seed_list(config.dropout_seeds) if config.dropout_seeds else (order,))
    ]
    return tuple(Seeds(number, *streams) for number, streams in enumerate(crossed))


def arm_name(config: SweepConfig, grid: dict[str, tuple[Any, ...]]) -> str:
    """What tells an arm from others: `learning_rate=2e-05 bias_correction=true`; else `all`."""
    named = [f"{name}={shown(name, getattr(config, name), swept)}" for name, swept in grid.items()]
    return " ".join(named) or "all"


def shown(name: str, value: Any, swept: Sequence[Any]) -> str:
    """A swept value as it is typed; a path by the end that tells it from the others, so that an arm
    is called the same wherever its files lie.
    """
    if value is None or name not in INPUT_FIELDS:
        return spelled(value)
    places = [Path(path).absolute() for path in swept if path is not None]
    return shortest_ends(places)[places.index(Path(value).absolute())]


def make_trials(settings: Settings) -> tuple[Trial, ...]:
    """All seeds x arms, numbered seed by seed, so that more seeds keep the numbers and a shard has
    a part of every arm.
    """
    pairs = itertools.product(seeds_of(settings.base), settings.arms)
    return tuple(
        Trial(number, arm_name(arm, settings.grid), seeds, arm)
        for number, (seeds, arm) in enumerate(pairs)
    )


def trials_of(trials: Sequence[Trial], shard: Shard) -> Sequence[Trial]:
    """The trials of a shard: whole seeds of every arm, so that a part is a part of every arm; one
    by one where there are more shards than seeds. The parts differ by one seed, or trial, at most.

    Raises UserError where there are more shards than trials.
    """
    if shard.count > len(trials):
        raise UserError(
            f"shard is {shard.number}/{shard.count}, and the sweep has {len(trials)} trials; give"
            " no more parts than that."
        )
    seeds = len({trial.seeds for trial in trials})
    unit = len(trials) // seeds if shard.count <= seeds else 1
    units = len(trials) // unit
    first, end = (part * units // shard.count * unit for part in (shard.number - 1, shard.number))
    return trials[first:end]


def program_config(config: SweepConfig) -> SweepConfig:
    """The config with traced values and seeds removed: trials that agree in it share one compiled
    program.

    A mitigation in use stays, with a strength of -1 for any: trials without it run the program that
    has none of its arithmetic, so that their numbers do not depend on what the sweep's other arms
    use. Adapters stay so, too: the program has the largest rank of its trials. What PiSSA leaves of
    a frozen layer goes by the rank, which then stays.
    """
    defaults = dataclasses.asdict(SweepConfig())
    shared: dict[str, Any] = {name: defaults[name] for name in (*TRACED_FIELDS, *SEED_FIELDS)}
    shared |= {name: type(defaults[name])(-1) for name in mitigations_of(config)}
    if config.lora_rank:
        shared["lora_rank"] = config.lora_rank if config.lora_init == "pissa" else -1
    return dataclasses.replace(config, **shared)


def loss_fields(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Of LOSS_FIELDS, those that any of the trials uses."""
    return _in_use(LOSS_FIELDS, trials)


def links_of(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Of LINKS, those that any of the trials uses."""
    return _in_use(LINKS, trials)


def averages(trials: Sequence[Trial]) -> bool:
    """Whether any of the trials is evaluated by an average of its weights."""
    return bool(_in_use(AVERAGES, trials))


def _in_use(fields: Sequence[str], trials: Sequence[Trial]) -> tuple[str, ...]:
    return tuple(name for name in fields if any(changed(trial.config, (name,)) for trial in trials))


def waves(trials: tuple[Trial, ...], group_size: int) -> list[tuple[Trial, ...]]:
    """Groups of at most `group_size` trials, run one after another by the same program."""
    return [trials[start : start + group_size] for start in range(0, len(trials), group_size)]
