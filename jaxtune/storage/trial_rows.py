"""trials.jsonl: one row per finished trial, with checksums of itself and of the trial's files.

A row comes last: a trial that has one has everything else too. What changed since it was written is
found when a sweep goes on, and run again; a line that is taken out is kept beside the others.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from jaxtune.config.field_groups import INPUT_FIELDS
from jaxtune.config.trials import Seeds
from jaxtune.core.errors import UserError
from jaxtune.core.failure import has_failed
from jaxtune.core.files import digest, finite, folder_digest, replace_file
from jaxtune.storage.paths import (
    DAMAGED,
    HISTORY,
    MANIFEST,
    PARAMS,
    PREDICTIONS,
    TRIALS,
    trial_name,
)

Row = dict[str, Any]
# Column -> the trial's file that it vouches for.
FILES = {"history_sha256": (HISTORY, "parquet"), "predictions_sha256": (PREDICTIONS, "npy")}
SAVED = "params_sha256"  # of the folder, where parameters were saved
OWN = "row_sha256"
CHECKSUMS = (*FILES, SAVED, OWN)
# Of a trial's answers to a further set, whose name stands between.
_BEFORE, _AFTER = f"{PREDICTIONS}/", "_sha256"
# Where a trial's model and data lay, as its sweep spelled that.
PLACES = (*INPUT_FIELDS, "revision", "test_file", "more_dev_files")
# In these a trial that ran twice may differ; parameters lie in files with the time in them.
_OF_THE_RUN = {*PLACES, "seconds", "group_size", OWN, SAVED}
STREAMS = ("init_seed", "order_seed", "dropout_seed")
SEEDS = ("seed", *STREAMS)


class Checked(NamedTuple):
    """What trials.jsonl holds."""

    rows: list[Row]  # as they were written, files and all, in trial order, one of each trial
    damages: list[str]  # a sentence for each other line whose trial has no sound one
    surplus: list[str]  # a sentence for each other line whose trial has a sound one


def has_seeds(row: Row, seeds: Seeds) -> bool:
    """Whether a row is of the trial with these seeds, if it is of its arm."""
    return all(row[name] == getattr(seeds, name) for name in SEEDS)


def vouches(column: str) -> bool:
    """Whether a row's column is a checksum."""
    return column in CHECKSUMS or column.startswith(_BEFORE)


def append_rows(out: Path, rows: Sequence[Row]) -> None:
    """Adds rows with checksums; returns when they are on disk. A half-written last line goes."""
    text = "".join(_line(_sealed(out, row)) for row in rows)
    whole = sum(len(line) + 1 for line in _lines(out))
    with (out / TRIALS).open("ab") as file:
        file.truncate(whole)
        _write_synced(file, text.encode())


def _write_synced(file: BinaryIO, data: bytes) -> None:
    """Returns when what is written is on disk."""
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def read_rows(out: Path) -> list[Row]:
    """The rows in trial order, no half-written last line; a trial that stands there twice is taken
    once. Raises UserError for a line that is no row, or not as it was written.

    `failed` is what `core.failure` says today, whatever the version that wrote the row.
    """
    rows: dict[int, Row] = {}
    for number, line in enumerate(_lines(out), 1):
        row = _intact(line)
        if row is None:
            raise UserError(
                f"{out / TRIALS}:{number} is damaged; give the sweep's command again, and it"
                " repeats that trial."
            )
        if result_of(rows.get(row["trial"], row)) != result_of(row):
            raise UserError(
                f"{out / TRIALS}:{number} has other results of trial {row['trial']} than a line"
                " before; give the sweep's command again, and it keeps those whose files are there."
            )
        rows[row["trial"]] = row
    return [_judged(rows[number]) for number in sorted(rows)]


def intact_rows(out: Path) -> list[Row]:
    """The rows that are as they were written, before what is damaged is taken out."""
    rows = {row["trial"]: row for row in map(_intact, _lines(out)) if row is not None}
    return [_judged(rows[number]) for number in sorted(rows)]


def checksums(out: Path) -> dict[Path, str]:
    """What the rows say of their trials' histories and answers: file -> sha256."""
    return {file: sha for row in intact_rows(out) for file, sha in checksums_of(out, row).items()}


def checksums_of(out: Path, row: Row) -> dict[Path, str]:
    """The same of one row."""
    columns = (*filter(row.get, FILES), *(name for name in row if name.startswith(_BEFORE)))
    return {out / _file(row["trial"], column): row[column] for column in columns}


def result_of(row: Row) -> Row:
    """What of a row is the same wherever, and however often, its trial runs."""
    return {name: value for name, value in row.items() if name not in _OF_THE_RUN}


def finished_rows(out: Path) -> list[Row]:
    """The rows, of which there is at least one; raises UserError where there is none."""
    if rows := read_rows(out):
        return rows
    if (out / MANIFEST).is_file():  # written before any trial runs
        raise UserError(
            f"No trial of the sweep in {out} has finished yet; wait for the first, or give the"
            " sweep's command again."
        )
    raise UserError(f"{out} holds no finished trial ({TRIALS}); give the --out of a sweep.")


