"""A study of a tiny model: sweeps of a few steps, and failures by seed instead of by luck."""

import dataclasses
import subprocess
import sys

from tiny import write_tiny_model

from jaxtune.data.corpus import miniature_held_out
from jaxtune.study.context import Study
from jaxtune.study.settings import StudyConfig


@dataclasses.dataclass(frozen=True)
class Arranged(Study):
    """Without correction even seeds have failed and odd ones have not; with it, none has."""

    def rows(self, sweep):
        rows = super().rows(sweep)
        return rows.assign(failed=~rows["bias_correction"] & (rows["seed"] % 2 == 0))


def tiny_study(folder, figure, **changes):
    model = write_tiny_model(folder / "model")
    text = folder / "text.txt"
    text.write_text("\n".join(miniature_held_out()[:60]) + "\n")
    settings = {
        "model": str(model),
        "text": str(text),
        "num_seeds": 2,
        "num_epochs": 1,
        "train_examples": 64,
        "learning_rate": 1e-2,
        "eval_every": 2,
        "surface_points": 5,
        "surface_examples": 20,
        "path_every": 3,
    }
    return Arranged(StudyConfig(figure=figure, out=folder / "out", **settings | changes))


def draw_apart(folder):
    """Draws in a process of its own and says whether jax was loaded there."""
    code = (
        "import sys; from pathlib import Path; from jaxtune.study.drawing.draw import draw; "
        f"draw(Path({str(folder)!r})); print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"
