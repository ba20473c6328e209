"""After how many seeds per arm a sweep looks at its verdict."""

from jaxtune.config.settings import SweepConfig


def looks(config: SweepConfig) -> tuple[int, ...]:
    """`num_seeds` alone; with `until_decided` twice as many each time, `max_seeds` at the last.

    Few looks cost little: each is held to its share of the level (`jaxtune.stats.compare`).
    """
    return looks_at(config.num_seeds, config.max_seeds if config.until_decided else None)


def trials_at_looks(config: SweepConfig, num_arms: int, num_trials: int) -> tuple[int, ...]:
    """How many trials there are at each; they are numbered seed by seed."""
    if not config.until_decided:
        return (num_trials,)
    return tuple(num_arms * n for n in looks(config))


def looks_at(first: int, most: int | None) -> tuple[int, ...]:
    """The same of the two numbers of seeds; None is no second look."""
    found = [first]
    while most is not None and found[-1] < most:
        found.append(min(2 * found[-1], most))
    return tuple(found)
