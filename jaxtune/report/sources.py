"""What the folders of a report hold so far: a sweep may still run, or may have been cut off."""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from jaxtune.config.looks import times_at
from jaxtune.core.entities import Sentences
from jaxtune.core.errors import UserError
from jaxtune.core.files import read_json, read_text, shortest_ends
from jaxtune.core.words import plural
from jaxtune.report.apart import check_apart
from jaxtune.report.planned import Planned, planned
from jaxtune.stats.representations import Distances
from jaxtune.stats.wording import have
from jaxtune.storage.inputs import inputs_of, one_spelling
from jaxtune.storage.paths import (
    CLASSES,
    CONFIG,
    HISTORY,
    LABELS,
    MANIFEST,
    PREDICTIONS,
    REPRESENTATIONS,
    SENTENCES,
    SUMMARY,
    TRIALS,
    trial_name,
)
from jaxtune.storage.results import read_whole
from jaxtune.storage.trial_rows import Row, checksums, finished_rows, vouches

LOSS, DEV = "loss", "dev"
# A row without these is no trial's.
NEEDED = {
    *("trial", "arm", "seed", "init_seed", "order_seed", "dropout_seed", "task", "metric"),
    *("final", "trivial", "failed", "diverged", "constant_prediction", "num_steps", "seconds"),
}


class Curve(NamedTuple):
    """Some quantity of one trial over its steps."""

    steps: Int[np.ndarray, " point"]
    values: Float[np.ndarray, " point"]


@dataclasses.dataclass(frozen=True, eq=False)
class TrialRecord:
    """A finished trial: its row, and what is there of its history and its dev logits.

    Curves are `loss`, `dev` (the primary metric), and gradient norms such as `layer 1 of 24` of the
    first, a middle and the last block.
    """

    row: Row
    curves: Mapping[str, Curve]
    logits: Float[np.ndarray, "example label"] | None
    labels: Shaped[np.ndarray, "example ..."] | None = None  # of the dev examples
    # Where the examples are words: of which sentences.
    sentences: Sentences | None = None

    @property
    def failed(self) -> bool:
        """As its row has it; not where it is not known."""
        return bool(self.row["failed"])


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """The trials of one OUT, or of one task in it; or of all runs of other trainers."""

    out: Path
    name: str  # tells it from the other folders of the report
    trials: tuple[TrialRecord, ...]
    planned: Planned | None  # None where config.yaml does not tell
    config: str  # text of config.yaml
    manifest: dict[str, Any]
    throughput: dict[str, Any] | None  # of summary.json, which a finished sweep has
    classes: tuple[str, ...] | None  # None of regression, and where classes.json is not there
    # Of runs of other trainers, which lie in no OUT: what was read, a sentence each.
    reading: tuple[str, ...] = ()
    # The trials of each arm that were compared, and the distances between their states.
    representations: tuple[tuple[tuple[int, ...], Distances], ...] = ()
    whole: "Source | None" = None  # of which these are the trials of one task; None of a whole one

    @property
    def labels(self) -> Shaped[np.ndarray, "example ..."] | None:
        """Of the dev examples; None where they are not there."""
        return self.trials[0].labels

    @property
    def rows(self) -> list[Row]:
        """The rows of its trials."""
        return [trial.row for trial in self.trials]

    @property
    def status(self) -> str:
        """How much of the sweep is there, in a sentence; empty where all of it is."""
        if self.reading:
            return ""
        done = len(self.trials)
        if self.planned is None:
            return (
                f"{self.name}: {plural(done, 'trial')} {have(done)} finished, of how many is not"
                f" known ({CONFIG} cannot be read)."
            )
        asked = min((n for n in self.planned.trials if n >= done), default=done)
        if done == asked:
            return ""
        missing = self.planned.arms - len({row["arm"] for row in self.rows})
        arms = ""
        if missing > 0:
            arms = f"; {missing} of {self.planned.arms} arms {have(missing)} none yet"
        return (
            f"{self.name}: {done} of {asked} trials {have(done)} finished{arms}. The"
            " sweep still runs or was cut off, and what is said here may change."
            f"{self.planned.until_look(asked)}"
        )


def read_sources(
    outs: Sequence[Path],
    report: Callable[[int, str], None] = lambda done, text: None,
    across_models: bool = False,
) -> list[Source]:
    """Reads the folders of sweeps; UserError for one given twice, also as a copy or in parts, or
    without a finished trial.

    Arms of the same name in several folders get the folder's name in front, and one model or data
    file one spelling.

    Args:
        report: is told how many trials have been read.
        across_models: arms of one name are one recipe on different models too.
    """
    places = [out.resolve() for out in outs]
    for place in places:
        if places.count(place) > 1:
            raise UserError(f"{place} is given twice; give each folder once.")
    found = [_rows(out) for out in outs]
    one_spelling([(rows, inputs_of(out)) for rows, out in zip(found, outs, strict=True)])
    check_apart(outs, found)
    names = folder_names(places)
    # On different tasks arms of one name are one recipe.
    arms = [{(task_of(row, across_models), row["arm"]) for row in rows} for rows in found]
    if sum(map(len, arms)) > len(set().union(*arms)):
        for name, rows in zip(names, found, strict=True):
            for row in rows:
                row["arm"] = name if row["arm"] == "all" else f"{name}: {row['arm']}"
    sources, done = [], 0
    for out, name, rows in zip(outs, names, found, strict=True):
        trials, noted = [], checksums(out)
        labels, sentences = _unless_damaged(np.load, out / LABELS), _sentences(out)
        for row in rows:
            trials.append(_read_trial(out, row, noted, labels, sentences))
            done += 1
            report(done, f"reading {name}")
        sources.append(_source(out, name, tuple(trials)))
    return sources


