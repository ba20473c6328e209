"""What contradicts what in a sweep's settings, and which values are out of range."""

import dataclasses
import math
import os
import struct

from jaxtune.config.field_groups import PATH_FIELDS, further_files
from jaxtune.config.settings import GLUE, SUPERGLUE, TASKS, SweepConfig
from jaxtune.config.text_values import BALANCED, MOST_TRIALS, class_weight_list, seed_list
from jaxtune.config.validate_adapters import check_adapters
from jaxtune.config.validate_averages import check_averages
from jaxtune.config.validate_custom import CUSTOM_FIELDS, check_custom
from jaxtune.config.validate_links import check_links
from jaxtune.config.validate_places import check_places
from jaxtune.core.errors import UserError

LONGEST_NAME = 255  # of a file or folder on common disks
# Far above any training: the order of a trial's examples is laid out for all of its steps.
MOST = {
    "num_seeds": MOST_TRIALS,
    "max_seeds": MOST_TRIALS,
    "num_epochs": 10_000,
    "max_steps": 10_000_000,
}
SMALLEST = 2.0**-126  # of float32's normal numbers


def check(config: SweepConfig) -> None:
    """What is out of range, missing or contradictory, as one sentence each."""
    _check_counts(config)
    _check_task(config)
    _check_seeds(config)
    _check_looks(config)
    _check_recipe(config)
    check_adapters(config)
    check_links(config)
    check_averages(config)
    check_places(config)


def _check_counts(config: SweepConfig) -> None:
    positive = ("num_seeds", "max_seeds", "num_epochs", "batch_size", "max_length", "log_every")
    optional = (
        "max_steps",
        "eval_every",
        "train_examples",
        "trials_per_device",
        "checkpoint_every",
        "keep_trials",
        "patience",
    )
    for name in (*positive, *optional):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise UserError(f"{name} is {value}; give a number of at least 1.")
    for name, most in MOST.items():
        value = getattr(config, name)
        if value is not None and value > most:
            raise UserError(f"{name} is {value}; give at most {most:,}.")
    if config.early_stop is not None and not 0.0 < config.early_stop < 1.0:
        raise UserError(
            f"early_stop is {config.early_stop}; give a share of the training between 0 and 1, or"
            " null for no stop."
        )
    if config.keep_trials is not None and config.early_stop is None:
        raise UserError(
            "keep_trials is given without early_stop; say when to choose them, such as --early_stop"
            " 0.3."
        )
    _check_patience(config)
    for name in ("subset_seed", "dev_fraction_seed"):
        if getattr(config, name) < 0:
            raise UserError(f"{name} is {getattr(config, name)}; give a number of at least 0.")
    if config.dev_fraction is not None and not 0.0 < config.dev_fraction < 1.0:
        raise UserError(
            f"dev_fraction is {config.dev_fraction}; give a share of the training examples between"
            " 0 and 1, or null to hold none out."
        )
    if config.stratify and config.train_examples is None:
        raise UserError(
            "stratify is given without train_examples; say how many examples the subset has, or"
            " leave it out."
        )


def _check_patience(config: SweepConfig) -> None:
    if config.patience is None:
        return
    if config.keep_trials is not None:
        raise UserError(
            "patience and keep_trials are both given; a trial stops by one of them: leave the other"
            " out."
        )
    if config.save_params in ("final", "all"):
        # Its lane goes on with the others of the group.
        raise UserError(
            f"save_params is {config.save_params!r}, but with patience the last parameters of a"
            " trial that has stopped are not kept; give best or none."
        )


def _check_task(config: SweepConfig) -> None:
    for name, value in dataclasses.asdict(config).items():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str) and "\0" in one:
                raise UserError(f"{name} is {one!r}; take the NUL out.")
            if isinstance(one, str) and not _is_unicode(one):
                raise UserError(f"{name} is {one!r}, which is no UTF-8; give another name.")
    paths = {name: getattr(config, name) or "" for name in PATH_FIELDS}
    for name, path in paths.items():
        if path in ("None", "none"):  # of a script, most likely, that had none to give
            raise UserError(
                f"{name} is {path!r}; give null for none, or ./{path} for a folder of that name."
            )
    for name, path in (paths | further_files(config)).items():
        parts = os.fsencode(path).split(b"/")
        if max(map(len, parts)) > LONGEST_NAME:
            raise UserError(
                f"{name} has a part of more than {LONGEST_NAME} bytes; give a shorter one."
            )
    if not config.model or not config.task:
        missing = "task" if config.model else "model"
        raise UserError(f"{missing} is not given; model and task go together.")
    if config.task not in TASKS:
        raise UserError(f"The task {config.task!r} is unknown; accepted are {', '.join(TASKS)}.")
    if config.task == "custom":
        check_custom(config)
        return
    if config.task in SUPERGLUE and config.data_dir is None:
        raise UserError(
            f"Task {config.task} needs --data_dir: the folder with SuperGLUE's own, where"
            " train.jsonl and val.jsonl lie."
        )
    if config.predict_test and config.task not in (*GLUE, *SUPERGLUE):
        raise UserError(
            f"predict_test is given, but task {config.task} has no test split; leave it out."
        )
    default = SweepConfig()
    for name in CUSTOM_FIELDS:
        if getattr(config, name) != getattr(default, name):
            raise UserError(
                f"{name} is given, which task {config.task} does not read; give --task custom or"
                " leave it out."
            )


