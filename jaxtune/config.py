"""Every setting of a sweep, once: its name, type, default and help; YAML files and flags are the same names.

Later wins: defaults, then each `--config` in order, then flags. YAML is turned into flags, so types, unknown keys and
lists are checked by one parser (and `2e-5`, which YAML 1.1 reads as a string, becomes a number).
"""

import dataclasses
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from jaxtune.errors import UserError

QUICKSTART = Path(__file__).parent / "miniature" / "quickstart.yaml"
GLUE = ("rte", "mrpc", "cola", "qnli", "sst2", "stsb", "wnli", "mnli", "qqp")
TASKS = (*GLUE, "custom", "miniature")


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """Fine-tunes many seeds of BERT, RoBERTa or ALBERT in one compiled program and reports how stable the recipe is.

    Any field may also be swept: `--grid.learning_rate 1e-5 2e-5 --grid.bias_correction true false` runs every combination,
    each with every seed. `--config FILE.yaml` (repeatable) sets fields from files. With no --config, --model or --task the
    packaged quickstart runs, offline.
    """

    model: str | None = None
    """Hugging Face folder or hub id of a BERT, RoBERTa or ALBERT checkpoint; `miniature` is the packaged one."""
    task: str | None = None
    """rte, mrpc, cola, qnli, sst2, stsb, wnli, mnli, qqp, custom (CSV or JSONL files), or the packaged miniature."""
    out: str | None = None
    """Folder for the results (default: runs/TASK-MODEL); the same command goes on where it stopped."""

    # Data
    data_dir: str | None = None
    """Folder with classic GLUE folders (RTE/train.tsv ...); without it the hub's nyu-mll/glue is used."""
    train_file: str | None = None
    """Training file of task custom: .csv, .tsv or .jsonl."""
    dev_file: str | None = None
    """Development file of task custom."""
    text_columns: tuple[str, ...] = ("text",)
    """One or two text columns of task custom."""
    label_column: str = "label"
    """Label column of task custom."""
    regression: bool = False
    """Task custom predicts a number instead of a class."""
    train_examples: int | None = None
    """Train on a random subset of this size."""
    subset_seed: int = 0
    """Which random subset `train_examples` draws."""
    max_length: int = 128
    """Longest sequence in tokens; longer ones are cut, longest sentence first."""
    use_token_types: bool = True
    """Tell sentence A from B by token types; false repeats the paper's code, which dropped them."""
    packing: bool = True
    """Lay several sequences side by side in a row; false pads one sequence per row. Same mathematics."""

    # Seeds
    num_seeds: int = 32
    """Trials per arm, with seeds 0, 1, ...; each seeds initialisation, data order and dropout."""
    seeds: str | None = None
    """Explicit seeds instead, such as 0-31,77."""
    init_seeds: str | None = None
    """With order_seeds: crossed design, every initialisation with every data order."""
    order_seeds: str | None = None
    """See init_seeds."""
    dropout_seeds: str | None = None
    """Third factor of a crossed design; by default dropout is seeded with the order seed."""

    # Optimiser (AdamW)
    learning_rate: float = 2e-5
    """Peak learning rate."""
    bias_correction: bool = True
    """Adam's bias correction; false is BERT's original optimiser."""
    num_epochs: int = 3
    """Passes over the training set."""
    max_steps: int | None = None
    """Optimiser steps; overrides num_epochs."""
    batch_size: int = 16
    """Examples per step."""
    warmup_ratio: float = 0.1
    """Share of all steps with a linearly rising learning rate."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Learning rate after the warm-up."""
    weight_decay: float = 0.01
    """Decoupled; not on biases and LayerNorm."""
    adam_b1: float = 0.9
    """Decay of the first moment."""
    adam_b2: float = 0.999
    """Decay of the second moment; the paper's RoBERTa runs use 0.98."""
    adam_eps: float = 1e-6
    """Added to the uncorrected root of the second moment."""
    max_grad_norm: float | None = 1.0
    """Clip gradients to this L2 norm; null is off."""
    clip_per_tensor: bool = False
    """Clip every tensor by itself, as the original BERT optimiser did."""
    dropout: float | None = None
    """All dropout rates; null keeps the checkpoint's own."""

    # Running and recording
    eval_every: int | None = None
    """Steps between evaluations on the dev set; null is once an epoch. The end is always evaluated."""
    log_every: int = 10
    """Steps between records of loss, learning rate and gradient norms."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the matrix products; parameters and moments stay float32."""
    trials_per_device: int | None = None
    """Trials stacked on each device; null chooses: one on CPU, what fits in memory elsewhere."""
    save_params: Literal["none", "best", "final", "all"] = "none"
    """Which parameters of each trial to keep in OUT/params; all is best and final."""
    random_weights: bool = False
    """Take only the architecture from the model folder's config.json, with random weights."""
    dry_run: bool = False
    """Print the plan (trials, steps, tokens, parameters) and stop."""
    overwrite: bool = False
    """Replace the results that OUT holds."""


