"""Where scores come from: files, the command line and Python; each becomes a source of a report."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UsageError, UserError
from jaxtune.core.files import digest, shortest_ends
from jaxtune.core.words import listed
from jaxtune.report.scores.runs import Given, Run, counted, rows_of, runs_of
from jaxtune.report.scores.tables import read_lines
from jaxtune.report.sources import Source, TrialRecord, printable
from jaxtune.storage.trial_rows import Row


def file_source(files: Sequence[Path], given: Given) -> Source:
    """The runs of all files, which are parts of one table."""
    runs = [run for file in files for run in runs_of(read_lines(file), given)]
    name = ", ".join(printable(end) for end in shortest_ends([file.resolve() for file in files]))
    checksums = {str(file): digest(file) for file in files}
    return _source(runs, given, files[0], name, checksums)


def word_source(words: Sequence[str], given: Given) -> Source:
    """The runs of words such as `A=0.71,0.69`; raises UsageError for what is none."""
    runs: list[Run] = []
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or not name.strip() or not values.strip():
            raise UsageError(f"--scores is {word!r}; give NAME=SCORE,SCORE such as A=0.71,0.69.")
        if any(run.arm == name.strip() for run in runs):
            raise UsageError(f"--scores gives {name.strip()!r} twice; give each arm once.")
        runs += _runs(name.strip(), values.strip(",").split(","))
    return _source(runs, given, Path(), "--scores", {})


def given_rows(scores: Any, given: Given) -> list[Row]:
    """Rows of scores by arm: a list, or a dict by seed.

    Raises UserError for what is no number, an arm with one run, and what `rows_of` refuses.
    """
    if not isinstance(scores, Mapping) or not scores:
        raise UserError('Give scores by arm, such as {"A": [0.71, 0.69], "B": [0.72, 0.73]}.')
    runs: list[Run] = []
    for name, own in scores.items():
        if isinstance(own, str) or not hasattr(own, "__iter__"):
            raise UserError(f"The scores of [{name}] are {own!r}; give a list, or a dict by seed.")
        seeds = [str(seed) for seed in own] if isinstance(own, Mapping) else None
        values = list(own.values()) if isinstance(own, Mapping) else list(own)
        runs += _runs(str(name), values, seeds)
    return rows_of(runs, given)


def _runs(arm: str, values: Sequence[Any], seeds: Sequence[str] | None = None) -> list[Run]:
    found = []
    for number, value in enumerate(values, 1):
        where = f"score {number} of [{arm}]"
        seed = (seeds[number - 1],) * 3 if seeds else None
        score = _score(where, value)
        found.append(Run(where, arm, seed, score, None, None, None, None, None, {}))
    return found


def _score(where: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        score = float(value)
    except (TypeError, ValueError):
        raise UserError(f"{where} is {value!r}; give a number such as 0.712.") from None
    return score if math.isfinite(score) else None


def _source(
    runs: list[Run], given: Given, out: Path, name: str, checksums: Mapping[str, str]
) -> Source:
    rows = [row | {"arm": printable(row["arm"])} for row in rows_of(runs, given)]
    return Source(
        out=out,
        name=name,
        trials=tuple(TrialRecord(row, {}, None) for row in rows),
        planned=None,
        config="",
        manifest={"sha256": dict(checksums)},
        throughput=None,
        classes=None,
        reading=_reading(runs, rows, name),
    )


def _reading(runs: Sequence[Run], rows: Sequence[Row], name: str) -> tuple[str, ...]:
    """What was read, for people to see whether it is what they meant."""
    first = rows[0]
    floor = "no floor" if first["trivial"] is None else f"floor {first['trivial']:g}"
    way = "higher" if first["higher_is_better"] else "lower"
    said = [
        f"Read {counted(runs)} from {name}: {first['metric']}, of which {way} is better; {floor}."
    ]
    if "marked_failed" in first:
        marked = sum(row["marked_failed"] for row in rows)
        said.append(f"The column failed marks {marked} of them.")
    settings = dict.fromkeys(name for run in runs for name in run.settings)
    kept = [name for name in settings if name in first]
    varying = [name for name in settings if name not in first]
    if kept:
        said.append(f"Taken for settings of the arms: {listed(kept)}.")
    if varying:
        said.append(f"Left aside, for they vary within an arm: {listed(varying)}.")
    return tuple(said)
