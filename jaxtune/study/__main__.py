"""`jaxtune study FIGURE --out DIR`: numbers, what they say, and pictures."""

import sys
from collections.abc import Sequence

from jaxtune.core.cli import run
from jaxtune.study.settings import parse


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    return run(
        study,
        argv,
        "what is finished is kept: make room or give another --out, and give the same command"
        " again",
    )


def study(argv: list[str]) -> None:
    """One experiment, or all of them."""
    config = parse(argv)
    # Imported late: `--help` and usage errors answer before JAX loads.
    from jaxtune.core import devices
    from jaxtune.study.running import run_studies

    devices.set_up()
    run_studies(config, argv)


if __name__ == "__main__":
    sys.exit(main())
