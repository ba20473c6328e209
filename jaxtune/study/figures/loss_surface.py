"""Figures 7 and 13: loss and gradient norm over a plane through failed and successful weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxtune.core.console import ProgressLine
from jaxtune.core.files import replace_file
from jaxtune.stats.intervals import Estimate, mean_interval
from jaxtune.study.context import Study
from jaxtune.study.finding import Claim, Finding, above
from jaxtune.study.kept_trials import KeptTrials, retrace
from jaxtune.study.measures import Chosen, choose, joined
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

TITLE = "Figures 7 and 13: the loss between failed and successful weights"
PAPER = (
    "A failed trial lies in a valley of its own, with small gradients, and a barrier separates it"
    " from a successful one. So it is in the plane through the pre-trained, a failed and a"
    " successful BERT-large (RTE, MRPC, CoLA); the failed one's loss is near that of the start."
)
# The least rise that is called a barrier, as a share of the failed trial's loss.
BARRIER = 0.05
LINE_POINTS = 25  # of a straight line between two models, both ends included
TOKENS_AT_ONCE = 4096
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


class Line(NamedTuple):
    """From a failed to a successful trial."""

    failed: int
    successful: int
    share: Float[np.ndarray, " point"]  # of the way
    losses: Float[np.ndarray, "point example"]


class Barrier(NamedTuple):
    """The highest point between the ends of a line, against the failed end."""

    failed: int
    successful: int
    share: float  # of the way
    height: Estimate  # nats
    relative: float  # to the failed one's loss
    stands: bool
    plateau: float  # share of the way before the loss falls by `BARRIER` below the failed one's


class Surveyed(NamedTuple):
    """All that was measured."""

    corners: Values  # pre-trained, failed, successful
    ends: pd.DataFrame  # trial failed loss gradient_norm
    lines: Sequence[Line]
    paths: pd.DataFrame  # trial failed step a b distance outside


def run(study: Study) -> Finding:
    """One plane, and the straight lines between every shown failed and successful trial."""
    config = study.config
    sweep = study.main()
    rows = study.rows(sweep)
    chosen = choose(rows, config.shown_trials, sweep)
    pair = choose_pair(rows, chosen)
    kept = KeptTrials(sweep, dict.fromkeys((*chosen.failed, *chosen.successful, *pair)))
    train = kept.task.train
    batch_size = max(1, TOKENS_AT_ONCE // int(train.lengths.max()))
    width = kept.task.model.encoder.config.hidden_size
    examples = first_examples(train, config.surface_examples, batch_size, width)
    plane, paths, repeated = _trace(kept, pair, config.path_every)
    axis = grid(config.surface_low, config.surface_high, config.surface_points)
    over, corners = _survey(plane, axis, examples)
    lines = _lines(kept, chosen, plane, examples)
    ends = _ends(kept, chosen, plane, examples)
    _write_surface(study.folder("loss_surface") / "surface.npz", axis, over, corners)
    study.write("loss_surface", paths=paths, lines=joined([_line_table(line) for line in lines]))
    table = rows.set_index("trial")
    failed, successful = pair
    arms = [str(table.loc[number, "arm"]) for number in pair]
    fresh = " and ".join(name.removeprefix("head/") for name in kept.task.fresh)
    start = "which is where the failed one began; the other one drew another head"
    if table.loc[failed, "init_seed"] == table.loc[successful, "init_seed"]:
        start = "which is where both began"
    notes = [
        f"Lines: {chosen.rule}; diverged trials have no place on them.",
        f"Plane: the lowest failed trial ({failed}, [{arms[0]}]) and the lowest successful one"
        f" with the same initialisation seed, or without one the lowest ({successful},"
        f" [{arms[1]}]). Its pre-trained point is the pre-trained encoder with the {fresh} that the"
        f" failed trial drew, {start}.",
        f"Grid: {len(axis)} x {len(axis)} points, {axis[0]:g} to {axis[-1]:g} on both axes. Loss:"
        f" mean over the first {int(examples.plan.weight.sum())} training examples in file order,"
        " dropout off. Gradient norm: L2, of that mean, over all parameters, the classifier among"
        " them; of one set of examples, without an interval.",
        "Paths: both trials trained again by their seeds, which repeated the sweep's final"
        f" parameters {'bit for bit' if repeated else 'not to the last bit'}; each point is"
        " the nearest of the plane (least squares).",
    ]
    return judge(Surveyed(corners, ends, lines, paths), notes)


def choose_pair(rows: pd.DataFrame, chosen: Chosen) -> tuple[int, int]:
    """The lowest failed trial, and a successful one from the same start if there is one."""
    failed = chosen.failed[0]
    seeds = rows.set_index("trial")["init_seed"]
    alike = rows.loc[~rows["failed"] & (rows["init_seed"] == seeds[failed]), "trial"]
    return failed, int(alike.min()) if len(alike) else chosen.successful[0]


def _trace(kept: KeptTrials, pair: tuple[int, int], every: int) -> tuple[Plane, pd.DataFrame, bool]:
    """The plane, the trials' ways over it, and whether both ended at the very parameters kept."""
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
                {"trial": number, "failed": number == pair[0], "step": step}
                | project(model, plane)._asdict()
            )
            if step == steps[number]:
                end = failed if number == pair[0] else successful
                leaves = zip(jax.tree.leaves(model), jax.tree.leaves(end), strict=True)
                repeated.append(all(np.array_equal(x, y) for x, y in leaves))
            line.update(len(seen) * every, f"trial {number}")
    assert plane is not None
    return plane, pd.DataFrame(seen), all(repeated)


