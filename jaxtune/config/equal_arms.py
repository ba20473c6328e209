"""Arms of a grid that would train the same trials: a verdict would compare a recipe with itself."""

import dataclasses
from collections.abc import Collection
from typing import Any

from jaxtune.config.field_groups import TRACED_FIELDS, plain
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.config.text_values import BALANCED, class_weight_list
from jaxtune.config.trials import arm_name, lora_scale
from jaxtune.config.validate_ranges import float32
from jaxtune.config.validate_unused import OWNERS
from jaxtune.core.errors import UserError


def check_arms_differ(settings: Settings, without_effect: Collection[str] = ()) -> None:
    """Raises UserError for two arms that differ in nothing that either uses.

    Args:
        without_effect: fields that the sweep's model makes no use of.
    """
    known: dict[SweepConfig, SweepConfig] = {}
    for arm in settings.arms:
        other = known.setdefault(_in_use(plain(arm, without_effect)), arm)
        if other is arm:
            continue
        differ = [n for n in settings.grid if getattr(arm, n) != getattr(other, n)]
        one, two = (arm_name(each, settings.grid) for each in (other, arm))
        why = "what they differ in comes to the same"
        if len(differ) == 1:
            why = f"{differ[0]} makes no difference there"
        raise UserError(
            f"The arms [{one}] and [{two}] would train the same trials, for {why}; leave such"
            " values out, or sweep the other arms by themselves, with another --out."
        )


def _in_use(arm: SweepConfig) -> SweepConfig:
    """The arm with one spelling for all that trains the same; adapters are spelled by their scale.

    What takes other roundings, as the laying out of sequences does, is not the same.
    """
    if arm.max_steps is not None:
        arm = plain(arm, ("num_epochs",))
    if arm.task == "miniature":
        arm = plain(arm, ("data_dir",))
    if arm.train == "all":
        arm = plain(arm, ("train",))
    if arm.warmup_ratio == 1:  # there is no step after it
        arm = plain(arm, ("schedule",))
    if arm.average_last == 1:
        arm = plain(arm, ("average_last",))
    arm = plain(arm, _only_watching(arm))
    for names, uses, _ in OWNERS:
        if not uses(arm):
            arm = plain(arm, names)
    if not arm.head_ratio or arm.head_learning_rate is None:  # no step of its own, or no rate
        arm = dataclasses.replace(arm, head_learning_rate=arm.learning_rate)
    if arm.class_weights not in (None, BALANCED):
        numbers = class_weight_list(arm.class_weights)
        arm = dataclasses.replace(arm, class_weights=",".join(str(float32(n)) for n in numbers))
    return _rounded(dataclasses.replace(arm, lora_alpha=lora_scale(arm), use_rslora=False))


def _only_watching(arm: SweepConfig) -> list[str]:
    """Fields that say when a trial is looked at, where nothing is decided by that."""
    evaluations = arm.patience, arm.keep_trials
    fields = [] if any(evaluations) or arm.save_params in ("best", "all") else ["eval_every"]
    return fields if arm.early_stop is not None else [*fields, "log_every"]


def _rounded(arm: SweepConfig) -> SweepConfig:
    """With its numbers as the program gets them."""
    traced = {name: getattr(arm, name) for name in TRACED_FIELDS}
    numbers: dict[str, Any] = {
        name: float32(n) for name, n in traced.items() if isinstance(n, float)
    }
    return dataclasses.replace(arm, **numbers)
