"""`jaxtune pretrain`: masked-LM pre-training of a small encoder, its depth grown by stacking."""

import sys
from collections.abc import Sequence

from jaxtune.core.cli import run
from jaxtune.core.flags import parse_flags
from jaxtune.pretrain.settings import PretrainConfig


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    return run(pretrain, argv, "make room or give another --out, and give the same command again")


def pretrain(argv: list[str]) -> None:
    """Runs, or goes on with, the pre-training of a command line."""
    config = parse_flags("pretrain", PretrainConfig, argv)
    # Imported late: `--help` and usage errors answer before JAX loads.
    from jaxtune.core.devices import make_reproducible
    from jaxtune.pretrain import run as training

    make_reproducible()
    training.pretrain(config)


if __name__ == "__main__":
    sys.exit(main())
