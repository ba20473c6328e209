"""`python -m jaxtune.sweep`: many seeds of one or several recipes, and what came out (DESIGN 2)."""

import errno
import sys
from collections.abc import Sequence

from jaxtune.errors import UserError
from jaxtune.flags import parse
from jaxtune.interruption import InterruptedRunError

DISK_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO),
}

NEXT = (
    "Next, your own recipe: python -m jaxtune.sweep --model FOLDER_OR_HUB_ID --task rte "
    "--grid.bias_correction true false --num_seeds 8"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status: 0 done, 1 error (one sentence), 2 wrong usage, 128 + signal."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        settings = parse(argv)
        # Imported late: `--help` and usage errors answer before JAX loads.
        from jaxtune import backend
        from jaxtune.groups import writes
        from jaxtune.runner import run_sweep

        backend.set_up(settings.base.precision, settings.base.compile_cache)
        run_sweep(settings, list(argv))
        if settings.base.task == "miniature" and not settings.base.dry_run and writes():
            print(NEXT)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except InterruptedRunError as stop:
        print(f"{stop}: the same command goes on from here.", file=sys.stderr)
        return stop.status
    except OSError as error:
        # numpy and pyarrow do not always say which it was.
        if error.errno is not None and error.errno not in DISK_ERRORS:
            raise
        where = error.filename or "the disk"
        print(
            f"error: {where} cannot be written ({error.strerror or error}); finished trials are kept: "
            "make room or give another --out, and give the same command again.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
