"""Sends to a tracker what it has not been sent yet, from what a sweep has left in OUT.

Nothing is lost where a tracker fails: OUT has it all, and the same command sends the rest.
"""

import contextlib
import importlib
import secrets
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import filelock

from jaxtune.core.console import ProgressLine, say
from jaxtune.core.errors import UserError
from jaxtune.core.files import digest, read_json, write_json
from jaxtune.core.words import plural
from jaxtune.report.writing import write_page
from jaxtune.storage.paths import TRACKED, TRIALS
from jaxtune.storage.tensorboard import run_names
from jaxtune.storage.trial_rows import OWN, Row, finished_rows
from jaxtune.track.project import PROJECT, place_at, project_of, without_secrets
from jaxtune.track.runs import Tracker, tracked_run

TRACKERS = {"wandb": "WandbTracker", "mlflow": "MlflowTracker", "trackio": "TrackioTracker"}


class Sent:
    """OUT/tracked.json: the trials that lie at each place, with the checksums of their rows, and of
    which rows the report there is.

    A trial is noted when it is there; one that was under way when a process was killed is sent
    again.
    """

    def __init__(self, file: Path):
        self._file = file
        noted: Any = None
        if file.exists():
            with contextlib.suppress(UserError):
                noted = read_json(file)
            if not _is_whole(noted):
                raise UserError(
                    f"{file} is damaged, and what has been sent is not known; restore it, or take"
                    " it away, and all trials are sent again."
                )
        self._noted = noted or {"sweep": secrets.token_hex(4), "places": {}}
        # Places were noted without their project once: it was the sweep's own.
        own = project_of(file.parent)
        self._noted["places"] = {
            place if PROJECT in place else place_at(place, own): _with_checksums(there)
            for place, there in self._noted["places"].items()
        }

    @property
    def sweep(self) -> str:
        """A name that no other sweep has."""
        return self._noted["sweep"]

    def of(self, place: str, empty: bool) -> dict[str, Any]:
        """What lies at a place; of what was noted nothing, where that has been taken away."""
        if empty and self._noted["places"].pop(place, None):
            self.save()  # before the place is filled again
        return self._noted["places"].setdefault(place, {"trials": {}, "report_of": None})

    def save(self) -> None:
        """Writes it, whole or not at all."""
        write_json(self._file, self._noted)


def _is_whole(noted: Any) -> bool:
    match noted:
        case {"sweep": str(), "places": dict(places)}:
            return all(map(_is_place, places.values()))
    return False


def _is_place(there: Any) -> bool:
    match there:
        case {"trials": dict() | list(), "report_of": _}:
            return True
    return False


def _with_checksums(there: dict[str, Any]) -> dict[str, Any]:
    """Trials were noted without the checksums of their rows once: those count as sent."""
    if isinstance(there["trials"], dict):
        return there
    return there | {"trials": dict.fromkeys(map(str, there["trials"]))}


def _is_sent(row: Row, there: dict[str, Any]) -> bool:
    """Whether a trial lies there, and has not been run again since."""
    number = str(row["trial"])
    return number in there["trials"] and there["trials"][number] in (None, row.get(OWN))


def send(out: Path, name: str) -> None:
    """Sends the trials of OUT that are not there yet, and the report if rows have been added.

    Raises UserError where the tracker does not take them, or another process sends them.
    """
    rows = finished_rows(out)
    with _alone(out):
        _send(out, name, rows)


@contextlib.contextmanager
def _alone(out: Path) -> Generator[None]:
    """Two processes would both send what neither has noted yet. A sweep that still fills OUT has a
    lock of its own.

    The file stays: who has opened one that is then taken away locks it, and the next one another.
    """
    lock = filelock.FileLock(out / f".{TRACKED}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise UserError(f"Another process sends the trials of {out}; wait for it.") from error
    try:
        yield
    finally:
        lock.release()


def _send(out: Path, name: str, rows: list[Row]) -> None:
    sent = Sent(out / TRACKED)
    tracker = _guarded(name, lambda: _open(out, name))
    there = sent.of(tracker.place, _guarded(name, lambda: tracker.empty))
    sweep = f"{out.resolve()} ({sent.sweep})"
    left = [row for row in rows if not _is_sent(row, there)]
    names = run_names(row["arm"] for row in rows)
    with ProgressLine("runs", len(left)) as line:
        for number, row in enumerate(left, 1):
            key = f"{sent.sweep}-{row['trial']:05d}"
            run = tracked_run(out, row, names[row["arm"]], key, sweep)
            _guarded(name, lambda run=run: tracker.send(run))
            there["trials"][str(row["trial"])] = row.get(OWN)
            sent.save()
            line.update(number, f"to {name}")
    rows_digest = digest(out / TRIALS)
    if there["report_of"] != rows_digest:
        with tempfile.TemporaryDirectory() as folder:
            page = write_page(out, Path(folder))
            _guarded(name, lambda: tracker.attach(page, f"{sent.sweep}-report", sweep))
        there["report_of"] = rows_digest
        sent.save()
    before = len(rows) - len(left)
    already = f" ({before} were there)" if before else ""
    say(f"Sent {plural(len(left), 'trial')}{already} to {tracker.seen_with}")


def _open(out: Path, name: str) -> Tracker:
    module = importlib.import_module(f"jaxtune.track.to_{name}")
    return getattr(module, TRACKERS[name])(out)


def _guarded(name: str, act: Any) -> Any:
    """What an act of the tracker's library gives; its errors, of any type, as a UserError."""
    try:
        return act()
    except UserError:
        raise
    except Exception as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{name} did not take them ({without_secrets(why)}); OUT has all trials, and `jaxtune"
            f" track OUT --to {name}` sends what is not there."
        ) from error