def _survey(plane: Plane, axis: np.ndarray, examples: Examples) -> tuple[Values, Values]:
    """Values over the grid [b, a], and at the three models."""
    b, a = np.meshgrid(axis, axis, indexing="ij")
    points = np.concatenate([CORNERS, np.stack([a.ravel(), b.ravel()], axis=1)])
    values = over_points(values_at, (plane, examples), weights_of(points), "points of the plane")
    corners, inside = zip(*(np.split(value, [len(CORNERS)]) for value in values), strict=True)
    return Values(*(value.reshape(a.shape) for value in inside)), Values(*corners)


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
        own = {name: float(value[0]) for name, value in values._asdict().items()}
        rows.append({"trial": number, "failed": number in chosen.failed} | own)
    return pd.DataFrame(rows)


def _write_surface(path: Path, axis: np.ndarray, over: Values, corners: Values) -> None:
    arrays: dict[str, Any] = {"axis": axis} | over._asdict()
    arrays |= {f"corner_{name}": value for name, value in corners._asdict().items()}

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    replace_file(path, write)


def _line_table(line: Line) -> pd.DataFrame:
    columns = {"failed": line.failed, "successful": line.successful, "share": line.share}
    return pd.DataFrame(columns | {"loss": line.losses.mean(axis=1)})


def barrier(line: Line) -> Barrier:
    """How far the loss rises over the failed trial's."""
    mean = line.losses.mean(axis=1, dtype=np.float64)
    place = int(np.argmax(mean[1:-1])) + 1
    rises = (line.losses[place] - line.losses[0]).astype(np.float64)
    height = mean_interval(rises)
    relative = float(mean[place] - mean[0]) / float(mean[0])
    stands = above(height) is True and relative >= BARRIER
    share = float(line.share[place])
    lower = np.flatnonzero(mean < (1 - BARRIER) * mean[0])
    plateau = float(line.share[lower[0]]) if lower.size else 1.0
    return Barrier(line.failed, line.successful, share, height, relative, stands, plateau)


def judge(surveyed: Surveyed, notes: Sequence[str] = ()) -> Finding:
    """What the numbers say."""
    corners, ends, lines, paths = surveyed
    barriers = [barrier(line) for line in lines]
    standing = sum(each.stands for each in barriers)
    norms = {failed: own["gradient_norm"] for failed, own in ends.groupby("failed")}
    start = float(corners.gradient_norm[0])
    flat = bool(norms[True].max() < min(start, norms[False].min()))
    parts = {"barrier": 2 * standing > len(barriers), "small_gradients": flat}
    pretrained, failed, successful = map(float, corners.loss)
    rises = [each.relative for each in barriers]
    plateaus = [each.plateau for each in barriers]
    outside = _outside(paths)
    numbers = {
        "parts": parts,
        "corners": {
            name: dict(zip(("pretrained", "failed", "successful"), values, strict=True))
            for name, values in corners._asdict().items()
        },
        "barriers": barriers,
        "trials": ends.to_dict("records"),
        "most_outside_the_plane": outside,
    }
    return Finding(
        title=TITLE,
        paper=PAPER,
        here=(
            f"A barrier stands on {standing} of {len(barriers)} straight lines from failed to"
            " successful trials, and the loss stays above"
            f" {1 - BARRIER:.0%} of the failed one's for the first {min(plateaus):.0%} to"
            f" {max(plateaus):.0%} of the way. In the plane the loss at the pre-trained point is"
            f" {pretrained:.3f}, failed {failed:.3f}, successful {successful:.3f}. On its way the"
            f" failed trial has up to {outside['failed']:.0%} of its distance from the pre-trained"
            f" point outside the plane, the successful one {outside['successful']:.0%} (after the"
            " first tenth of the steps)."
        ),
        claims=[
            Claim(
                "on most straight lines from a failed to a successful trial the loss first rises by"
                f" {BARRIER:.0%} or more of the failed one's (interval over the examples above 0)",
                f"{standing} of {len(barriers)} lines; {min(rises):+.0%} to {max(rises):+.0%}, from"
                f" trial {barriers[0].failed} to {barriers[0].successful}"
                f" {_rise(barriers[0].height)}",
                parts["barrier"],
            ),
            Claim(
                "every failed trial's gradient norm is below the pre-trained point's and every"
                " successful trial's",
                f"failed {_range(norms[True])}, pre-trained {start:.3f}, successful"
                f" {_range(norms[False])}",
                parts["small_gradients"],
            ),
        ],
        numbers=numbers,
        notes=notes,
    )


def _outside(paths: pd.DataFrame) -> dict[str, float]:
    """The largest share per trial, but for the first steps': a start has hardly a direction yet."""
    later = paths[paths["step"] >= 0.1 * paths["step"].max()]
    return {
        name: float(later.loc[later["failed"] == failed, "outside"].max())
        for name, failed in (("failed", True), ("successful", False))
    }


def _rise(height: Estimate) -> str:
    if height.low is None:
        return f"without an interval, {height.reason}"
    return f"{height.value:+.3f} nats (95% interval {height.low:+.3f} to {height.high:+.3f})"


def _range(values: pd.Series) -> str:
    return f"{values.min():.3f} to {values.max():.3f}"
