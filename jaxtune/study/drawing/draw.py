"""Pictures from the files of DIR/FIGURE alone. Nothing here or in the drawing files imports jax."""

import importlib
from pathlib import Path

import matplotlib as mpl

from jaxtune.report.drawing import STYLE, save

# A study -> the file that draws it: a function of the study's name, from its folder to pictures by
# name.
DRAWINGS = {
    "baselines": "scores",
    "forgetting": "forgetting",
    "small_data": "scores",
    "gradient_norms": "norms",
    "bias_correction": "correction",
    "depth": "scores",
    "loss_surface": "surface",
    "generalization": "curves",
    "ablation": "scores",
    "training_curves": "curves",
    "correction": "link_curves",
}


@mpl.rc_context(STYLE)
def draw(folder: Path) -> list[Path]:
    """Writes NAME.png and NAME.svg for each picture of the study in this folder; `figure` is the
    first.
    """
    module = importlib.import_module(f"jaxtune.study.drawing.{DRAWINGS[folder.name]}")
    figures = getattr(module, folder.name)(folder)
    return [file for name, figure in figures.items() for file in save(figure, folder / name)]
