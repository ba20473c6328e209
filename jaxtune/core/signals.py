"""SIGTERM and SIGINT: the first asks a run to stop where it can go on, the second ends it."""

import contextlib
import signal
import sys
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class InterruptedRunError(KeyboardInterrupt):
    """A run has stopped because it was asked to; `status` is the shell's 128 + signal.

    A KeyboardInterrupt, so that nothing takes it for a failure and a notebook stops as it does
    elsewhere.
    """

    def __init__(self, received: int):
        super().__init__(f"stopped by {signal.Signals(received).name}")
        self.status = 128 + received
        self.goes_on = "the same command goes on from here"


# Signals that have raised KeyboardInterrupt, which not every caller of Python lets through: JAX
# swallows what is raised in its hooks of the garbage collector.
_raised: list[int] = []


@contextlib.contextmanager
def sigint_remembered() -> Generator[None]:
    """SIGINT raises KeyboardInterrupt, and an Interruption that begins later knows of it."""
    _raised.clear()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _raise(number: int, _: FrameType | None) -> None:
    _raised.append(number)
    raise KeyboardInterrupt


def handlers() -> dict[int, Any]:
    """What handles each of the signals, where it can be given back later."""
    found = {number: signal.getsignal(number) for number in SIGNALS}
    # None was not set from Python.
    return {number: handler for number, handler in found.items() if handler is not None}


class Interruption:
    """Watches for the signals inside a `with` block; without `watch` they have their usual effect.

    Python lets only the main thread handle signals: in any other nothing is watched.
    """

    def __init__(self, watch: bool = True) -> None:
        self.received: int | None = _raised[-1] if _raised and watch else None
        watch = watch and threading.current_thread() is threading.main_thread()
        self._before = handlers() if watch else {}

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
        # The next one ends the process, whatever it is doing; in a notebook or at a prompt (ps1)
        # that would take the user's work with it, and raises KeyboardInterrupt instead.
        prompt = hasattr(sys, "ps1")
        for again, before in self._before.items():
            signal.signal(again, before if prompt else signal.SIG_DFL)
