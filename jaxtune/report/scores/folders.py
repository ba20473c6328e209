"""Folders of runs, `RUNS/ARM/SEED`, of the Hugging Face Trainer or with event files of TensorBoard:
where the runs lie, and what their folders' names say of arm and seed.
"""

import dataclasses
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxtune.core.errors import UserError
from jaxtune.core.words import listed, plural
from jaxtune.report.scores import events, trainer
from jaxtune.report.scores.logged import DEV_PREFIXES, Logged, plain_name, score_name
from jaxtune.report.scores.predictions import labels_in, logits_in
from jaxtune.report.scores.runs import Given, Run, plain_seed
from jaxtune.report.sources import DEV, LOSS, Curve
from jaxtune.stats.wording import have

SEED = re.compile(r"(?P<arm>.*?)[-_., ]*seed[-_= ]*(?P<seed>\d+)$", re.IGNORECASE)
# Keras and Lightning write several folders of one run.
PART = re.compile(r"train|validation|val|dev|eval|test|lightning_logs|version_\d+", re.IGNORECASE)
# The Trainer's own folder of event files within a run: runs/Nov29_10-00-00_host.
TRAINERS_EVENTS = "runs"
LOSSES = ("loss", "train/loss", "train_loss", "training_loss")


@dataclasses.dataclass(frozen=True, eq=False)
class RunFolder:
    """A folder in which one run has left something."""

    path: Path
    arm: str
    seed: str
    state: list[Path]  # of the Trainer
    events: list[Path]


def is_folder_of_runs(folder: Path) -> bool:
    """Whether some trainer's run lies in it."""
    return next(_run_folders(folder), None) is not None


def folder_runs(folder: Path, given: Given) -> tuple[list[Run], tuple[str, ...]]:
    """The runs below a folder, and what to say of how they were read.

    Raises UserError where none of them has a score, or several numbers may be it.
    """
    found = sorted(_run_folders(folder), key=lambda run: (_natural(run.arm), _natural(run.seed)))
    logs = [_logged(run) for run in found]
    name = score_name(logs, given.metric)
    metric = plain_name(name)
    labels = labels_in(folder)
    both = list(zip(found, logs, strict=True))
    scored = _of_dev([(run, log) for run, log in both if name in log.last])
    runs = [
        Run(
            str(run.path),
            run.arm,
            (plain_seed(run.seed),) * 3,
            _finite(log.last[name]),
            metric=metric,
            dev_examples=_examples(log),
            curves=_curves(log, name),
            logits=logits_in(run.path, labels, metric),
        )
        for run, log in scored
    ]
    said = [f"Their scores are the last {name}."]
    without = [str(run.path.relative_to(folder)) for run, log in both if name not in log.last]
    if without:
        said.append(f"Left out: {plural(len(without), 'run')} without one ({listed(without)}).")
    return runs, (*said, *_ends(scored, name))


def _finite(score: float | None) -> float | None:
    """None of a run that has diverged, too."""
    return score if score is not None and math.isfinite(score) else None


def _of_dev(scored: Sequence[tuple[RunFolder, Logged]]) -> list[tuple[RunFolder, Logged]]:
    """Without the folder of training where Keras has written one of each: train, validation."""
    dev = {(run.arm, run.seed) for run, _ in scored if _is_of_dev(run)}
    return [(run, log) for run, log in scored if _is_of_dev(run) or (run.arm, run.seed) not in dev]


def _is_of_dev(run: RunFolder) -> bool:
    return f"{run.path.name}/" in DEV_PREFIXES


