"""Where scores come from: tables, folders, the command line and Python; each becomes a source of a
report.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.core.errors import UsageError, UserError
from jaxtune.core.failure import trivial_floor
from jaxtune.core.fields import plain_number
from jaxtune.core.files import digest, shortest_ends
from jaxtune.core.metrics import METRICS, evaluate
from jaxtune.core.words import listed
from jaxtune.report.scores.exports import finished_lines, recognised
from jaxtune.report.scores.floors import check_floor, said_of_floor, stated_floor
from jaxtune.report.scores.folders import folder_runs
from jaxtune.report.scores.predictions import labels_in, read_logits
from jaxtune.report.scores.rows import counted, doubt_of_units, metric_of, rows_of
from jaxtune.report.scores.runs import GROUP, TASK, Given, Run, plain_seed, run_of
from jaxtune.report.scores.tables import read_lines
from jaxtune.report.sources import Source, TrialRecord, printable
from jaxtune.storage.trial_rows import Row

# A score that was rounded to three digits and one computed from the predictions are the same.
ROUNDED = 1e-3


@dataclasses.dataclass(eq=False)
class Reading:
    """Runs as they were read, the dev labels where they are there, and what to say of both."""

    runs: list[Run]
    labels: np.ndarray | None = None
    said: tuple[str, ...] = ()


def places_source(places: Sequence[Path], given: Given) -> Source:
    """The runs of all tables and folders, which are parts of one table."""
    readings = [_read(place, given) for place in places]
    runs = [run for reading in readings for run in reading.runs]
    labels = [reading.labels for reading in readings if reading.labels is not None]
    for place, other in zip(places[1:], labels[1:], strict=False):
        if not np.array_equal(other, labels[0]):
            raise UserError(
                f"{places[0]} and {place} have different labels, and their scores do not compare;"
                " report on each by itself."
            )
    said = tuple(text for reading in readings for text in reading.said)
    name = ", ".join(printable(end) for end in shortest_ends([p.resolve() for p in places]))
    checksums = {str(place): digest(place) for place in places if place.is_file()}
    reading = Reading(runs, labels[0] if labels else None, said)
    return _source(reading, given, places[0], name, checksums)


def _read(place: Path, given: Given) -> Reading:
    if place.is_dir():
        runs, said = folder_runs(place, given)
        return Reading(runs, labels_in(place), said)
    lines, said = read_lines(place), ()
    if export := recognised(lines):
        lines, said = finished_lines(lines, export)
    if not lines:
        raise UserError(f"{place} holds no run that has finished. {' '.join(said)}")
    labels = labels_in(place.parent) if "predictions" in lines[0].cells else None

    def logits(name: str) -> np.ndarray:
        return read_logits(place.parent / name, labels)

    return Reading([run_of(line, given, logits) for line in lines], labels, said)


def word_source(words: Sequence[str], given: Given) -> Source:
    """The runs of words such as `A=0.71,0.69`; raises UsageError for what is none."""
    runs: list[Run] = []
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or not name.strip() or not values.strip():
            raise UsageError(f"--scores is {word!r}; give NAME=SCORE,SCORE such as A=0.71,0.69.")
        if any(run.arm == name.strip() for run in runs):
            raise UsageError(f"--scores gives {name.strip()!r} twice; give each arm once.")
        runs += _runs(name.strip(), values.strip(",").split(","), given)
    return _source(Reading(runs), given, Path(), "the given scores", {})


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
        seeds = [plain_seed(seed) for seed in own] if isinstance(own, Mapping) else None
        values = list(own.values()) if isinstance(own, Mapping) else list(own)
        if not values:
            raise UserError(f"[{name}] has no scores; give two or more, or take it out.")
        runs += _runs(str(name), values, given, seeds)
    return rows_of(runs, given)


def _runs(
    arm: str, values: Sequence[Any], given: Given, seeds: Sequence[str] | None = None
) -> list[Run]:
    names = [f"score {number} of [{arm}]" for number in range(1, len(values) + 1)]
    each = [(seed,) * 3 for seed in seeds] if seeds else [None] * len(values)
    return [
        Run(where, arm, seed, _score(where, value), dev_examples=given.dev_examples)
        for where, seed, value in zip(names, each, values, strict=True)
    ]


def _score(where: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        score = float(plain_number(value))
    except (TypeError, ValueError):
        raise UserError(f"{where} is {value!r}; give a number such as 0.712.") from None
    return score if math.isfinite(score) else None


def _check_strata(runs: Sequence[Run]) -> None:
    """Raises UserError for a run without a task, or a group, where others name theirs."""
    for name in (TASK, GROUP):
        named = next((run for run in runs if getattr(run, name) is not None), None)
        bare = next((run for run in runs if getattr(run, name) is None), None)
        if named and bare:
            raise UserError(
                f"{bare.where} has no {name}, and {named.where} has {getattr(named, name)!r}; give"
                " it to every run, or to none."
            )


def _source(
    reading: Reading, given: Given, out: Path, name: str, checksums: Mapping[str, str]
) -> Source:
    _check_strata(reading.runs)
    strata: dict[tuple[str | None, str | None], list[Run]] = {}
    for run in reading.runs:
        strata.setdefault((run.task, run.group), []).append(run)
    if len(strata) > 1:
        return _many(reading, list(strata.values()), given, out, name, checksums)
    runs, labels = reading.runs, reading.labels
    metric = metric_of(runs, given)
    said, exact = [*reading.said], None
    if labels is not None and metric in METRICS:
        width = max((run.logits.shape[1] for run in runs if run.logits is not None), default=2)
        exact = trivial_floor(metric, labels, width)
        check_floor(stated_floor(runs, given), exact)
        said.append("The floor is computed from the labels.")
        runs = [_checked(run, metric, labels) for run in runs]
    rows = [row | {"arm": printable(row["arm"])} for row in rows_of(runs, given, exact)]
    stated = stated_floor(runs, given) if exact is None else None
    return Source(
        out=out,
        name=name,
        trials=tuple(
            TrialRecord(row, run.curves, run.logits, labels)
            for row, run in zip(rows, runs, strict=True)
        ),
        planned=None,
        config="",
        manifest={"sha256": dict(checksums)},
        throughput=None,
        classes=None,
        reading=_reading(runs, rows, name, [*said, *_doubts(runs, rows, stated)]),
    )


def _many(
    reading: Reading,
    strata: Sequence[list[Run]],
    given: Given,
    out: Path,
    name: str,
    checksums: Mapping[str, str],
) -> Source:
    """Runs of several tasks, each with a metric and a floor of its own.

    Raises UserError for a floor of the command line, which can be no more than one task's.
    """
    if given.floor is not None:
        tasks = listed(str(runs[0].task or runs[0].group) for runs in strata)
        raise UserError(
            f"--floor is one number, and there are several tasks ({tasks}); give a column floor."
        )
    unknown = [metric_of(runs, given) not in METRICS for runs in strata]
    # --lower_is_better is of the tasks whose metric does not tell, where there are some.
    own = [
        given._replace(lower_is_better=given.lower_is_better and (here or not any(unknown)))
        for here in unknown
    ]
    parts = [
        _source(Reading(runs), each, out, name, checksums)
        for runs, each in zip(strata, own, strict=True)
    ]
    numbered = [trial for part in parts for trial in part.trials]
    trials = [
        dataclasses.replace(trial, row=trial.row | {"trial": number})
        for number, trial in enumerate(numbered)
    ]
    said = [
        f"{runs[0].task or runs[0].group}: {text}"
        for runs, part in zip(strata, parts, strict=True)
        for text in part.reading
    ]
    return dataclasses.replace(parts[0], trials=tuple(trials), reading=(*reading.said, *said))


def _checked(run: Run, metric: str, labels: np.ndarray) -> Run:
    """With the score that its predictions give; raises UserError where it is another one."""
    if run.logits is None or run.score is None:
        return run
    score = evaluate([metric], run.logits, labels)[metric]
    if not abs(score - run.score) <= ROUNDED:
        raise UserError(
            f"{run.where} has the {metric} {run.score:.4g}, and its predictions give {score:.4g} on"
            " these labels: give the predictions that it was scored by, in the labels' order."
        )
    return run._replace(score=score)


def _doubts(runs: Sequence[Run], rows: Sequence[Row], stated: float | None) -> list[str]:
    """Of a floor that was stated, and of the scores' unit."""
    first = rows[0]
    of_floor = said_of_floor(runs, stated, first["trivial"], first["higher_is_better"])
    return [doubt for doubt in (of_floor, doubt_of_units(rows)) if doubt]


def _reading(
    runs: Sequence[Run], rows: Sequence[Row], name: str, more: Sequence[str]
) -> tuple[str, ...]:
    """What was read, for people to see whether it is what they meant."""
    first = rows[0]
    floor = "no floor" if first["trivial"] is None else f"floor {first['trivial']:.4g}"
    way = "higher" if first["higher_is_better"] else "lower"
    said = [
        f"Read {counted(runs)} from {name}: {first['metric']}, of which {way} is better; {floor}.",
        *more,
    ]
    if "marked_failed" in first:
        marked = sum(row["marked_failed"] for row in rows)
        said.append(f"The column failed marks {marked} of them.")
    settings = dict.fromkeys(
        name for run in runs for name, value in run.settings.items() if value is not None
    )
    kept = [name for name in settings if name in first]
    varying = [name for name in settings if name not in first]
    if kept:
        said.append(f"Taken for settings of the arms: {listed(kept)}.")
    if varying:
        said.append(f"Left aside, for they vary within an arm: {listed(varying)}.")
    if unread := dict.fromkeys(name for run in runs for name in run.unread):
        said.append(f"Not read, for they say what came of a run: {listed(unread)}.")
    return tuple(said)
