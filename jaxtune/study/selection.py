"""Which trials a study shows: by rule and seed, never by eye."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd


class NothingToShowError(Exception):
    """A sweep has not the trials a study is about; the finding says so, and nothing is drawn."""


class Chosen(NamedTuple):
    """Trial numbers, lowest first, and the rule that picked them, in words."""

    failed: tuple[int, ...]
    successful: tuple[int, ...]
    rule: str


def choose(trials: pd.DataFrame, count: int, sweep: Path | str) -> Chosen:
    """The failed and the successful trials with the lowest numbers, at most `count` of each.

    Raises NothingToShowError where the trials hold no failed, or no successful one: no other is
    picked in its place.

    Args:
        trials: rows of a sweep, or of one of its arms; diverged trials count as failed.
        sweep: for the sentence.
    """
    lost = trials["failed"].astype(bool) | trials["diverged"].astype(bool)
    failed = sorted(trials.loc[lost, "trial"].tolist())
    successful = sorted(trials.loc[~lost, "trial"].tolist())
    arms = " and ".join(f"[{arm}]" for arm in trials["arm"].unique())
    for kind, numbers in (("failed", failed), ("successful", successful)):
        if not numbers:
            raise NothingToShowError(
                f"None of the {len(trials)} trials of {arms} in the sweep {Path(sweep).name} is a"
                f" {kind} one, so there is nothing to show; no trial of another sweep is picked in"
                " its place."
            )
    failed, successful = failed[:count], successful[:count]
    rule = (
        f"the lowest trial numbers of {arms} in the sweep {Path(sweep).name}: failed"
        f" {_listed(failed)}, successful {_listed(successful)}"
    )
    return Chosen(tuple(failed), tuple(successful), rule)


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