def check_rows(out: Path) -> Checked:
    """The rows, each compared with its checksum and with the trial's files."""
    sound: dict[int, Row] = {}
    surplus: list[str] = []
    damaged: list[tuple[Row | None, str]] = []  # with the row, where that is as it was written
    for number, line in enumerate(_lines(out), 1):
        row = _parsed(line)
        damage = f"{TRIALS}:{number} has changed" if row is None else _damage(out, row)
        if row is None or damage:
            damaged.append((_intact(line), f"{damage} since it was written"))
            continue
        if row["trial"] in sound:
            surplus.append(f"{TRIALS}:{number} holds trial {row['trial']} once more")
        sound[row["trial"]] = row
    damages: list[str] = []
    for row, why in damaged:
        runs_again = row is None or row["trial"] not in sound
        (damages if runs_again else surplus).append(why)
    return Checked([sound[number] for number in sorted(sound)], damages, surplus)


def mend_rows(out: Path, num_finished: int) -> None:
    """Takes out the lines that are no sound row, and one of two of a trial; none of them is lost.

    Args:
        num_finished: of how many trials `check_rows` has found sound rows: their files are not read
            again where there is no other line.
    """
    lines = _lines(out)
    if len(lines) == num_finished:
        return
    rows = check_rows(out).rows
    kept = {_line(row).encode() for row in rows}
    taken_out = [line for each in lines if (line := each + b"\n") not in kept]
    with (out / DAMAGED).open("ab") as file:
        _write_synced(file, b"".join(taken_out))
    rewrite_rows(out, rows)


def rewrite_rows(out: Path, rows: Sequence[Row]) -> None:
    """Only these rows, checksums as they are."""
    text = "".join(map(_line, rows))
    replace_file(out / TRIALS, lambda part: part.write_text(text, encoding="utf-8"))


def respelled(row: Row, values: Row) -> Row:
    """A row with other values, and the checksum of that."""
    changed = row | values
    return changed | {OWN: _row_digest(changed)}


def _judged(row: Row) -> Row:
    known = row.keys() >= {"final", "trivial", "diverged"}  # else it is no sweep's
    return row | {"failed": has_failed(row)} if known else row


def _lines(out: Path) -> list[bytes]:
    """Raises UserError where they cannot be read."""
    try:
        return (out / TRIALS).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(
            f"cannot read {out / TRIALS} ({error.strerror}): give the folder of a sweep that you"
            " may read"
        ) from error


def cut_line(out: Path) -> int | None:
    """The number of a last line without an end, which a kill or a full disk leaves."""
    path = out / TRIALS
    *lines, last = path.read_bytes().split(b"\n") if path.exists() else [b""]
    return len(lines) + 1 if last else None


def _intact(line: bytes) -> Row | None:
    """A row, where it is as it was written; one without a checksum is another writer's."""
    row = _parsed(line)
    changed = row is not None and OWN in row and row[OWN] != _row_digest(row)
    return None if changed else row


def _parsed(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or not isinstance(row.get("trial"), int):
        return None
    numbers = [row.get(name) for name in ("final", "trivial", *SEEDS)]
    return row if all(n is None or isinstance(n, int | float) for n in numbers) else None


def _line(row: Row) -> str:
    return json.dumps(row, allow_nan=False) + "\n"


def _sealed(out: Path, row: Row) -> Row:
    row = finite(row)
    for column, file in files_of(out, row["trial"]).items():
        row[column] = digest(out / file)
    if _params(out, row).is_dir():
        row[SAVED] = folder_digest(_params(out, row))
    return row | {OWN: _row_digest(row)}


def _damage(out: Path, row: Row) -> str | None:
    if row.get(OWN) != _row_digest(row):
        return f"the row of trial {row['trial']} has changed"
    for file, sha256 in checksums_of(out, row).items():
        if not file.is_file():
            return f"{file.relative_to(out)} has gone"
        if digest(file) != sha256:
            return f"{file.relative_to(out)} has changed"
    return params_damage(out, row)


def params_damage(out: Path, row: Row) -> str | None:
    """What is wrong with a trial's saved parameters, if anything is."""
    folder = _params(out, row)
    if SAVED not in row or row[SAVED] == folder_digest(folder):
        return None
    return f"{folder.relative_to(out)} has {'changed' if folder.is_dir() else 'gone'}"


def files_of(out: Path, trial: int) -> dict[str, Path]:
    """A trial's files, as paths in OUT, by the column that vouches for each."""
    answered = sorted((out / PREDICTIONS).glob(f"*/{trial_name(trial)}.npy"))
    columns = (*FILES, *(f"{_BEFORE}{file.parent.name}{_AFTER}" for file in answered))
    return {column: _file(trial, column) for column in columns}


def _file(trial: int, column: str) -> Path:
    """In OUT, the file that a column vouches for."""
    further = Path(PREDICTIONS, column.removeprefix(_BEFORE).removesuffix(_AFTER))
    folder, suffix = FILES.get(column, (further, "npy"))
    return Path(folder, f"{trial_name(trial)}.{suffix}")


def _params(out: Path, row: Row) -> Path:
    return out / PARAMS / trial_name(row["trial"])


def _row_digest(row: Row) -> str:
    own = {name: value for name, value in row.items() if name != OWN}
    return hashlib.sha256(json.dumps(own).encode()).hexdigest()
