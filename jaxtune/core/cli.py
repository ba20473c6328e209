"""How a command ends: its exit status, and one sentence for what its user can mend (DESIGN 2.1)."""

import errno
import sys
from collections.abc import Callable

from jaxtune.core.errors import UserError
from jaxtune.core.signals import InterruptedRunError

DISK_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO),
}


def exit_status(command: Callable[[], None], when_disk_is_full: str) -> int:
    """0 done, 1 error, 128 + signal interrupted; wrong usage exits with 2 by itself.

    Args:
        when_disk_is_full: what is kept and what to do, the end of the sentence about a file that
            cannot be written.
    """
    try:
        command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except InterruptedRunError as stop:
        print(f"{stop}: the same command goes on from here.", file=sys.stderr)
        return stop.status
    except KeyboardInterrupt:
        print("stopped by SIGINT: give the same command again.", file=sys.stderr)
        return 130
    except OSError as error:
        # numpy and pyarrow do not always say which it was.
        if error.errno is not None and error.errno not in DISK_ERRORS:
            raise
        where, why = error.filename or "the disk", error.strerror or error
        print(
            f"error: {where} cannot be written ({why}); {when_disk_is_full}.",
            file=sys.stderr,
        )
        return 1
    return 0
