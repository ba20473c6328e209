"""A sweep in a process of its own, as if it ran in this one."""

import contextlib
import signal
import subprocess
import threading
from collections.abc import Generator, Sequence

from jaxtune.core.child import command_line, environment
from jaxtune.core.errors import UserError
from jaxtune.core.signals import SIGNALS, InterruptedRunError, handlers

ERROR = "error: "  # what the sentence of a command begins with


def run_in_own_process(words: Sequence[str]) -> None:
    """Runs `python -m jaxtune.sweep WORDS`, and prints what it says.

    SIGINT and SIGTERM to this process are handed on, and it goes on when the command has ended.

    Raises:
        UserError: with the command's sentence about what is wrong, or how else it ended.
        InterruptedRunError: it was stopped by a signal.
    """
    main = threading.current_thread() is threading.main_thread()
    with subprocess.Popen(
        command_line("jaxtune.sweep", words),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A terminal's Ctrl-C would reach it beside what is handed on, and a second signal ends it
        # at once. Outside the main thread nothing can be handed on.
        start_new_session=main,
    ) as process:
        try:
            with _handed_on(process) if main else contextlib.nullcontext():
                reason = _show(process)
                status = process.wait()
        except BaseException:
            process.terminate()
            raise
    _raise(status, reason)


@contextlib.contextmanager
def _handed_on(process: subprocess.Popen[str]) -> Generator[None]:
    """The signals that this process gets meanwhile; a notebook's stop button is one."""
    before = handlers()
    for number in before:
        signal.signal(number, lambda received, _: process.send_signal(received))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(process: subprocess.Popen[str]) -> str:
    """Prints what the process says, but for its error, which is returned."""
    assert process.stdout is not None
    reason = ""
    for line in process.stdout:
        if line.startswith(ERROR):
            reason = line.removeprefix(ERROR).strip()
        else:
            print(line, end="", flush=True)
    return reason


def _raise(status: int, reason: str) -> None:
    """As the command would have in this process: `status` is Popen's."""
    # 128 + signal after an orderly end; -signal where a second one has ended it.
    received = -status if status < 0 else status - 128
    if received in SIGNALS:
        raise InterruptedRunError(received)
    if status < 0:
        raise UserError(
            f"The process of the command was killed by {signal.Signals(-status).name}, as the"
            " system does where memory runs out; give the same call again."
        )
    if status:
        raise UserError(
            reason
            or f"The process of the command has ended with status {status}; see what it said above."
        )
