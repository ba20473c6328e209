"""Trials as a report reads them, with curves that a test chooses."""

from pathlib import Path

import numpy as np
from made_up import made_up_rows

from jaxtune.report.sources import LOSS, Curve, Source, TrialRecord

SETTINGS = {
    "seed": 0,
    "model": "m",
    "num_steps": 468,
    "seconds": 1.0,
    "learning_rate": 2e-5,
    "warmup_ratio": 0.1,
    "schedule": "linear",
    "adam_b1": 0.9,
    "adam_b2": 0.999,
}


def record(row, curves=None, logits=None):
    found = {name: Curve(np.arange(len(v)), np.asarray(v, float)) for name, v in curves.items()}
    return TrialRecord(row | SETTINGS | row, found, logits)


def records(losses, scores=None, **settings):
    """A trial per row of losses; they succeed unless scores say otherwise."""
    rows = made_up_rows(scores or [0.9] * len(losses), **settings)
    return tuple(
        record(row, {LOSS: loss, "dev": loss, "layer 1 of 1": loss})
        for row, loss in zip(rows, losses, strict=True)
    )


def source(trials, name="here"):
    return Source(Path(), name, tuple(trials), None, "", {}, None, None)
