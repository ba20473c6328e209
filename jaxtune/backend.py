"""JAX set up for a command, before anything runs on a device."""

import os
from pathlib import Path
from typing import Any

import jax


def set_up(compile_cache: bool = True) -> None:
    """One CPU device per core, and compiled programs kept in the user's cache; what the user set himself stays.

    Two trials side by side, one per core, beat one trial on two cores (benchmarks/README.md).
    """
    config: Any = jax.config  # its fields are made at import
    if config.jax_num_cpu_devices < 0:
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    if compile_cache and config.jax_compilation_cache_dir is None:
        folder = cache_folder()
        # Whoever writes here runs code as the reader: the user's own folder, closed to others.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))
    join_processes()


def join_processes() -> None:
    """Joins the other processes of a run, where the environment names their coordinator.

    JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID; each process gets the same command, and
    the trials are spread over the devices of all. One process that ends takes the others with it.
    """
    address = os.environ.get("JAX_COORDINATOR_ADDRESS")
    if address is not None:
        count, index = os.environ["JAX_NUM_PROCESSES"], os.environ["JAX_PROCESS_ID"]
        jax.distributed.initialize(address, int(count), int(index))


def cache_folder() -> Path:
    """Where compiled programs are kept: XDG_CACHE_HOME/jaxtune, or ~/.cache/jaxtune."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "jaxtune"


def memory_limit() -> int | None:
    """Bytes that JAX may use on one of this process's accelerators; None where it does not say, as on CPU."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    return statistics.get("bytes_limit")


def is_out_of_memory(error: Exception) -> bool:
    """Whether XLA gave up for want of device memory, at compile or run time."""
    return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
