"""OUT: whose it is, what it holds already, and what is noted there before a sweep begins."""

import contextlib
import os
import platform
import shutil
import warnings
from collections.abc import Generator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from jaxtune.config.field_groups import FURTHER_FIELDS, INPUT_FIELDS
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.config.text_values import shard_of
from jaxtune.config.trials import Trial, shown
from jaxtune.core.console import say
from jaxtune.core.entities import same_lengths
from jaxtune.core.errors import UserError
from jaxtune.core.files import finite, read_json, write_json, write_text
from jaxtune.core.records import AtOnce
from jaxtune.storage.inputs import Inputs, absolute, changes, moves, recorded_inputs
from jaxtune.storage.manifest import differences, read_manifest
from jaxtune.storage.paths import (
    ANSWERS,
    CHECKPOINTS,
    CLASSES,
    CONFIG,
    DAMAGED,
    FIRST_LEG,
    HISTORY,
    MANIFEST,
    PARAMS,
    PREDICTIONS,
    REPORT,
    REPRESENTATIONS,
    SUMMARY,
    TENSORBOARD,
    TRACKED,
    TRIALS,
)
from jaxtune.storage.results import further_sets, read_classes, read_labels, read_sentences
from jaxtune.storage.tracker_files import TRACKERS, left_by_trackers
from jaxtune.storage.trial_rows import Row, check_rows, cut_line, has_seeds

# In the order in which they are overwritten: what trials would go on from first, and last what
# tells that the folder is a sweep's, so that the same command can be given again wherever it ends.
OUTPUTS = (
    *(CHECKPOINTS, FIRST_LEG, CLASSES, SUMMARY, REPRESENTATIONS, *REPORT),
    *(HISTORY, PREDICTIONS, TENSORBOARD, PARAMS, TRACKED, *TRACKERS, DAMAGED),
    *(TRIALS, CONFIG, MANIFEST),
)
LOCK, HOLDER = ".lock", ".lock.json"
# In these a row may differ from its trial: places, what is asked after the last step, and a length
# that is more than the model has positions for, which was kept as it was given once.
_MAY_DIFFER = {*INPUT_FIELDS, *FURTHER_FIELDS, "max_length"}
# The folders that this process has locked, and which file each lock is: (device, inode).
_locks: dict[Path, tuple[int, int]] = {}


def out_folder(settings: Settings) -> Path:
    """`--out`, or a folder under runs/ named after task and model: the same command finds it; of a
    shard a folder of its own in there.
    """
    base = settings.base
    assert base.model is not None
    assert base.task is not None
    name = base.task if base.model == base.task else f"{base.task}-{Path(base.model).name}"
    folder = Path("runs") / name if base.out is None else Path(base.out)
    # So that the shards of one command line do not meet.
    return folder if base.shard is None else folder / shard_of(base.shard).folder


@contextlib.contextmanager
def locked(out: Path) -> Generator[None]:
    """Keeps other sweeps out of OUT, which is made; one that stays empty is taken away again.

    The system gives the lock back when its process ends, however it ends. Raises UserError where
    another holds it.
    """
    existed, place = out.exists(), out.absolute()
    lock = filelock.FileLock(out / LOCK)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():  # where a file system has no locks a file does as well
            warnings.simplefilter("ignore", UserWarning)
            lock.acquire(timeout=0)
        _locks[place] = _file_of(place / LOCK)
    except filelock.Timeout as error:
        raise UserError(f"{out} is in use by {_holder(out)}.") from error
    except OSError as error:
        raise UserError(
            f"{out} cannot be written ({error.strerror}); give another --out."
        ) from error
    try:
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        holder = {"process": os.getpid(), "host": platform.node(), "since": now}
        write_json(out / HOLDER, holder)
        yield
    finally:
        held = _is_held(place)
        del _locks[place]
        if held:  # else they are of another sweep
            (place / HOLDER).unlink(missing_ok=True)
            (place / LOCK).unlink(missing_ok=True)
        lock.release()
        if held and not existed:
            with contextlib.suppress(OSError):  # not empty: it holds a sweep now
                place.rmdir()


def check_held(out: Path) -> None:
    """Raises UserError where the lock that this process has on OUT is there no more: OUT has been
    taken away, and another sweep may have begun in its place.

    Asked before anything is written or taken away there.
    """
    place = out.absolute()
    if place in _locks and not _is_held(place):
        raise taken_away(out, LOCK)


def taken_away(out: Path, name: str) -> UserError:
    """What to say where a file of this name tells that OUT is no more the folder it was."""
    return UserError(
        f"{out} has been removed or moved while the sweep was writing to it ({name} is missing, or"
        " another one); put it back, or give another --out."
    )


def _is_held(place: Path) -> bool:
    try:
        return _file_of(place / LOCK) == _locks[place]
    except OSError:
        return False


