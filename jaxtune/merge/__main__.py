"""`jaxtune merge`: the shards of a sweep to one OUT."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxtune.core.cli import run
from jaxtune.core.errors import UsageError
from jaxtune.core.flags import parse_flags


@dataclasses.dataclass(frozen=True)
class MergeConfig:
    """Joins what the shards of one sweep (`jaxtune sweep --shard 3/10`) have left into one OUT, as
    if one command had run all trials.

    Where trials are missing the sweep's command without --shard, with the new folder as --out, runs
    them. The shards stay as they are.
    """

    shards: tuple[Path, ...] = dataclasses.field(metadata={"positional": "SHARD"})
    """Folders that the shards have left, two or more, in any order."""
    out: Path
    """Folder for all trials; it must not exist, or be empty."""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    return run(
        lambda words: merge(parse_flags("merge", MergeConfig, words)),
        argv,
        "the shards are as they were: make room, or give another --out",
    )


def merge(config: MergeConfig) -> None:
    """Joins the shards; raises UserError, and leaves nothing, where they are not of one sweep."""
    if len(config.shards) < 2:
        raise UsageError("One OUT is given; give those of two or more shards.")
    # Imported late: `--help` and usage errors answer before pandas and JAX load.
    from jaxtune.merge.joining import join

    join(config.shards, config.out)


if __name__ == "__main__":
    sys.exit(main())
