"""Figures 7 and 13: loss and gradient norm over the plane through pre-trained, failed and
successful weights.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from jaxtune.core.console import ProgressLine
from jaxtune.core.files import replace_file
from jaxtune.study.context import Study, write_table
from jaxtune.study.finding import Finding
from jaxtune.study.kept_trials import KeptTrials
from jaxtune.study.over_points import over_points
from jaxtune.study.plane import (
    Examples,
    Plane,
    Values,
    example_losses_at,
    first_examples,
    grid,
    project,
    values_at,
    weights_of,
)
from jaxtune.study.selection import Chosen, choose
from jaxtune.study.surface_finding import PAPER, TITLE, Line, Surveyed, judge
from jaxtune.study.training_path import retrace
from jaxtune.training.prepare import Prepared

LINE_POINTS = 25  # of a straight line between two models, both ends included
TOKENS_AT_ONCE = 4096
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


class Pair(NamedTuple):
    """The two trials of the plane."""

    failed: int
    successful: int


class Traced(NamedTuple):
    """The plane, and the trials' ways over it."""

    plane: Plane
    paths: pd.DataFrame  # trial failed step a b distance outside
    repeated: bool  # whether both ended at the very parameters that the sweep had kept


def run(study: Study) -> Finding:
    """One plane, and the straight lines between every shown failed and successful trial."""
    config = study.config
    sweep = study.main()
    rows = study.rows(sweep)
    rows = rows[~rows["diverged"].astype(bool)]
    chosen = choose(rows, config.shown_trials, sweep)
    pair = choose_pair(rows, chosen)
    kept = KeptTrials(sweep, dict.fromkeys((*chosen.failed, *chosen.successful, *pair)))
    task = kept.task
    longest = int(task.train.lengths.max())
    examples = first_examples(
        task.train,
        config.surface_examples,
        max(1, TOKENS_AT_ONCE // longest),
        task.model.encoder.config.hidden_size,
    )
    traced = _trace(kept, pair, config.path_every)
    axis = grid(config.surface_low, config.surface_high, config.surface_points)
    surface = _survey(traced.plane, axis, examples)
    lines = _lines(kept, chosen, traced.plane, examples)
    ends = _ends(kept, chosen, traced.plane, examples)
    folder = study.folder("loss_surface")
    _write_surface(folder / "surface.npz", axis, surface)
    write_table(folder / "paths.parquet", traced.paths)
    write_table(folder / "lines.parquet", _line_table(lines))
    surveyed = Surveyed(surface.corners, ends, lines, traced.paths)
    finding = judge(surveyed)
    return dataclasses.replace(
        finding, notes=_notes(chosen, pair, rows, traced, task, axis, examples)
    )


def choose_pair(rows: pd.DataFrame, chosen: Chosen) -> Pair:
    """The lowest failed trial, and the lowest successful one that started from the same weights, if
    there is one.
    """
    failed = chosen.failed[0]
    seeds = rows.set_index("trial")["init_seed"]
    alike = rows.loc[~rows["failed"] & (rows["init_seed"] == seeds[failed]), "trial"]
    return Pair(failed, int(alike.min()) if len(alike) else chosen.successful[0])


def _trace(kept: KeptTrials, pair: Pair, every: int) -> Traced:
    failed, successful = (kept.model(number) for number in pair)
    members = [kept.members[number] for number in pair]
    per_device = max(1, int(members[0].row["group_size"]) // len(jax.devices()))
    steps = {member.number: int(member.row["num_steps"]) for member in members}
    plane: Plane | None = None
    seen, repeated = [], []
    with ProgressLine("training again, steps", sum(steps.values())) as line:
        for trial, step, model in retrace([m.trial for m in members], per_device, every):
            if plane is None:
                # The failed trial's start: the pre-trained encoder under the head that it drew.
                plane = Plane(model, failed, successful)
            number = trial.number
            seen.append(
                {"trial": number, "failed": number == pair.failed, "step": step}
                | project(model, plane)._asdict()
            )
            if step == steps[number]:
                end = failed if number == pair.failed else successful
                leaves = zip(jax.tree.leaves(model), jax.tree.leaves(end), strict=True)
                repeated.append(all(np.array_equal(x, y) for x, y in leaves))
            line.update(len(seen) * every, f"trial {number}")
    assert plane is not None
    return Traced(plane, pd.DataFrame(seen), all(repeated))


class Surface(NamedTuple):
    """Values over the grid, and at the three models."""

    grid: Values  # [b, a]
    corners: Values  # pre-trained, failed, successful


def _survey(plane: Plane, axis: np.ndarray, examples: Examples) -> Surface:
    b, a = np.meshgrid(axis, axis, indexing="ij")
    points = np.concatenate([CORNERS, np.stack([a.ravel(), b.ravel()], axis=1)])
    values = over_points(values_at, (plane, examples), weights_of(points), "points of the plane")
    shape = (len(axis), len(axis))
    over = Values(*(value[len(CORNERS) :].reshape(shape) for value in values))
    return Surface(over, Values(*(value[: len(CORNERS)] for value in values)))


def _lines(kept: KeptTrials, chosen: Chosen, plane: Plane, examples: Examples) -> list[Line]:
    """The examples' losses from each failed trial straight to each successful one."""
    share = np.linspace(0, 1, LINE_POINTS)
    weights = weights_of(np.stack([1 - share, share], axis=1))
    present = examples.plan.weight.reshape(-1) > 0
    lines = []
    for failed in chosen.failed:
        one = kept.model(failed)
        for successful in chosen.successful:
            ends = Plane(plane.pretrained, one, kept.model(successful))
            title = f"from trial {failed} to trial {successful}"
            losses = over_points(example_losses_at, (ends, examples), weights, title)
            lines.append(Line(failed, successful, share, losses[:, present]))
    return lines


def _ends(kept: KeptTrials, chosen: Chosen, plane: Plane, examples: Examples) -> pd.DataFrame:
    """Loss and gradient norm at every shown trial: trial failed loss gradient_norm."""
    rows = []
    for number in (*chosen.failed, *chosen.successful):
        alone = plane._replace(failed=kept.model(number))
        values = over_points(values_at, (alone, examples), weights_of(CORNERS[1:2]), f"{number}")
        rows.append(
            {
                "trial": number,
                "failed": number in chosen.failed,
                "loss": float(values.loss[0]),
                "gradient_norm": float(values.gradient_norm[0]),
            }
        )
    return pd.DataFrame(rows)


def _write_surface(path: Path, axis: np.ndarray, surface: Surface) -> None:
    arrays: dict[str, Any] = {
        "axis": axis,
        "loss": surface.grid.loss,
        "gradient_norm": surface.grid.gradient_norm,
    }
    arrays |= {f"corner_{name}": value for name, value in surface.corners._asdict().items()}

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    replace_file(path, write)


def _line_table(lines: list[Line]) -> pd.DataFrame:
    """Long form: failed successful share loss."""
    parts = [
        pd.DataFrame(
            {
                "failed": line.failed,
                "successful": line.successful,
                "share": line.share,
                "loss": line.losses.mean(axis=1),
            }
        )
        for line in lines
    ]
    return pd.concat(parts, ignore_index=True)


def _notes(
    chosen: Chosen,
    pair: Pair,
    rows: pd.DataFrame,
    traced: Traced,
    task: Prepared,
    axis: np.ndarray,
    examples: Examples,
) -> list[str]:
    table = rows.set_index("trial")
    arms = [str(table.loc[number, "arm"]) for number in pair]
    same = table.loc[pair.failed, "init_seed"] == table.loc[pair.successful, "init_seed"]
    start = (
        "which is where both began"
        if same
        else "which is where the failed one began; the other one drew another head"
    )
    again = "bit for bit" if traced.repeated else "not to the last bit"
    fresh = " and ".join(name.removeprefix("head/") for name in task.fresh)
    return [
        f"Lines: {chosen.rule}; without diverged trials.",
        (
            f"Plane: the lowest failed trial ({pair.failed}, [{arms[0]}]) and the lowest successful"
            f" one with the same initialisation seed, or without one the lowest ({pair.successful},"
            f" [{arms[1]}]). Its pre-trained point is the pre-trained encoder with the {fresh} that"
            f" the failed trial drew, {start}."
        ),
        (
            f"Grid: {len(axis)} x {len(axis)} points, {axis[0]:g} to {axis[-1]:g} on both axes."
            f" Loss: mean over the first {int(examples.plan.weight.sum())} training examples in"
            " file order, dropout off. Gradient norm: L2, of that mean, over all parameters, the"
            " classifier among them."
        ),
        (
            "Paths: both trials trained again by their seeds, which repeated the sweep's final"
            f" parameters {again}; each point is the nearest of the plane (least squares)."
        ),
    ]


__all__ = ["PAPER", "TITLE", "run"]
