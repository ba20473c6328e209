"""Every setting of the studies: scale, not recipe. Laptop scale by default, the paper's by
configs/study/paper.yaml.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from jaxtune.config.yaml_files import converted, read_file
from jaxtune.core.errors import UserError
from jaxtune.core.fields import check_between, check_least, hints_of
from jaxtune.core.flags import build, read_flags

Figure = Literal[
    "baselines",
    "forgetting",
    "small_data",
    "gradient_norms",
    "bias_correction",
    "depth",
    "loss_surface",
    "generalization",
    "ablation",
    "training_curves",
    "correction",
    "all",
]


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """Repeats one experiment of the paper, or `all`: runs its sweeps, writes numbers, a finding and
    pictures.

    Without --config it runs at laptop scale, on the packaged miniature and offline. The same
    command goes on where it stopped, and studies in one --out share their sweeps. `--config
    FILE.yaml` (repeatable) sets any field below; flags come after and win.
    """

    figure: Figure = dataclasses.field(metadata={"positional": "FIGURE"})
    """Which experiment; `all` runs every one of the paper (not correction, which takes hours).
    OUT/study.html has what has been run so far.
    """
    out: Path
    """Folder for the sweeps, numbers and pictures."""
    smoke: bool = False
    """The smallest version: a few steps of a few seeds, through the same code."""
    dry_run: bool = False
    """Try a few steps of each sweep, print the plans and stop."""

    # What is fine-tuned
    model: str = "miniature"
    """BERT of every study: Hugging Face folder or hub id; `miniature` is the packaged one."""
    more_models: tuple[str, ...] = ()
    """Further models of bias_correction and gradient_norms, such as RoBERTa and ALBERT."""
    tasks: tuple[str, ...] = ("miniature",)
    """Tasks of baselines; the others take the first."""
    small_tasks: tuple[str, ...] = ()
    """Tasks of small_data; without any, those of baselines."""
    data_dir: str | None = None
    """Folder with classic GLUE folders; without it the hub's are used."""
    random_weights: bool = False
    """Take only the architecture from the models' config.json: to check a plan where no weights are
    at hand.
    """
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the matrix products."""
    train_examples: int | None = None
    """Train on a random subset of this size; null is the whole training set."""
    save_params: Literal["none", "final"] = "final"
    """Parameters of the default recipe's trials; forgetting and loss_surface need them."""

    # Recipes
    learning_rate: float = 3e-4
    """Of the default recipe, the one that fails."""
    num_epochs: int = 3
    """Of the default recipe."""
    stable_learning_rate: float = 1e-4
    """Of the recommended recipe."""
    stable_epochs: int = 20
    """Of the recommended recipe."""
    mixout: float = 0.9
    """Probability of the Mixout baseline, in place of dropout."""
    eval_every: int | None = 21
    """Steps between evaluations of the default recipe; the others are evaluated once an epoch."""

    log_every: int = 5
    """Steps between records of gradient norms of the default recipe."""

    # Seeds per arm
    num_seeds: int = 24
    """Default recipe."""
    mixout_seeds: int = 16
    """Mixout."""
    depth_seeds: int = 16
    """depth, but for the model that the default recipe's sweep has run."""
    stable_seeds: int = 8
    """Recommended recipe."""
    small_seeds: int = 8
    """small_data."""
    grid_seeds: int = 4
    """bias_correction: every learning rate of every arm; chosen on these."""
    held_out_seeds: int = 8
    """bias_correction: each arm at its chosen learning rate, with other seeds."""
    ablation_seeds: int = 2
    """ablation."""

    # small_data
    small_examples: int = 250
    """Size of the random subset."""

    # bias_correction
    learning_rates: tuple[float, ...] = (1e-4, 2e-4, 3e-4, 5e-4)
    """Of every arm."""
    second_b2: float = 0.98
    """The other Adam b2, RoBERTa's, given to the first model."""
    long_warmup: float = 0.5
    """Share of warm-up steps in the arm that has a longer warm-up in place of the correction."""

    # depth
    depth_layers: tuple[int, ...] = (4, 12, 24)
    """Depths to pre-train, each a larger multiple of the one before: it grows by stacking."""
    depth_steps: tuple[int, ...] = (2500, 500, 700)
    """Pre-training steps of the stages, one per depth and the same for each model."""
    depth_models: tuple[str, ...] = ()
    """Models of different depths to compare in place of three miniatures pre-trained here."""

    # correction (and depth_layers and depth_steps, of which it takes the two deepest)
    pretrainings: int = 3
    """Pre-training seeds of every family: 0, 1, ..."""
    post_norm_rates: tuple[float, ...] = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
    """Learning rates of models with norms after."""
    pre_norm_rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    """Learning rates of models with norms before."""
    b2_values: tuple[float, ...] = (0.98, 0.999)
    """Adam's b2."""
    exploration_seeds: int = 1
    """Of each model: they choose each arm's best learning rate."""
    fresh_seeds: int = 2
    """Of each model: they compare."""

    # ablation
    ablation_learning_rates: tuple[float, ...] = (1e-4, 2e-4, 3e-4)
    """Crossed with epochs and correction."""
    ablation_epochs: tuple[int, ...] = (3, 10, 20)
    """Crossed with learning rates and correction."""

    # forgetting
    shown_trials: int = 3
    """Failed, and successful, trials whose parameters are looked at; in loss_surface too."""
    text: str | None = None
    """Text file to hide words in, such as WikiText-2's wiki.test.raw; the miniature has its own."""
    text_length: int = 128
    """Longest piece of text in tokens."""
    text_sequences: int | None = None
    """Use the first so many pieces; null is all."""
    mask_rate: float = 0.15
    """Share of the words that are hidden."""
    mask_seed: int = 0
    """Decides which."""

    # loss_surface
    surface_low: float = -0.5
    """Lower end of both axes; the paper's is -1.5."""
    surface_high: float = 1.5
    """Upper end of both axes."""
    surface_points: int = 25
    """Points per axis."""
    surface_examples: int = 128
    """Training examples in file order, over which the loss is taken."""
    path_every: int = 3
    """Steps between points of the training paths."""

    # Drawing
    most_curves: int = 10
    """Trials of a kind that are drawn one by one."""


