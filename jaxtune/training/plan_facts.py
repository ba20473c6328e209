"""A plan in figures, as the manifest and the dry run show it."""

from typing import Any

from jaxtune.models.pretrained import num_parameters
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.sizes import Tried


def plan_facts(plan: ProgramPlan) -> dict[str, Any]:
    """The plan as the manifest keeps it."""
    return {
        "trials": len(plan.trials),
        "group_size": plan.group_size,
        "devices": len(plan.devices),
        "groups": [[trial.number for trial in group] for group in plan.groups],
        **({"sizes_tried": [_of_size(each) for each in plan.tried]} if plan.tried else {}),
        **shape_facts(plan),
    }


def shape_facts(plan: ProgramPlan) -> dict[str, Any]:
    """What of the plan does not depend on the devices."""
    task, shape = plan.task, plan.shape
    return {
        "steps": plan.num_steps,
        "parameters": num_parameters(task.model),
        "frozen_parameters": num_parameters(task.frozen),
        "vocabulary": [len(task.kept_words), len(task.full_embedding)],
        "drawn_anew": plan.drawn_anew,
        "checkpoint": list(task.notes),
        "row_slots": shape.slots,
        "rows": list(shape.ladder),
        "real_tokens_per_step": round(plan.tokens_per_step, 1),
        "packed_slots_per_step": [rows * shape.slots for rows in shape.ladder],
    }


def _of_size(tried: Tried) -> dict[str, Any]:
    """A size that was tried; seconds are of all its trials together."""
    probe = tried.probe
    return {
        "trials_per_device": tried.trials,
        "bytes": tried.all_bytes,
        "recomputed": tried.recomputed,
        "fits": tried.fits,
        "step_seconds": probe and round(probe.step_seconds, 5),
        "evaluation_seconds": probe and round(probe.evaluation_seconds, 5),
        "hours": None if probe is None else round(tried.hours, 4),
    }