# Traced values: trials that differ only in these share one compiled program.
TRACED_FIELDS = (
    "learning_rate",
    "bias_correction",
    "adam_b1",
    "adam_b2",
    "adam_eps",
    "weight_decay",
    "max_grad_norm",
    "warmup_ratio",
)
SEED_FIELDS = ("num_seeds", "seeds", "init_seeds", "order_seeds", "dropout_seeds")
# About the command and not about the results: a resumed sweep may differ in them.
COMMAND_FIELDS = ("out", "dry_run", "overwrite")
# Flags take YAML's spelling of these, which tyro does not know.
YAML_WORDS = {"true": "True", "false": "False", "null": "None"}
_APART = ("save_params", "trials_per_device", "model", "task", "text_columns")
_NOT_SWEPT = (*SEED_FIELDS, *COMMAND_FIELDS, *_APART)


@dataclasses.dataclass(frozen=True)
class Settings:
    """A parsed command: the base settings, the swept values as given, and one config per arm."""

    base: SweepConfig
    grid: dict[str, tuple[Any, ...]]
    arms: tuple[SweepConfig, ...]

    def as_yaml(self) -> str:
        """The resolved config: `--config` of this text repeats the sweep."""
        values: dict[str, Any] = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self.base).items()
            if name not in COMMAND_FIELDS
        }
        if self.grid:
            values["grid"] = {name: list(swept) for name, swept in self.grid.items()}
        return yaml.safe_dump(values, sort_keys=False)


def parse(argv: Sequence[str]) -> Settings:
    """Command line to settings; raises UserError for contradictions and exits with status 2 on wrong usage."""
    argv, files = _take_configs([_spelled(word) for word in argv])
    last = _take_grid(argv)
    if not files and not _names(last[0]) & {"model", "task"}:
        files = [QUICKSTART]
    flags: list[str] = []
    grid: dict[str, list[str]] = {}
    for more_flags, more_grid in [*map(_read_yaml, files), last]:
        flags += more_flags
        # Later wins: a plain value ends what an earlier source swept.
        grid = {name: grid[name] for name in grid if name not in _names(more_flags)} | more_grid
    base = _parse_flags(flags)
    choices = [[f"--{name}={value}" for value in values] for name, values in grid.items()]
    arms = tuple(_parse_flags([*flags, *choice]) for choice in itertools.product(*choices))
    swept = {name: tuple(dict.fromkeys(getattr(arm, name) for arm in arms)) for name in grid}
    settings = Settings(base, swept, tuple(dict.fromkeys(arms)))
    for arm in settings.arms:
        _check(arm)
    return settings


def seed_list(text: str) -> tuple[int, ...]:
    """`0-31,77` to numbers, in the order given and without repeats; raises UserError for anything else."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if not match:
            raise UserError(
                f"Seeds {text!r} cannot be read at {part!r}; give numbers and ranges such as 0-31,77."
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UserError(
                f"Seeds {text!r} hold the empty range {part!r}; give the smaller number first."
            )
        if last >= 2**32:
            raise UserError(f"Seeds {text!r} hold {last}; the largest seed is {2**32 - 1}.")
        seeds |= dict.fromkeys(range(first, last + 1))
    return tuple(seeds)


def _spelled(word: str) -> str:
    """A word of the command line with YAML's true, false and null as tyro spells them, after `=` too."""
    head, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return head + equals + YAML_WORDS.get(value, value)


def _names(flags: list[str]) -> set[str]:
    return {word[2:].split("=")[0].replace("-", "_") for word in flags if word.startswith("--")}


def _parse_flags(flags: list[str]) -> SweepConfig:
    import tyro

    return tyro.cli(
        SweepConfig,
        args=flags,
        prog="python -m jaxtune.sweep",
        use_underscores=True,
        config=(tyro.conf.FlagConversionOff,),
    )


