"""`python -m jaxtune.study FIGURE --out DIR`: numbers, what they say, and pictures (DESIGN 2.1)."""

import sys
from collections.abc import Sequence

from jaxtune.errors import UserError
from jaxtune.interruption import InterruptedRunError
from jaxtune.study.settings import parse
from jaxtune.sweep import DISK_ERRORS


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status: 0 done, 1 error (one sentence), 2 wrong usage, 128 + signal."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        config = parse(argv)
        # Imported late: `--help` and usage errors answer before JAX loads.
        from jaxtune import backend
        from jaxtune.study.running import run_studies

        backend.set_up(config.precision)
        run_studies(config, argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except InterruptedRunError as stop:
        print(f"{stop}: the same command goes on from here.", file=sys.stderr)
        return stop.status
    except KeyboardInterrupt:
        print("stopped by SIGINT: the same command goes on from here.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno is not None and error.errno not in DISK_ERRORS:
            raise
        where = error.filename or "the disk"
        print(
            f"error: {where} cannot be written ({error.strerror or error}); what is finished is kept: make room or give "
            "another --out, and give the same command again.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
