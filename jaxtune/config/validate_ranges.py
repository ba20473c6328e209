"""The range of every number among the settings."""

import math
import struct
from collections.abc import Callable

from jaxtune.config.settings import SweepConfig
from jaxtune.config.text_values import BALANCED, MOST_TRIALS, class_weight_list
from jaxtune.core.errors import UserError
from jaxtune.core.fields import check_least, each_given

SMALLEST = 2.0**-126  # of float32's normal numbers
MOST_RANK = 4096  # far above any published one: a mistyped rank is refused before it fills memory


def float32(value: float) -> float:
    """The nearest float32, which is what the program gets; infinite where there is none."""
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def _is_share(x: float) -> bool:
    return 0.0 < x < 1.0


def _is_rate(x: float) -> bool:
    return 0.0 <= float32(x) < 1.0


def _is_positive(x: float) -> bool:
    return 1e-30 < x < 1e30  # as float32, too


def _is_no_less_than_0(x: float) -> bool:
    return 0.0 <= float32(x) < math.inf


COUNTS = (
    *("num_seeds", "max_seeds", "num_epochs", "batch_size", "max_length", "log_every"),
    *("max_steps", "eval_every", "train_examples", "trials_per_device"),
    *("checkpoint_every", "keep_trials", "patience"),
)
_RATE = "a rate from 0 up to, but not including, 1"
# Fields, which numbers they take, and what to give instead of others; nan is never in range.
RANGES: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    # Far above any training: the order of a trial's examples is laid out for all of its steps.
    (("num_seeds", "max_seeds"), lambda n: n <= MOST_TRIALS, f"at most {MOST_TRIALS:,}"),
    (("num_epochs",), lambda n: n <= 10_000, "at most 10,000"),
    (("max_steps",), lambda n: n <= 10_000_000, "at most 10,000,000"),
    (("early_stop",), _is_share, "a share of the training between 0 and 1, or null for no stop"),
    (
        ("dev_fraction",),
        _is_share,
        "a share of the training examples between 0 and 1, or null to hold none out",
    ),
    (("weight_decay",), _is_no_less_than_0, "a finite number of at least 0"),
    (("warmup_ratio",), lambda x: 0.0 <= x <= 1.0, "a share of all steps, from 0 to 1"),
    (
        (
            *("adam_b1", "adam_b2", "ema_decay", "dropout", "mixout", "label_smoothing"),
            "lora_dropout",
        ),
        _is_rate,
        _RATE,
    ),
    (("pretrained_decay",), _is_no_less_than_0, "0 (off) or more"),
    (
        ("layerwise_lr_decay",),
        lambda x: 0.0 < float32(x) <= 1.0,
        "a factor above 0 and up to 1 (off)",
    ),
    (("reinit_layers",), lambda n: n >= 0, "a number of blocks, or 0"),
    (("lora_rank",), lambda n: 0 <= n <= MOST_RANK, f"1 to {MOST_RANK}, or 0 for none"),
    (("lora_alpha", "lora_b_lr_ratio"), _is_positive, "a finite number above 0"),
    (("head_ratio",), _is_rate, "a share of all steps, from 0 up to, but not including, 1"),
    (("head_learning_rate",), _is_positive, "a finite number above 0, or null for learning_rate"),
    (
        ("second_moment_init",),
        lambda x: 0.0 <= x < 1e30,
        "a finite number of at least 0, which is Adam",
    ),
    (("average_last",), lambda n: n >= 0, "a number of steps, or 0 for none"),
)


def check_ranges(config: SweepConfig) -> None:
    """Raises UserError for a number that is out of its field's range."""
    check_least(config, 1, COUNTS)
    check_least(config, 0, ("subset_seed", "dev_fraction_seed"))
    for names, is_in_range, give in RANGES:
        for name, value in each_given(config, names):
            if not is_in_range(value):
                raise UserError(f"{name} is {value}; give {give}.")
    for name, value in each_given(config, ("learning_rate", "adam_eps", "max_grad_norm")):
        # What is smaller than a normal number is 0 on a device, and 0 / 0 in Adam's step.
        if not SMALLEST <= float32(value) < math.inf:
            above = "1.2e-38, the smallest float32" if 0 < value < 1 else 0
            off = ", or null for no clipping" if name == "max_grad_norm" else ""
            raise UserError(f"{name} is {value}; give a finite number above {above}{off}.")
    text = config.class_weights
    for weight in class_weight_list(text) if text not in (None, BALANCED) else ():
        if not 0.0 < float32(weight) < math.inf:
            raise UserError(
                f"class_weights is {text!r}, which holds {weight}; give finite numbers above 0."
            )
