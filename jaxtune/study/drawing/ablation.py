"""Figure 9: learning rate x epochs x bias correction."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jaxtune.report.drawing import INK
from jaxtune.study.drawing.draw import floor, new_figure, show_rate, trial_marks
from jaxtune.study.drawing.scores import BESIDE, correction_boxes


def ablation(folder: Path) -> dict[str, Figure]:
    """A panel per number of epochs, two boxes per learning rate; a star at the recommended
    recipe.
    """
    trials = pd.read_parquet(folder / "trials.parquet")
    epochs = sorted(trials["num_epochs"].unique().tolist())
    rates = sorted(trials["learning_rate"].unique().tolist())
    figure = new_figure(3.1 * len(epochs) + 0.4, 3.6)
    panels = figure.subplots(1, len(epochs), sharey=True, squeeze=False)[0]
    for axes, count in zip(panels, epochs, strict=True):
        rows = trials[trials["num_epochs"] == count]
        correction_boxes(axes, rows, "learning_rate", rates)
        starred = rows[rows["recommended"]]
        if len(starred):
            place = int(np.searchsorted(rates, starred["learning_rate"].iloc[0])) + BESIDE / 2
            axes.plot(
                place, 0.03, "*", color=INK, markersize=11, transform=axes.get_xaxis_transform()
            )
        axes.set_xticks(range(len(rates)), [show_rate(rate) for rate in rates])
        axes.set_xlabel("peak learning rate")
        axes.set_title(f"{count} epoch{'s' * (count > 1)}", pad=16)
        floor(axes, trials["trivial"].iloc[0])
    panels[0].set_ylabel(f"final dev {trials['metric'].iloc[0]}")
    trial_marks(figure, correction=True)
    return {"figure": figure}