def _is_unicode(text: str) -> bool:
    """Else a path has bytes that stand for no character, and no file could name it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_seeds(config: SweepConfig) -> None:
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
    given = (config.seeds, config.init_seeds, config.order_seeds, config.dropout_seeds)
    trials = math.prod(len(seed_list(seeds)) for seeds in given if seeds is not None)
    if trials > MOST_TRIALS:
        raise UserError(f"The seeds make {trials:,} trials; give at most {MOST_TRIALS:,}.")


def _check_looks(config: SweepConfig) -> None:
    """Of a sweep that adds seeds until its verdict is decided."""
    if not config.until_decided:
        if config.max_seeds != SweepConfig.max_seeds:
            raise UserError(
                f"max_seeds is {config.max_seeds}, which is read with until_decided alone; give"
                " --until_decided true too, or num_seeds."
            )
        return
    for name in ("seeds", "init_seeds", "keep_trials"):
        if getattr(config, name) is not None:
            raise UserError(
                f"until_decided and {name} are both given, and it adds seeds of its own; leave"
                " one of them out."
            )
    if config.num_seeds >= config.max_seeds:
        raise UserError(
            f"until_decided begins with num_seeds {config.num_seeds} and ends at max_seeds"
            f" {config.max_seeds}; give a smaller num_seeds or a larger max_seeds."
        )


def _check_recipe(config: SweepConfig) -> None:
    """Ranges of the real numbers, as the float32 values that the program gets."""
    for name in ("learning_rate", "adam_eps", "max_grad_norm"):
        value = getattr(config, name)
        # What is smaller than a normal number is 0 on a device, and 0 / 0 in Adam's step.
        if value is not None and not SMALLEST <= _float32(value) < math.inf:
            above = "1.2e-38, the smallest float32" if 0 < value < 1 else 0
            off = ", or null for no clipping" if name == "max_grad_norm" else ""
            raise UserError(f"{name} is {value}; give a finite number above {above}{off}.")
    if not 0.0 <= _float32(config.weight_decay) < math.inf:
        raise UserError(
            f"weight_decay is {config.weight_decay}; give a finite number of at least 0."
        )
    if not 0.0 <= config.warmup_ratio <= 1.0:
        raise UserError(
            f"warmup_ratio is {config.warmup_ratio}; give a share of all steps, from 0 to 1."
        )
    rates = ("adam_b1", "adam_b2", "ema_decay", "dropout", "mixout", "label_smoothing")
    for name in rates:
        value = getattr(config, name)
        if value is not None and not 0.0 <= _float32(value) < 1.0:
            raise UserError(f"{name} is {value}; give a rate from 0 up to, but not including, 1.")
    if not 0.0 <= _float32(config.pretrained_decay) < math.inf:
        raise UserError(f"pretrained_decay is {config.pretrained_decay}; give 0 (off) or more.")
    if not 0.0 < _float32(config.layerwise_lr_decay) <= 1.0:
        raise UserError(
            f"layerwise_lr_decay is {config.layerwise_lr_decay}; give a factor above 0 and up to 1"
            " (off)."
        )
    if config.reinit_layers < 0:
        raise UserError(f"reinit_layers is {config.reinit_layers}; give a number of blocks, or 0.")
    _check_class_weights(config.class_weights)


def _check_class_weights(text: str | None) -> None:
    if text is None or text == BALANCED:
        return
    for weight in class_weight_list(text):
        if not 0.0 < _float32(weight) < math.inf:
            raise UserError(
                f"class_weights is {text!r}, which holds {weight}; give finite numbers above 0."
            )


def _float32(value: float) -> float:
    """The nearest float32, infinite where there is none."""
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