def _file_of(path: Path) -> tuple[int, int]:
    """What tells the file at a path from one that has taken its place."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _holder(out: Path) -> str:
    """Who has locked OUT, and what to do."""
    who, do = "another sweep", "wait for it, or give another --out"
    with contextlib.suppress(UserError, KeyError, TypeError):
        holder = read_json(out / HOLDER)
        who = f"process {holder['process']} on {holder['host']} since {holder['since']}"
        # Where a file system has no locks nobody can tell whether it still runs there.
        if holder["host"] != platform.node():
            do += f", or, if that process is over, remove {out / LOCK}"
    return f"{who}; {do}"


def check_inputs(out: Path, inputs: Inputs, whole: bool) -> None:
    """Compares the files of model and data with those that OUT was begun with.

    Raises UserError where their bytes are others; says so where only their places are.

    Args:
        whole: whether a missing file is a change, too.
    """
    manifest = read_manifest(out / MANIFEST)
    if manifest is None:
        return
    before = recorded_inputs(out, manifest)
    if found := changes(before, inputs, whole and "inputs" in manifest):
        raise UserError(
            f"{out} was begun with other files ({'; '.join(found)}); give another --out, or"
            " --overwrite true."
        )
    for name, (then, now) in moves(before, inputs).items():
        say(f"{name} is {now}, and was {then} when {out} was begun: the same files (sha256).")


def finished_trials(out: Path, trials: Sequence[Trial]) -> dict[int, AtOnce]:
    """Trials that OUT holds whole: number -> beside how many it ran.

    What is damaged is said, and stays: the command may yet be refused. Raises UserError where a
    finished trial is none of this sweep's: its seeds have changed.
    """
    rows, damages, surplus = check_rows(out)
    if (cut := cut_line(out)) is not None:
        say(f"{out}: {TRIALS}:{cut} was cut off; that trial runs again.")
    for damage in damages:
        say(f"{out}: {damage}; that trial runs again.")
    for line in surplus:
        say(f"{out}: {line}; the last sound line counts.")
    ours = {trial.number: trial for trial in trials}
    for row in rows:
        check_trial(out, row, ours.get(row["trial"]))
    return {row["trial"]: AtOnce(row["group_size"], row.get("per_device")) for row in rows}


def check_trial(out: Path, row: Row, trial: Trial | None) -> None:
    """Raises UserError where a row is not of this trial: the sweep has others."""
    if trial and has_seeds(row, trial.seeds):
        if row["arm"] != trial.arm:
            raise UserError(
                f"{out} calls the arm of trial {row['trial']} [{row['arm']}], and here it is"
                f" [{trial.arm}]; give another --out."
            )
        _check_settings(out, row, trial)
        return
    raise UserError(
        f"{out} holds trial {row['trial']} with seed {row['seed']}, which these seeds do not; "
        "add seeds at the end of those there, or give another --out."
    )


def _check_settings(out: Path, row: Row, trial: Trial) -> None:
    """Raises UserError where a row is of another config; what it does not name are defaults."""
    for name, now in trial.settings.items():
        before = row.get(name, getattr(SweepConfig, name))
        if name not in _MAY_DIFFER and finite(before) != finite(now):  # as JSON has them
            raise UserError(
                f"{out} holds trial {row['trial']} with {name} {shown(name, before, ())}, and here"
                f" it is {shown(name, now, ())}; give another --out, or --overwrite true."
            )


def check_labels(
    out: Path,
    settings: Settings,
    classes: tuple[str, ...] | None,
    labels: np.ndarray,
    sentences: np.ndarray | None = None,
) -> None:
    """Refuses to add to results whose logits have their columns in another order, or that were
    scored against other labels.
    """
    if settings.base.overwrite or not (out / TRIALS).exists():
        return
    kept, kept_labels, kept_sentences = classes, labels, sentences
    if (out / CLASSES).exists():
        with contextlib.suppress(UserError):  # a damaged file is written anew
            kept, kept_labels = read_classes(out), read_labels(out)
            kept_sentences = read_sentences(out)
    elif settings.base.task == "custom" and classes is not None:
        # jaxtune 0.1.0, which left no such file, took numbers in the order of texts.
        kept = tuple(sorted(classes))
    same = np.array_equal(kept_labels, labels) and same_lengths(kept_sentences, sentences)
    if kept != classes or not same:
        raise UserError(
            f"{out} holds predictions for the classes {kept} or for other dev labels, and now the"
            f" classes are {classes}; give another --out, or --overwrite true."
        )


def drop_begun(out: Path) -> None:
    """Takes away what unfinished trials would go on from."""
    for name in (CHECKPOINTS, FIRST_LEG):
        shutil.rmtree(out / name, ignore_errors=True)


def begin(out: Path, settings: Settings, run: dict[str, Any]) -> None:
    """Manifest and config; a continued sweep keeps its first manifest and adds this run to it.

    Warns of other versions.
    """
    path = out / MANIFEST
    if settings.base.overwrite:
        _drop_outputs(out)
    if not (out / CONFIG).exists():  # nothing tells whose they are
        drop_begun(out)
    (out / SUMMARY).unlink(missing_ok=True)  # of fewer trials than there will be
    # What orbax was writing when a process was killed; the lock says nobody is writing now.
    for leftover in (out / PARAMS).glob("*/*.orbax-checkpoint-tmp*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # Without its config it is of a sweep that was killed as it began, and nothing of that has run.
    first = (read_manifest(path) if (out / CONFIG).exists() else None) or run
    if first is not run:
        for difference in differences(first, run):
            say(f"Warning: {out} was begun with {difference}.")
        first.setdefault("continued", []).append(run)
    # In this order: a folder with a manifest is a sweep's, which may be overwritten. A config alone
    # may be a user's own.
    write_json(path, first)
    write_text(out / CONFIG, absolute(settings).as_yaml())


def _drop_outputs(out: Path) -> None:
    """Takes away what a sweep has left, and of answers those to the sets that it was asked."""
    for name in further_sets(out):
        (out / f"{name}{ANSWERS}").unlink(missing_ok=True)
    kept = {*TRACKERS} - left_by_trackers(out)
    for name in OUTPUTS:
        if name in kept:
            continue
        shutil.rmtree(out / name, ignore_errors=True)
        if (out / name).is_file():
            (out / name).unlink()