def task_of(row: Row, across_models: bool = False) -> str:
    """What trials are compared within: their task, of runs of other trainers their group, and their
    model where that is asked for.
    """
    model = Path(str(row.get("model"))).name if across_models else None
    parts = [str(p) for p in (row.get("task"), row.get("group"), model) if p is not None]
    return ", ".join(parts) or "the task"


def folder_names(places: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart."""
    return [printable(name) for name in shortest_ends(places)]


def printable(text: str) -> str:
    """Control characters spelled out, for they would move a terminal's cursor or break a page."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _rows(out: Path) -> list[Row]:
    rows = finished_rows(out)
    missing = sorted(set().union(*(NEEDED - row.keys() for row in rows)))
    if missing:
        raise UserError(
            f"{out / TRIALS} holds rows without {', '.join(missing)}; give the --out of a sweep."
        )
    return [row | {"arm": printable(str(row["arm"]))} for row in rows]


def _sentences(out: Path) -> Sentences | None:
    """Which words make a sentence; None where words have no labels."""
    classes, lengths = _json(out / CLASSES, list), _unless_damaged(np.load, out / SENTENCES)
    known = lengths is not None and classes is not None
    return Sentences(tuple(map(str, classes)), lengths) if known else None


def _read_trial(
    out: Path,
    row: Row,
    noted: Mapping[Path, str],
    labels: np.ndarray | None,
    sentences: Sentences | None,
) -> TrialRecord:
    name = trial_name(row["trial"])

    def read(reader: Callable[[Path], Any], file: Path) -> Any:
        return _unless_damaged(lambda path: read_whole(reader, path, noted.get(path)), file)

    return TrialRecord(
        {column: value for column, value in row.items() if not vouches(column)},
        _curves(read(pd.read_parquet, out / HISTORY / f"{name}.parquet"), row["metric"]),
        read(np.load, out / PREDICTIONS / f"{name}.npy"),
        # Tags say nothing where it is not known which words make a sentence.
        labels if sentences or not row.get("token_classification") else None,
        sentences,
    )


def _unless_damaged(read: Callable[[Path], Any], file: Path) -> Any:
    """What a file holds; None where it is missing or damaged, which costs a report one curve."""
    try:
        return read(file)
    except (UserError, OSError, ValueError, EOFError):  # pyarrow's errors are ValueErrors
        return None


def _json(file: Path, kind: type) -> Any:
    """The same of JSON; None, too, where it is of another kind than is written there."""
    found = _unless_damaged(read_json, file)
    return found if isinstance(found, kind) else None


def _curves(history: pd.DataFrame | None, metric: str) -> dict[str, Curve]:
    if history is None:
        return {}
    wanted = {LOSS: LOSS, f"dev/{metric}": DEV} | _some_layers(list(history["name"].cat.categories))
    rows = history[history["name"].isin(list(wanted))]
    return {
        wanted[str(name)]: Curve(part["step"].to_numpy(), part["value"].to_numpy(np.float64))
        for name, part in rows.groupby("name", observed=True)
    }


def _some_layers(names: Sequence[str]) -> dict[str, str]:
    """Names of the first, a middle and the last block's norms -> what to call them."""
    layers = sorted(name for name in names if re.fullmatch(r"grad_norm/layer_\d+/layer", name))
    last = len(layers) - 1
    chosen = sorted({0, last // 2, last}) if layers else []
    return {layers[i]: f"layer {i + 1} of {len(layers)}" for i in chosen}


def _source(out: Path, name: str, trials: tuple[TrialRecord, ...]) -> Source:
    config = _unless_damaged(read_text, out / CONFIG) or ""
    throughput = (_json(out / SUMMARY, dict) or {}).get("throughput")
    classes = _json(out / CLASSES, list)
    return Source(
        out=out,
        name=name,
        trials=trials,
        planned=planned(config),
        config=config,
        manifest=_json(out / MANIFEST, dict) or {},
        throughput=throughput if isinstance(throughput, dict) else None,
        classes=None if classes is None else tuple(map(str, classes)),
        representations=_representations(out),
    )


def _representations(out: Path) -> tuple[tuple[tuple[int, ...], Distances], ...]:
    """Nothing where they were not asked for, or cannot be read."""
    found = _json(out / REPRESENTATIONS, dict) or {}
    try:
        return tuple(
            (
                tuple(map(int, each["trials"])),
                Distances(np.array(each["cka"], float), np.array(each["procrustes"], float)),
            )
            for each in found.values()
        )
    except (KeyError, TypeError, ValueError):
        return ()


def times_of_looks(sources: Sequence[Source]) -> float:
    """How many times every p counts: the product over sweeps, for each stops by itself.

    Looks are counted in trials of a whole sweep, and so are those of which a part is judged here.
    """
    whole = [source.whole or source for source in sources]
    stopped = [(s.planned.trials, len(s.trials)) for s in whole if s.planned]
    return math.prod((times_at(*each) for each in stopped), start=1.0)
