"""`python -m jaxtune.sweep`: many seeds of one or several recipes, and what came out (DESIGN 2)."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from jaxtune.errors import UserError
from jaxtune.flags import parse


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status: 0 done, 1 error (one sentence), 2 wrong usage."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        settings = parse(argv)
        _use_all_cores()
        # Imported late: `--help` and usage errors answer before JAX loads.
        from jaxtune.runner import run_sweep

        run_sweep(settings, list(argv))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _use_all_cores() -> None:
    """One CPU device per core, where JAX runs on CPU: two trials side by side beat one on two cores."""
    import jax

    config: Any = jax.config  # its fields are made at import
    if config.jax_num_cpu_devices < 0:  # unset, by the environment too
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))


if __name__ == "__main__":
    sys.exit(main())
