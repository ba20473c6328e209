"""What shards have left, and whether they are of one sweep."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxtune.config.parse import Settings, from_settings
from jaxtune.config.trials import make_trials
from jaxtune.core.entities import same_lengths
from jaxtune.core.errors import UserError
from jaxtune.core.files import read_json, read_text
from jaxtune.core.words import listed
from jaxtune.storage.inputs import changes, recorded_inputs
from jaxtune.storage.out_folder import check_trial
from jaxtune.storage.paths import CONFIG, MANIFEST
from jaxtune.storage.results import (
    further_sets,
    read_classes,
    read_ids,
    read_labels,
    read_sentences,
)
from jaxtune.storage.same_config import config_changes
from jaxtune.storage.trial_rows import Row, check_rows, result_of

# Of a manifest: what is compared.
FACTS = ("sha256", "packages", "jaxtune", "devices", "python")


class Part(NamedTuple):
    """A shard's OUT."""

    out: Path
    settings: Settings  # of the whole sweep
    rows: list[Row]
    manifest: dict[str, Any]


class Finished(NamedTuple):
    """A trial, and which part has it."""

    part: Part
    row: Row


def read_part(out: Path) -> Part:
    """Raises UserError for a folder that is no sweep's, or damaged."""
    if not (out / CONFIG).is_file():
        raise UserError(
            f"{out} is no sweep's folder ({CONFIG} is missing); give the OUTs of a sweep's shards."
        )
    rows, damages, _ = check_rows(out)
    if damages:
        raise UserError(
            f"{out}: {damages[0]}; give that shard's command again, and it repeats that trial."
        )
    if not rows:
        raise UserError(f"{out} holds no finished trial; leave it out, or run that shard.")
    manifest = read_json(out / MANIFEST)
    if not isinstance(manifest, dict) or any(not manifest.get(name) for name in FACTS):
        raise UserError(
            f"{out / MANIFEST} is damaged, and which files that shard has read is not known; give"
            " its command again, and it is written anew."
        )
    return Part(out, from_settings({"config": [out / CONFIG]}), rows, manifest)


def joined(parts: Sequence[Part]) -> dict[int, Finished]:
    """The trials of all parts by number, ascending; raises UserError for parts of several sweeps.

    A trial that several parts hold with one and the same result is taken once.
    """
    first, *others = parts
    for other in others:
        _check_same_sweep(first, other)
    trials = {trial.number: trial for trial in make_trials(first.settings)}
    found: dict[int, Finished] = {}
    for part in parts:
        for row in part.rows:
            number = row["trial"]
            check_trial(part.out, row, trials.get(number))
            twin = found.setdefault(number, Finished(part, row))
            if result_of(twin.row) != result_of(row):
                raise UserError(
                    f"Trial {number} is in {twin.part.out} and in {part.out} with other results;"
                    " leave one of them out."
                )
    return {number: found[number] for number in sorted(found)}


def missing_trials(parts: Sequence[Part], found: Mapping[int, Finished]) -> list[int]:
    """The numbers of the sweep's trials that no part has."""
    trials = make_trials(parts[0].settings)
    return [trial.number for trial in trials if trial.number not in found]


def _check_same_sweep(one: Part, other: Part) -> None:
    texts = (read_text(part.out / CONFIG) for part in (one, other))
    if changed := config_changes(*texts, paths_too=False, seeds_too=True):
        raise UserError(
            f"{other.out} is of another config than {one.out} ({'; '.join(changed)}); give the"
            " shards of one sweep."
        )
    files = (recorded_inputs(part.out, part.manifest) for part in (one, other))
    if found := changes(*files, whole=True):
        raise UserError(
            f"{other.out} has read other files than {one.out} ({'; '.join(found)}); give the shards"
            " of one sweep on the same data."
        )
    for what, differ in _differences(one.out, other.out):
        if differ:
            raise UserError(
                f"{other.out} has other {what} than {one.out}, and their scores do not compare;"
                " give the shards of one sweep."
            )


def _differences(one: Path, other: Path) -> list[tuple[str, bool]]:
    """What every trial of a sweep shares, and whether it differs."""
    sets = further_sets(one), further_sets(other)
    ids = [
        (name, read_ids(one, name) != read_ids(other, name)) for name in sets[0] if name in sets[1]
    ]
    return [
        ("classes", read_classes(one) != read_classes(other)),
        ("dev labels", not np.array_equal(read_labels(one), read_labels(other))),
        ("sentences", not same_lengths(read_sentences(one), read_sentences(other))),
        (f"further sets ({listed(sets[1])})", sets[0] != sets[1]),
        *((f"examples of {name}", differ) for name, differ in ids),
    ]
