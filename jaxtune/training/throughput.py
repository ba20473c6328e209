"""How fast a sweep ran: seeds per hour, real tokens per second, compile time, peak memory."""

import contextlib
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

import jax

_COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"


class Meter:
    """Adds up a sweep: the time of its groups, compiling included, the trials that ended and the
    tokens they trained on.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.compile_seconds = 0.0
        self.trials = 0
        self.tokens = 0

    @contextlib.contextmanager
    def timing(self) -> Iterator[None]:
        """Adds the time of a group, whether it succeeds or not."""
        # JAX would keep a listener for as long as the process lives, which may run many sweeps.
        listener: Any = self._on_event
        jax.monitoring.register_event_duration_secs_listener(listener)
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - began
            jax.monitoring.unregister_event_duration_listener(listener)

    def totals(self) -> dict[str, Any]:
        """`seeds_per_hour` and `tokens_per_second` include compilation and evaluation; bytes and
        seconds as named.
        """
        per_second = 1 / self.seconds if self.seconds else 0.0
        return {
            "trials": self.trials,
            "seconds": round(self.seconds, 3),
            "seeds_per_hour": round(3600 * self.trials * per_second, 1),
            "tokens_per_second": round(self.tokens * per_second, 1),
            "compile_seconds": round(self.compile_seconds, 3),
            "peak_memory_bytes": peak_memory(),
        }

    def _on_event(self, event: str, duration: float, **_: str | int) -> None:
        if event == _COMPILE_EVENT:
            self.compile_seconds += duration


def peak_memory() -> int:
    """Of the first device where it keeps count, else of this process."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "peak_bytes_in_use" in statistics:
        return statistics["peak_bytes_in_use"]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # macOS counts bytes, Linux KiB
