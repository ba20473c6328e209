"""trials.jsonl: one row per finished trial, with checksums of itself and of the trial's files.

A row comes last: a trial that has one has everything else too. What changed since it was written is
found when a sweep goes on, and run again.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.failure import has_failed
from jaxtune.core.files import digest, finite, folder_digest, replace_file
from jaxtune.storage.paths import HISTORY, PARAMS, PREDICTIONS, TRIALS

Row = dict[str, Any]
# Column -> the trial's file that it vouches for.
FILES = {"history_sha256": (HISTORY, "parquet"), "predictions_sha256": (PREDICTIONS, "npy")}
SAVED = "params_sha256"  # of the folder, where parameters were saved
OWN = "row_sha256"
CHECKSUMS = (*FILES, SAVED, OWN)
# Of a trial's answers to a further set, whose name stands between.
_BEFORE, _AFTER = f"{PREDICTIONS}/", "_sha256"


def vouches(column: str) -> bool:
    """Whether a row's column is a checksum."""
    return column in CHECKSUMS or column.startswith(_BEFORE)


def append_rows(out: Path, rows: Sequence[Row]) -> None:
    """Adds rows with checksums; returns when they are on disk. A half-written last line goes."""
    text = "".join(_line(_sealed(out, row)) for row in rows)
    path = out / TRIALS
    whole = path.read_bytes().rfind(b"\n") + 1 if path.exists() else 0
    with path.open("ab") as file:
        file.truncate(whole)
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def read_rows(out: Path) -> list[Row]:
    """The rows in trial order, no half-written last line; UserError for a line that is no row.

    `failed` is what `core.failure` says today, whatever the version that wrote the row.
    """
    rows = []
    for number, line in enumerate(_lines(out), 1):
        row = _parsed(line)
        if row is None:
            raise UserError(
                f"{out / TRIALS}:{number} is damaged; give the sweep's command again, and it"
                " repeats that trial."
            )
        rows.append(_judged(row))
    return sorted(rows, key=lambda row: row["trial"])


def finished_rows(out: Path) -> list[Row]:
    """The rows, of which there is at least one; raises UserError where there is none."""
    rows = read_rows(out)
    if not rows:
        raise UserError(f"{out} holds no finished trial ({TRIALS}); give the --out of a sweep.")
    return rows


def check_rows(out: Path) -> tuple[list[Row], list[str]]:
    """The rows that are as written, files and all, in trial order; a sentence for each other."""
    sound: dict[int, Row] = {}
    damages = []
    for number, line in enumerate(_lines(out), 1):
        row = _parsed(line)
        damage = f"{TRIALS}:{number} has changed" if row is None else _damage(out, row)
        if row is None or damage:
            damages.append(f"{damage} since it was written")
        else:
            sound[row["trial"]] = row
    return [sound[number] for number in sorted(sound)], damages


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
    path = out / TRIALS
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def cut_line(out: Path) -> int | None:
    """The number of a last line without an end, which a kill or a full disk leaves."""
    path = out / TRIALS
    data = path.read_bytes() if path.exists() else b""
    return data.count(b"\n") + 1 if data and not data.endswith(b"\n") else None


def _parsed(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or not isinstance(row.get("trial"), int):
        return None
    scores = (row.get("final"), row.get("trivial"))
    return row if all(s is None or isinstance(s, int | float) for s in scores) else None


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
    for column in (*FILES, *(name for name in row if name.startswith(_BEFORE))):
        file = _file(row["trial"], column)
        if not (out / file).is_file():
            return f"{file} has gone"
        if digest(out / file) != row[column]:
            return f"{file} has changed"
    return params_damage(out, row)


def params_damage(out: Path, row: Row) -> str | None:
    """What is wrong with a trial's saved parameters, if anything is."""
    if SAVED in row and row[SAVED] != folder_digest(_params(out, row)):
        return f"{_params(out, row).relative_to(out)} has changed"
    return None


def files_of(out: Path, trial: int) -> dict[str, Path]:
    """A trial's files, as paths in OUT, by the column that vouches for each."""
    answered = sorted((out / PREDICTIONS).glob(f"*/{trial:05d}.npy"))
    columns = (*FILES, *(f"{_BEFORE}{file.parent.name}{_AFTER}" for file in answered))
    return {column: _file(trial, column) for column in columns}


def _file(trial: int, column: str) -> Path:
    """In OUT, the file that a column vouches for."""
    further = Path(PREDICTIONS, column.removeprefix(_BEFORE).removesuffix(_AFTER))
    folder, suffix = FILES.get(column, (further, "npy"))
    return Path(folder, f"{trial:05d}.{suffix}")


def _params(out: Path, row: Row) -> Path:
    return out / PARAMS / f"{row['trial']:05d}"


def _row_digest(row: Row) -> str:
    own = {name: value for name, value in row.items() if name != OWN}
    return hashlib.sha256(json.dumps(own).encode()).hexdigest()
