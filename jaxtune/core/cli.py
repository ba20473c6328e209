"""How a command ends: its exit status, and one sentence for what its user can mend."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence

from jaxtune.core.distributed import check_variables
from jaxtune.core.errors import UsageError, UserError
from jaxtune.core.quiet import quiet
from jaxtune.core.signals import InterruptedRunError, sigint_remembered

DISK_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EIO),
    # Of names: one of a file where a folder is wanted, too long a one, links in a circle.
    *(errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
    # Of folders on other machines. What is merely not there may be a fault of ours, and is shown.
    *(errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN),
}


def run(
    command: Callable[[list[str]], None], argv: Sequence[str] | None, when_disk_is_full: str
) -> int:
    """Runs a command; 0 done, 1 error, 2 wrong usage, 128 + signal interrupted
    (141 where who reads the output has gone).

    Args:
        command: takes the words of the command line.
        argv: those words, or None for the program's own.
        when_disk_is_full: what is kept and what to do, the end of the sentence about a file that
            cannot be written (or read).
    """
    quiet()
    try:
        with sigint_remembered():
            words = sys.argv[1:] if argv is None else list(argv)
            if not {"--help", "-h"} & {*words}:
                check_variables()
            command(words)
            if sys.stdout is not None:  # closed by who started this process
                sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except InterruptedRunError as stop:
        print(f"{stop}: {stop.goes_on}.", file=sys.stderr)
        return stop.status
    except KeyboardInterrupt:
        print("stopped by SIGINT: give the same command again.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Who reads the output has gone, as `| head` does. Python would complain of it once more
        # when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        # numpy and pyarrow do not always say which it was.
        if error.errno is not None and error.errno not in DISK_ERRORS:
            raise
        where, why = error.filename or "the disk", error.strerror or error
        print(
            f"error: {where} cannot be read or written ({why}); {when_disk_is_full}.",
            file=sys.stderr,
        )
        return 1
    return 0
