"""What tests of the studies share: made-up sweeps in the place of real ones, and known curves in
them.
"""

from pathlib import Path

import numpy as np
from made_up import RECIPE, made_up_rows

from jaxtune.core.records import StepRecords
from jaxtune.storage.curves import History, write_predictions
from jaxtune.storage.trial_rows import append_rows
from jaxtune.study.context import SWEEPS, Study
from jaxtune.study.drawing.draw import draw
from jaxtune.study.settings import StudyConfig

KINDS = ("query", "key", "value", "attention_output", "intermediate", "output", "layer")
NORMS = (
    *(f"layer_{layer:02d}/{kind}" for kind in KINDS for layer in range(3)),
    "pooler",
    "classifier",
)
NUM_STEPS = 40


def made_up_study(out: Path, figure: str = "all", **settings) -> Study:
    return Study(StudyConfig(figure=figure, out=out, **settings))


def add_sweep(study: Study, name: str, arms, curves=None, model=None) -> Path:
    """A finished sweep of this name; `arms` are pairs of settings and scores, floor 0.6.

    Args:
        curves: (row, steps) -> loss [step], norms [step, norm], dev metric by step.
        model: where it is another than the study's.
    """
    out = study.config.out / SWEEPS / "-".join([name, "miniature", *([model] if model else [])])
    rows = []
    for settings, scores in arms:
        shared = RECIPE | {"num_epochs": 3, "num_steps": NUM_STEPS, "best": 0.9, "train_loss": 0.3}
        label = " ".join(f"{key}={value}" for key, value in settings.items()) or "all"
        for row in made_up_rows(scores, label, **shared | settings):
            about = {"trial": len(rows), "seed": row["init_seed"], "model": "miniature"}
            rows.append(row | about | {"seconds": 1.0, "group_size": 1})
    for row in rows:
        _write_files(out, row, curves or flat)
    append_rows(out, rows)
    study.finished.add(out)
    return out


def flat(row, steps):
    """Loss, norms and dev metric that do not move."""
    return np.full(steps.size, 0.7), np.ones((steps.size, len(NORMS))), {NUM_STEPS: row["final"]}


def vanishing(row, steps):
    """A failed trial's gradients fall a thousandfold at the bottom; a successful trial's loss
    falls.
    """
    shift = 1 + 0.01 * row["trial"]
    down = np.linspace(0, 1, steps.size)
    norms = np.full((steps.size, len(NORMS)), 0.1 * shift)
    loss = 0.7 - (0.0 if row["failed"] else 0.6) * down
    if row["failed"]:
        bottom = [name.startswith("layer_00") for name in NORMS]
        norms[:, bottom] *= 10 ** (-3 * down)[:, None]
    return loss, norms, {20: 0.6, NUM_STEPS: row["final"]}


def pictures(folder):
    """Draws a study's files; the names of its pictures, without their endings."""
    names = [file.name for file in draw(folder)]
    assert all((folder / name).stat().st_size > 2000 for name in names)
    for name in names:
        if name.endswith(".svg"):  # powers of ten that were not set as such
            assert "mathdefault" not in (folder / name).read_text()
    return sorted({name.rsplit(".", 1)[0] for name in names})


def _write_files(out, row, curves):
    steps = np.arange(NUM_STEPS)
    loss, norms, dev = curves(row, steps)
    history = History(log_every=1)
    records = StepRecords(loss[None], loss[None] * 1e-4, norms[None], NORMS)
    history.steps([row["trial"]], 0, records)
    for step, score in dev.items():
        history.evaluation([row["trial"]], step, [{"accuracy": 0.0 if score is None else score}])
    history.write(out / "history")
    write_predictions(out, row["trial"], np.zeros((4, 2)))
