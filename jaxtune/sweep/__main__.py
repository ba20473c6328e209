"""`jaxtune sweep`: many seeds of one or several recipes, and what came out."""

import contextlib
import os
import sys
from collections.abc import Sequence

from jaxtune.config.parse import from_call, settings_in
from jaxtune.core.cli import run
from jaxtune.core.distributed import others_told
from jaxtune.core.help import called
from jaxtune.core.quiet import silent_libraries
from jaxtune.core.signals import InterruptedRunError


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    return run(
        sweep,
        argv,
        "finished trials are kept: make room or give another --out, and give the same command"
        " again",
    )


def sweep(argv: list[str]) -> None:
    """Runs, or goes on with, the sweep of a command line."""
    with others_told():
        settings = from_call(settings_in(argv))
    ahead = bool(settings.base.device)
    if ahead or settings.base.cluster:
        # Nothing is to run on, or wait for, an accelerator that may be here.
        os.environ["JAX_PLATFORMS"] = "cpu"
    # Imported late: `--help` and usage errors answer before JAX loads.
    # NVIDIA's plugin then says, past all switches, that there is no driver.
    with silent_libraries() if ahead else contextlib.nullcontext():
        from jaxtune.core import devices

        devices.set_up(settings.base.compile_cache)
    from jaxtune.core.processes import writes
    from jaxtune.sweep.run import run_sweep

    try:
        run_sweep(settings, argv)
    except InterruptedRunError as stop:
        if settings.base.overwrite:
            stop.goes_on = "the same command without --overwrite goes on from here"
        raise
    if settings.base.task == "miniature" and not settings.base.dry_run and writes():
        print(
            f"Next, your own recipe: {called('sweep')} --model FOLDER_OR_HUB_ID --task rte"
            " --grid.bias_correction true false --num_seeds 8"
        )


if __name__ == "__main__":
    sys.exit(main())