def _take_configs(argv: list[str]) -> tuple[list[str], list[Path]]:
    """Splits `--config FILE ...` off (several files may follow one flag, and the flag may repeat)."""
    rest: list[str] = []
    files: list[Path] = []
    taking = False
    for word in argv:
        if word.startswith("-"):
            taking = word == "--config"
            if word.startswith("--config="):
                files.append(Path(word.split("=", 1)[1]))
            elif not taking:
                rest.append(word)
        elif taking:
            files.append(Path(word))
        else:
            rest.append(word)
    if "--config" in argv and not files:
        raise UserError("--config has no file; give one or more YAML files after it.")
    return rest, files


def _take_grid(argv: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Splits `--grid.FIELD v1 v2 ...` off."""
    rest: list[str] = []
    grid: dict[str, list[str]] = {}
    values: list[str] = rest
    for word in argv:
        if word.startswith("--grid."):
            name, _, value = word.removeprefix("--grid.").partition("=")
            values = grid.setdefault(_swept_field(name), [value] if value else [])
        elif word.startswith("--"):
            values = rest
            rest.append(word)
        else:
            values.append(word)
    _check_values(grid)
    return rest, grid


def _check_values(grid: dict[str, list[str]]) -> None:
    for name, values in grid.items():
        if not values:
            raise UserError(
                f"--grid.{name} has no values; give them after it, such as --grid.{name} 1 2."
            )


def _swept_field(name: str) -> str:
    name = name.replace("-", "_")
    fields = [field.name for field in dataclasses.fields(SweepConfig)]
    if name not in fields or name in _NOT_SWEPT:
        accepted = ", ".join(field for field in fields if field not in _NOT_SWEPT)
        raise UserError(f"--grid.{name} is no field that can be swept; accepted are {accepted}.")
    return name


def _read_yaml(file: Path) -> tuple[list[str], dict[str, list[str]]]:
    """A config file as flags and a grid."""
    try:
        loaded = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(
            f"The config file {file} cannot be read: {' '.join(str(error).split())}."
        ) from error
    if not isinstance(loaded, dict) or not isinstance(loaded.get("grid") or {}, dict):
        raise UserError(f"The config file {file} is no mapping of field names to values.")
    grid = {}
    for name, values in (loaded.pop("grid", None) or {}).items():
        words = map(str, values if isinstance(values, list) else [values])
        grid[_swept_field(str(name))] = list(words)
    _check_values(grid)
    flags: list[str] = []
    for name, value in loaded.items():
        several = isinstance(value, list)
        flags += [f"--{name}", *map(str, value)] if several else [f"--{name}={value}"]
    return flags, grid


def _check(config: SweepConfig) -> None:
    """Contradictions between fields, as one sentence each."""
    positive = ("num_seeds", "num_epochs", "batch_size", "max_length", "log_every")
    optional = ("max_steps", "eval_every", "train_examples", "trials_per_device")
    for name in (*positive, *optional):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise UserError(f"{name} is {value}; give a number of at least 1.")
    if config.model is None or config.task is None:
        missing = "model" if config.model is None else "task"
        raise UserError(
            f"--{missing} is not given; --model and --task go together (python -m jaxtune.sweep --help)."
        )
    if config.task not in TASKS:
        raise UserError(f"The task {config.task!r} is unknown; accepted are {', '.join(TASKS)}.")
    if config.task == "custom" and not (config.train_file and config.dev_file):
        raise UserError("Task custom needs --train_file and --dev_file.")
    if (config.init_seeds is None) != (config.order_seeds is None):
        raise UserError(
            "init_seeds and order_seeds are crossed with each other; give both or neither."
        )
    if config.seeds is not None and config.init_seeds is not None:
        raise UserError("seeds and init_seeds contradict each other; give one of them.")
    if config.dropout_seeds is not None and config.init_seeds is None:
        raise UserError(
            "dropout_seeds belong to a crossed design; give init_seeds and order_seeds too."
        )
    if not 0.0 <= config.warmup_ratio <= 1.0:
        raise UserError(
            f"warmup_ratio is {config.warmup_ratio}; give a share of all steps, from 0 to 1."
        )
    if config.dropout is not None and not 0.0 <= config.dropout < 1.0:
        raise UserError(
            f"dropout is {config.dropout}; give a rate from 0 up to, but not including, 1."
        )
    for seeds in (config.seeds, config.init_seeds, config.order_seeds, config.dropout_seeds):
        if seeds is not None:
            seed_list(seeds)
