"""Whether folders hold sweeps of their own: parts or copies of one would be compared as recipes."""

import contextlib
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from jaxtune.config.field_groups import INPUT_FIELDS
from jaxtune.core.errors import UserError
from jaxtune.core.files import read_text
from jaxtune.core.words import as_typed
from jaxtune.storage.paths import CONFIG
from jaxtune.storage.same_config import comparable
from jaxtune.storage.trial_rows import Row, result_of


class _Held(NamedTuple):
    """What a folder holds of which sweep."""

    out: Path
    config: str | None  # wherever model and data lay; None where it is not there
    unseeded: str | None  # the same without seeds: of a part that was given more of them, too
    trials: Mapping[int, Row]


def check_apart(outs: Sequence[Path], found: Sequence[Sequence[Row]]) -> None:
    """Raises UserError for parts of one sweep, and for trials that two folders hold.

    Args:
        found: the rows of each folder, checksums and all, with one spelling of the same files.
    """
    held = [_held(out, rows) for out, rows in zip(outs, found, strict=True)]
    for one, other in combinations(held, 2):
        shared = one.trials.keys() & other.trials.keys()
        known = one.unseeded is not None and other.unseeded is not None
        if known and one.unseeded != other.unseeded:
            continue  # sweeps that share an arm are two sweeps
        if known and not shared:
            first = "" if one.config == other.config else "give all parts the same seeds, and "
            raise UserError(
                f"{one.out} and {other.out} hold parts of one sweep; {first}join them first, with"
                f" `jaxtune merge {as_typed(one.out)} {as_typed(other.out)} ... --out OUT`."
            )
        if any(_is_same(one.trials[number], other.trials[number]) for number in shared):
            raise UserError(f"{one.out} and {other.out} hold the same trials; give one of them.")


def _held(out: Path, rows: Sequence[Row]) -> _Held:
    config = unseeded = None
    with contextlib.suppress(UserError):
        text = read_text(out / CONFIG)
        config = comparable(text, paths_too=False, seeds_too=True)
        unseeded = comparable(text, paths_too=False)
    return _Held(out, config, unseeded, {row["trial"]: row for row in rows})


def _is_same(one: Row, other: Row) -> bool:
    """Whether two rows are of one trial, by its settings and by every step that it took."""
    curves = one.get("history_sha256")
    if curves is None or curves != other.get("history_sha256"):
        return False
    same_files = all(one.get(field) == other.get(field) for field in INPUT_FIELDS)
    return same_files and result_of(one) == result_of(other)
