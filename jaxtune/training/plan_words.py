"""What is said of a plan before it runs: what was read, where trials start, and by what they stop
and are chosen.
"""

import math
from collections import Counter
from typing import Any

from jaxtune.config.field_groups import head_first
from jaxtune.core.cpu import multiplies_bfloat16
from jaxtune.core.schedules import FEWEST_RECORDS, head_steps
from jaxtune.core.words import plural
from jaxtune.training.outcome import saved_kinds
from jaxtune.training.plan import ProgramPlan


def reading(plan: ProgramPlan) -> dict[str, Any]:
    """What was read of the data, and what each class counts in the loss where it is asked."""
    task = plan.task
    asked = {t.config.class_weights: t.config for t in plan.trials if t.config.class_weights}
    if not asked:
        return task.reading
    assert task.classes is not None
    weights = {
        text: dict(zip(task.classes, task.class_weights(config).tolist(), strict=True))
        for text, config in asked.items()
    }
    return task.reading | {"class_weights": weights}


def about_the_start(plan: ProgramPlan) -> list[str]:
    """Where the trials start, and in what precision, a sentence each."""
    drawn = " and ".join(filter(None, [", ".join(plan.drawn_anew[:-1]), plan.drawn_anew[-1]]))
    lines = [f"Drawn anew by every trial: {drawn}.", *plan.task.notes]
    device = plan.devices[0]
    half = plan.config.precision == "bfloat16"
    if device.platform == "cpu" and half and multiplies_bfloat16() is False:
        lines.append(
            "Products are of bfloat16 numbers, for which this processor has no instructions;"
            " --precision float32 is exact and may be faster."
        )
    if device.platform != "cpu" and not half:
        lines.append(
            f"Products are in float32, which the {device.device_kind} computes several times as"
            " slowly as bfloat16; give --precision bfloat16 where that will do."
        )
    return lines


def choosing(plan: ProgramPlan) -> list[str]:
    """By what trials stop and the best parameters are chosen, where they are."""
    config, lines, decided = plan.config, [], []
    where = "dev set" if config.dev_fraction is None else "held-out examples"
    if config.patience is not None:
        decided.append("when a trial stops")
        begins = ", counted from when more than the head is trained" if head_first(config) else ""
        lines.append(
            f"A trial stops after {plural(config.patience, 'evaluation')} in a row without a better"
            f" {plan.task.metrics[0]} on the {where}{begins}."
        )
        lines += _never_out_of_patience(plan, config.patience)
    if "best" in saved_kinds(config.save_params):
        decided.append("which parameters are its best")
    if decided and config.dev_fraction is None:
        lines.append(
            f"Warning: {' and '.join(decided)} is decided on the dev set that the scores are of, so"
            " that these come out too good; --dev_fraction 0.1 holds out a share of the training"
            " examples to decide by."
        )
    if plan.stop_step is not None and math.ceil(plan.stop_step / config.log_every) < FEWEST_RECORDS:
        lines.append(
            "Warning: no trial is stopped for having learnt nothing: that takes gradient norms of"
            f" {FEWEST_RECORDS} logged steps, and of the {plural(plan.stop_step, 'step')} after"
            f" which early_stop looks, log_every {config.log_every} leaves fewer."
        )
    return lines + _nobody_is_cut(plan)


def _never_out_of_patience(plan: ProgramPlan, patience: int) -> list[str]:
    """Where no trial has enough evaluations; the first one counts as better than none before."""
    last, every = plan.num_steps - 1, plan.eval_every
    heads = [head_steps(trial.hyper.head_ratio, plan.num_steps) for trial in plan.trials]
    before_end = last // every - int(min(heads)) // every
    if before_end > patience:
        return []
    return [
        f"Warning: no trial is stopped by patience {patience}: that takes {patience + 1}"
        f" evaluations before the last step, and there are {before_end}; give a smaller patience or"
        " a smaller eval_every."
    ]


def _nobody_is_cut(plan: ProgramPlan) -> list[str]:
    """Where keep_trials keeps every trial of an arm."""
    most, kept = max(Counter(t.arm for t in plan.trials).values()), plan.config.keep_trials
    if kept is None or kept < most:
        return []
    return [
        f"Warning: keep_trials {kept} keeps every trial, for an arm has {most}; give a smaller"
        " number."
    ]
