"""SIGTERM and SIGINT: the first asks the run to stop where it can go on later, the second ends it
at once.
"""

import signal
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class InterruptedRunError(Exception):
    """A run has stopped because it was asked to; `status` is the shell's 128 + signal."""

    def __init__(self, received: int):
        super().__init__(f"stopped by {signal.Signals(received).name}")
        self.status = 128 + received


class Interruption:
    """Watches for the signals inside a `with` block of the main thread; without `watch` they have
    their usual effect.
    """

    def __init__(self, watch: bool = True) -> None:
        self.received: int | None = None
        watched = SIGNALS if watch else ()
        self._before = {number: signal.getsignal(number) for number in watched}

    def __enter__(self) -> "Interruption":
        for number in self._before:
            signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        """Whether to stop."""
        return self.received is not None

    def stop_here(self) -> None:
        """Raises InterruptedRunError if a signal has come."""
        if self.received is not None:
            raise InterruptedRunError(self.received)

    def _receive(self, number: int, _: FrameType | None) -> None:
        self.received = number
        for again in SIGNALS:  # the next one ends the process, whatever it is doing
            signal.signal(again, signal.SIG_DFL)
