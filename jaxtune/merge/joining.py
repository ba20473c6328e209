"""The finished trials of several OUTs in one, which is made whole or not at all."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtune.core.console import say
from jaxtune.core.errors import UserError
from jaxtune.core.files import write_json
from jaxtune.core.words import as_typed, listed, plural
from jaxtune.merge.parts import Finished, Part, joined, missing_trials, read_part
from jaxtune.storage.manifest import differences
from jaxtune.storage.new_folder import check_new, new_folder
from jaxtune.storage.paths import (
    CLASSES,
    CONFIG,
    IDS,
    LABELS,
    MANIFEST,
    PARAMS,
    PREDICTIONS,
    SENTENCES,
    TENSORBOARD,
    trial_name,
)
from jaxtune.storage.results import further_sets
from jaxtune.storage.tensorboard import names_of_arms, run_path
from jaxtune.storage.trial_rows import PLACES, Row, files_of, respelled, rewrite_rows
from jaxtune.sweep.conclude import conclude


def join(shards: Sequence[Path], out: Path) -> None:
    """Joins the shards into `out`, and says what came out; raises UserError where they do not fit.

    The shards are only read.
    """
    check_new(out)
    for shard in shards:
        if [each.resolve() for each in shards].count(shard.resolve()) > 1:
            raise UserError(f"{shard} is given twice; give each shard once.")
    parts = [read_part(shard) for shard in shards]
    found = joined(parts)
    missing = missing_trials(parts, found)
    for sentence in _warnings(parts):
        say(sentence)
    with new_folder(out) as folder:
        settings = parts[0].settings
        _copy(found, folder, names_of_arms(settings))
        _copy_shared(parts[0].out, folder)
        rewrite_rows(folder, _one_spelling([trial.row for trial in found.values()]))
        write_json(folder / MANIFEST, _manifest(parts))
        conclude(folder, settings, None, whole=not missing, called=out)
    total = len(found) + len(missing)
    say(f"Joined {len(found)} of {plural(total, 'trial')} from {plural(len(shards), 'folder')}.")
    if missing:
        numbers = listed(map(str, missing))
        say(
            f"Missing: {numbers}. `jaxtune sweep --config {as_typed(out / CONFIG)} --out"
            f" {as_typed(out)}` runs them; a verdict takes all."
        )


def _copy(found: Mapping[int, Finished], folder: Path, names: Mapping[str, str]) -> None:
    """Curves, predictions, parameters and TensorBoard's run of every trial; `names` are those of
    the arms' folders there.
    """
    for number, (part, row) in found.items():
        for file in files_of(part.out, number).values():
            _copy_file(part.out, folder, file)
        run = Path(TENSORBOARD, run_path(names[row["arm"]], row["seed"]))
        for own in (run, Path(PARAMS, trial_name(number))):
            if (part.out / own).is_dir():
                shutil.copytree(part.out / own, folder / own)


def _copy_shared(out: Path, folder: Path) -> None:
    """What all trials share: config, classes, labels, sentences, and the ids of further sets."""
    shared = [Path(name) for name in (CONFIG, CLASSES, LABELS, SENTENCES)]
    for name in further_sets(out):
        shared += [Path(PREDICTIONS, name, file) for file in (IDS, Path(LABELS).name)]
    for file in shared:
        if (out / file).is_file():
            _copy_file(out, folder, file)


def _copy_file(out: Path, folder: Path, file: Path) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(out / file, folder / file)


def _one_spelling(rows: Sequence[Row]) -> list[Row]:
    """The rows with model and data where the first of their arm has them: the same files, by their
    checksums.
    """
    places: dict[str, dict[str, Any]] = {}
    found = []
    for row in rows:
        own = {name: row[name] for name in PLACES if name in row}
        first = places.setdefault(row["arm"], own)
        found.append(row if own == first else respelled(row, first))
    return found


def _manifest(parts: Sequence[Part]) -> dict[str, Any]:
    """The first one's, and where every trial came from."""
    merged = [
        {
            "out": str(part.out.absolute()),
            "trials": [row["trial"] for row in part.rows],
            "manifest": part.manifest,
        }
        for part in parts
    ]
    return parts[0].manifest | {"merged": merged}


def _warnings(parts: Sequence[Part]) -> list[str]:
    """What may make trials of two shards round otherwise."""
    first, *others = parts
    said = [
        f"Warning: {first.out} and {other.out} ran with {difference.replace(', now ', ' and ')}."
        for other in others
        for difference in differences(first.manifest, other.manifest)
    ]
    sizes = sorted({row["group_size"] for part in parts for row in part.rows})
    on_cpu = all(part.manifest["devices"][0].startswith("cpu") for part in parts)
    if len(sizes) > 1 and not on_cpu:  # there a trial never depends on its group
        said.append(
            f"Warning: trials ran in groups of {listed(map(str, sizes))}, and stacked trials round"
            " by the size of their group; --trials_per_device gives all shards one."
        )
    return said
