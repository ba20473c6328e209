"""After how many seeds per arm a sweep looks at its verdict."""

import itertools
from collections.abc import Sequence

from jaxtune.config.settings import SweepConfig

LEAST_GROWTH = 1.5  # of the seeds from the last look but one to the last


def looks(config: SweepConfig) -> tuple[int, ...]:
    """`num_seeds` alone; with `until_decided` those of `looks_at`."""
    return looks_at(config.num_seeds, config.max_seeds if config.until_decided else None)


def trials_at_looks(config: SweepConfig, num_arms: int) -> tuple[int, ...]:
    """How many trials there are at each; they are numbered seed by seed."""
    return tuple(num_arms * n for n in looks(config))


def looks_at(first: int, most: int | None) -> tuple[int, ...]:
    """Twice as many seeds each time, `most` at the last; None is no second look."""
    found = [first]
    while most is not None and found[-1] < most:
        found.append(min(2 * found[-1], most))
    # A last look that adds few seeds would have a small share of the level (`times_at`), for which
    # those few find nothing more, while the one before it would have what all looks were to keep
    # for the end: of 30, 60, 120 and 128 the p of the last would count 16 times.
    if len(found) > 2 and found[-1] < LEAST_GROWTH * found[-2]:
        del found[-2]
    return tuple(found)


def times_at(looks: Sequence[int], number: int) -> float:
    """How many times every p counts at the look with so many seeds, or trials, or at the next one.

    Each look has the share of the level that its new seeds are of all (an error that is spent in
    proportion to the information, Lan and DeMets 1983), and the shares add up to 1: by Bonferroni a
    verdict is wrong at any of them in no more cases than at a single one, whatever the tests. Most
    of it is left for the last look, where small differences are found; large ones need little.
    """
    for before, now in itertools.pairwise((0, *looks)):
        if number <= now:
            return looks[-1] / (now - before)
    return 1.0  # more than were planned, of a sweep that has one look