def _ends(scored: Sequence[tuple[RunFolder, Logged]], name: str) -> Iterator[str]:
    """What to say of runs that were cut off, begun again or ended at different steps."""
    steps = {run: int(log.curves[name].steps[-1]) for run, log in scored if name in log.curves}
    cut = [
        f"{run.arm}/{run.seed} at step {steps[run]:,} of {log.planned:,}"
        for run, log in scored
        if log.planned and run in steps
    ]
    if cut:
        yield (
            f"{plural(len(cut), 'run')} {have(len(cut))} no score of the end of training"
            f" ({listed(cut)}): cut off, stopped early, or the last checkpoint is gone."
        )
    again = [f"{run.arm}/{run.seed}" for run, log in scored if log.restarted]
    if again:
        yield (
            f"{plural(len(again), 'run')} began again at a lower step ({listed(again)}): what was"
            " logged before from there on is left aside."
        )
    arms: dict[str, set[int]] = {}
    for run, step in steps.items():
        arms.setdefault(run.arm, set()).add(step)
    unlike = [f"[{a}] {min(own):,} to {max(own):,}" for a, own in arms.items() if len(own) > 1]
    if unlike and not cut:
        yield f"Runs of one arm have their last scores at different steps: {listed(unlike)}."


def _logged(run: RunFolder) -> Logged:
    if run.state:
        return trainer.logged(run.path, run.state)
    return events.logged(run.path, run.events)


def _examples(log: Logged) -> int | None:
    """As the Trainer's examples count them."""
    samples = log.last.get("eval_samples")
    return int(samples) or None if samples and math.isfinite(samples) else None


def _curves(log: Logged, name: str) -> dict[str, Curve]:
    """Those that a report draws."""
    loss = next((log.curves[each] for each in LOSSES if each in log.curves), None)
    found = {LOSS: loss, DEV: log.curves.get(name)}
    return {kind: curve for kind, curve in found.items() if curve is not None}


def _run_folders(top: Path) -> Iterator[RunFolder]:
    for path, folders in _walked(top):
        state, own = trainer.files_of(path), events.files_of(path)
        inner = sorted(path.glob(f"{TRAINERS_EVENTS}/*"))
        nested = [file for folder in inner for file in events.files_of(folder)]
        if state or own or nested:
            # Checkpoints and the Trainer's event files are parts of this run.
            folders[:] = []
            yield RunFolder(path, *_arm_and_seed(top, path), state, own or nested)


def _walked(top: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder once, and those in it, from which what is not to be walked is taken. Links are
    followed, for runs may lie on another disk, but not back to what is walked anyway (`latest`).
    """
    whole, seen = top.resolve(), set[Path]()
    for place, folders, _ in os.walk(top, followlinks=True):
        path, real = Path(place), Path(place).resolve()
        back = real.is_relative_to(whole) or whole.is_relative_to(real)
        if real in seen or (path != top and path.is_symlink() and back):
            folders[:] = []
            continue
        seen.add(real)
        yield path, folders


def _natural(name: str) -> list[tuple[str, int]]:
    """Numbers in a name as numbers, so that seed_10 comes after seed_9."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]


def _arm_and_seed(top: Path, path: Path) -> tuple[str, str]:
    """`ARM/SEED`, or one folder whose name ends in `seed3`, also above that of the run's files
    (`ARM/3/validation`, `seed3/version_0`); raises UserError for neither.
    """
    parts = path.relative_to(top).parts or (path.name,)
    at = _seed_at(parts)
    arm, named = "/".join(parts[:at]), SEED.fullmatch(parts[at])
    if named:
        own = named["arm"]
        return "/".join(filter(None, [arm, own])) or top.resolve().name, named["seed"]
    if not arm:
        raise UserError(
            f"{path} is a run of which it is not known which recipe and seed it is: lay runs into"
            " folders ARM/SEED, or call them such as ARM_seed3."
        )
    return arm, parts[at]


def _seed_at(parts: Sequence[str]) -> int:
    """Which of the folders is that of the seed."""
    last = at = len(parts) - 1
    while at and PART.fullmatch(parts[at]):
        at -= 1
    if parts[at].isdecimal():
        return at
    # Of SEED/ARM too: its arms are refused as copies, or each seed would be read as a recipe.
    if named := [index for index, part in enumerate(parts) if SEED.fullmatch(part)]:
        return named[-1]
    # ARM/version_0, ARM/version_1 are Lightning's runs of one recipe.
    return last if parts[last].lower().startswith("version_") else at
