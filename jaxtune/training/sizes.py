"""Group sizes of a device: what is found of each, and which of them are tried.

The same for a device that is here (`jaxtune.training.group_size`) and for one that is only
described (`jaxtune.training.device_plan`).
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

# Of the memory that JAX has; the rest is for fragmentation.
MEMORY_SHARE = 0.9
# What a trial among several may hold, over what one alone does; 1.1 was seen for BERT-large.
WORST_GROWTH = 1.5


class Probe(NamedTuple):
    """What a group of a program was seen to take."""

    compile_seconds: float
    step_seconds: float  # of all trials of the group
    evaluation_seconds: float
    bytes_per_trial: int  # on a device: parameters, moments, gradients, activations


class Tried(NamedTuple):
    """A number of trials at once on each device that was compiled for it."""

    trials: int
    all_bytes: int  # on a device: of the programs, and of what lies beside them
    recomputed: int  # arrays that XLA computes again for want of memory
    fits: bool
    probe: Probe | None = None  # of those that fit
    hours: float = math.inf  # for every trial that is left to run, by the probe


@runtime_checkable
class Sized(Protocol):
    """What the search reads of a size."""

    @property
    def trials(self) -> int: ...
    @property
    def all_bytes(self) -> int: ...
    @property
    def fits(self) -> bool: ...


Found = TypeVar("Found", bound=Sized)


def try_sizes(attempt: Callable[[int], Found], most: int, limit: float) -> list[Found]:
    """One trial at once, the largest group that fits, and one between; all that were compiled."""
    found = find_largest(attempt, most, limit)
    largest = max([each.trials for each in found if each.fits], default=1)
    between = even(most, round(math.sqrt(2 * largest)))
    if 2 < between < largest and between not in [each.trials for each in found]:
        found = sorted([*found, attempt(between)], key=lambda each: each.trials)
    return found


def find_largest(attempt: Callable[[int], Found], most: int, limit: float) -> list[Found]:
    """All sizes that were compiled, the smallest first, on the way to the largest that fits.

    What a program holds grows evenly with its trials, so that two of them foretell the rest; they
    are asked only where memory may be short, for a compilation takes a minute.

    Args:
        attempt: compiles a size.
        most: trials that there are.
        limit: bytes that may be held.
    """
    tried: dict[int, Found] = {}

    def fits(trials: int) -> bool:
        if trials not in tried:
            tried[trials] = attempt(trials)
        return tried[trials].fits

    def foretold() -> int:
        """Trials that fit by what was compiled, 1 where nothing more does."""
        one = tried[1]
        # One alone is another program than several, which may hold more for each.
        if WORST_GROWTH * most * one.all_bytes <= limit:
            return most
        if not fits(2):
            return 1
        each = max(tried[2].all_bytes - one.all_bytes, 1)
        return 1 + int((limit - one.all_bytes) / each)

    if fits(1) and most > 1:
        wanted = even(most, min(most, foretold()))
        # One try as a rule; where XLA begins to recompute below the limit, each time a wave more.
        while wanted > 1 and not fits(wanted):
            wanted = even(most, wanted - 1)
    return [tried[trials] for trials in sorted(tried)]


def even(trials: int, most: int) -> int:
    """The group size of as few waves as `most` allows, all alike: 4 x 16 and not 3 x 20 + 4."""
    return math.ceil(trials / math.ceil(trials / most))


def fits_in(all_bytes: int, recomputed: int, memory: float) -> bool:
    """Whether a size fits in the memory that JAX has.

    With its own recomputation XLA makes a program "fit" that is slower than a smaller one.
    """
    return all_bytes <= MEMORY_SHARE * memory and not recomputed