# Of the paper; `all` runs these.
FIGURES: tuple[str, ...] = Figure.__args__[:-2]  # type: ignore[attr-defined]
# Takes hours on a laptop, and asks what the paper does not.
CORRECTION = "correction"
_SMOKE: dict[str, Any] = {
    **{"train_examples": 64, "small_examples": 32, "num_epochs": 1, "stable_epochs": 2},
    **{"num_seeds": 3, "mixout_seeds": 2, "stable_seeds": 2, "small_seeds": 2, "grid_seeds": 2},
    **{"held_out_seeds": 2, "depth_seeds": 2, "ablation_seeds": 1, "eval_every": 2, "log_every": 1},
    **{"depth_layers": (1, 2), "depth_steps": (20, 10)},
    **{"ablation_epochs": (1, 2), "ablation_learning_rates": (1e-4, 3e-4)},
    **{"text_sequences": 50, "surface_points": 5, "surface_examples": 16, "path_every": 2},
    "learning_rates": (1e-4, 3e-4),
    **{"pretrainings": 1, "post_norm_rates": (1e-3, 1e-2), "pre_norm_rates": (1e-3, 1e-2)},
    **{"exploration_seeds": 1, "fresh_seeds": 1},
}


def parse(argv: Sequence[str]) -> StudyConfig:
    """A command line's settings; raises UsageError for wrong words, UserError for a bad file."""
    given = read_flags("study", StudyConfig, argv, {"config": tuple[Path, ...]})
    accepted = {name: hint for name, hint in hints_of(StudyConfig).items() if name != "figure"}
    values: dict[str, Any] = {}
    for file in given.pop("config", ()):
        values |= {e.name: converted(e, accepted) for e in read_file(file, accepted)}
    config = build(StudyConfig, values | given)
    check(config)
    return smoke(config) if config.smoke else config


def check(config: StudyConfig) -> None:
    """Raises UserError for what is out of range, before the first sweep; sweeps check their own."""
    counts = [name for name in hints_of(StudyConfig) if name.endswith(("_seeds", "_examples"))]
    check_least(config, 1, [*counts, "num_epochs", "stable_epochs", "ablation_epochs"])
    check_least(config, 1, ("pretrainings",))
    check_least(config, 1, ("depth_layers", "depth_steps", "eval_every", "log_every"))
    check_least(config, 1, ("shown_trials", "text_length", "text_sequences", "most_curves"))
    check_least(config, 1, ("surface_examples", "path_every"))
    check_least(config, 2, ("surface_points",))
    check_least(config, 0, ("mask_seed",))
    rates = ("learning_rate", "stable_learning_rate", "learning_rates", "ablation_learning_rates")
    check_between(config, 0, math.inf, (*rates, "post_norm_rates", "pre_norm_rates"))
    check_between(config, 0, 1, ("mask_rate", "mixout", "second_b2", "long_warmup", "b2_values"))
    _check_depths(config)
    if not config.surface_low < config.surface_high:
        raise UserError(
            f"surface_low is {config.surface_low} and surface_high {config.surface_high}; give the"
            " smaller number first."
        )


def _check_depths(config: StudyConfig) -> None:
    """There has to be a shallower model to compare a deeper one with."""
    layers = config.depth_layers
    grows = all(deep > low and deep % low == 0 for low, deep in itertools.pairwise(layers))
    if len(layers) < 2 or not grows:
        raise UserError(
            f"depth_layers is {' '.join(map(str, layers))}; give two depths or more, each a larger"
            " multiple of the one before."
        )
    if len({*config.depth_models}) == 1:
        raise UserError(
            f"depth_models is {' '.join(config.depth_models)}; give two different ones or more, or"
            " leave it out to compare miniatures that are pre-trained here."
        )


def check_text(config: StudyConfig) -> None:
    """Raises UserError where forgetting would have nothing to hide words in."""
    if config.model != "miniature" and config.text is None and not config.dry_run:
        raise UserError(
            f"forgetting needs text for {config.model}; give --text FILE, such as WikiText-2's"
            " wiki.test.raw."
        )


def smoke(config: StudyConfig) -> StudyConfig:
    """The smallest version of a study: what sets its size is replaced, whatever was given."""
    return dataclasses.replace(config, **_SMOKE)


def as_yaml(config: StudyConfig) -> str:
    """The settings as a --config file holds them."""
    apart = ("figure", "out", "dry_run", "smoke")
    values = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
        if name not in apart
    }
    return yaml.safe_dump(values, sort_keys=False)
