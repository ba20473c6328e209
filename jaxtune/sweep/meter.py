"""How fast a sweep runs."""

import contextlib
import time
from collections.abc import Generator
from typing import Any

import jax

from jaxtune.core.devices import peak_memory

COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"


class Meter:
    """How fast a sweep runs: time of its groups, compiling included, trials and tokens."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.compile_seconds = 0.0
        self.trials = 0
        self.tokens = 0
        self.peak_elsewhere = 0  # bytes, of workers of a cluster

    @contextlib.contextmanager
    def timing(self) -> Generator[None]:
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
        """For summary.json: bytes and seconds as named, rates with compilation and evaluation."""
        per_second = 1 / self.seconds if self.seconds else 0.0
        return {
            "trials": self.trials,
            "seconds": round(self.seconds, 3),
            "seeds_per_hour": round(3600 * self.trials * per_second, 1),
            "tokens_per_second": round(self.tokens * per_second, 1),
            "compile_seconds": round(self.compile_seconds, 3),
            "peak_memory_bytes": self.peak_elsewhere or peak_memory(),
        }

    def _on_event(self, event: str, duration: float, **_: str | int) -> None:
        if event == COMPILE_EVENT:
            self.compile_seconds += duration
