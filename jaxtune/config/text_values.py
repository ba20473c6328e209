"""Settings that are written as a text of their own: seeds, parts, class weights."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from jaxtune.core.errors import UserError
from jaxtune.core.fields import plain_number

BALANCED = "balanced"  # of class_weights
# Far above any sweep: a mistyped range is refused before it fills the memory.
MOST_TRIALS = 1_000_000


class Shard(NamedTuple):
    """One of so many parts of a sweep's trials, counted from 1."""

    number: int
    count: int

    @property
    def folder(self) -> str:
        """Its name below OUT."""
        return f"shard-{self.number}-of-{self.count}"


def shard_of(text: str) -> Shard:
    """`3/10` to numbers; raises UserError for anything else."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(f"shard is {text!r}; give which of how many parts, such as 3/10.")
    return Shard(int(match[1]), int(match[2]))


def class_weight_list(text: str) -> tuple[float, ...]:
    """`0.7,1.3` to numbers; raises UserError for anything else."""
    try:
        return tuple(float(plain_number(part)) for part in text.split(","))
    except ValueError as error:
        raise UserError(
            f"class_weights is {text!r}; give {BALANCED}, or a number for each class with commas"
            " between, such as 0.7,1.3, or null for none."
        ) from error


def seed_text(value: Any) -> Any:
    """Seeds that a call or a file gives as whole numbers, as the text that they are kept as."""
    several = isinstance(value, list | tuple | range) and len(value) > 0
    return ",".join(map(str, value)) if several and {*map(type, value)} == {int} else value


def seed_list(text: str) -> tuple[int, ...]:
    """`0-31,77` to numbers, in the order given, each once; UserError as of `seeds_in`."""
    return tuple(dict.fromkeys(seeds_in(text)))


def seeds_in(text: str) -> Iterator[int]:
    """`0-31,77` to numbers as they stand; raises UserError for anything else."""
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", part)
        if not match:
            raise UserError(
                f"Seeds {text!r} cannot be read at {part!r}; give numbers and ranges such as"
                " 0-31,77."
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise UserError(
                f"Seeds {text!r} hold the empty range {part!r}; give the smaller number first."
            )
        if last >= 2**32:
            raise UserError(f"Seeds {text!r} hold {last}; the largest seed is {2**32 - 1}.")
        if last - first >= MOST_TRIALS:
            raise UserError(f"Seeds {text!r} hold more than {MOST_TRIALS:,} numbers; give fewer.")
        yield from range(first, last + 1)
