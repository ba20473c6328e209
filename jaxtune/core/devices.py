"""JAX set up for a command, or for a sweep in a process that may have used it already."""

import contextlib
import os
import resource
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from jaxtune.core import freed_memory
from jaxtune.core.accelerators import GPU_SHARE
from jaxtune.core.console import say
from jaxtune.core.distributed import join_processes
from jaxtune.core.errors import UserError

SHARE_VARIABLE = "XLA_PYTHON_CLIENT_MEM_FRACTION"
# What decides a trial's bits: the same seeds are to give the same numbers in every environment.
# Threefry in its partitionable form, since rbg mixes streams under vmap; and float32.
REPRODUCIBLE: dict[str, Any] = {
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_enable_x64": False,
}
# With one of these the user has decided about a GPU's memory.
USERS_OWN = (SHARE_VARIABLE, "XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_ALLOCATOR")


def set_up(compile_cache: bool = True) -> None:
    """One CPU device per core, most of a GPU's memory, compiled programs kept.

    What the user set stays, but for what would give other numbers. Two trials side by side, one per
    core, beat one trial on two cores (benchmarks/README.md).
    """
    freed_memory.keep()
    make_reproducible()
    config: Any = jax.config  # its fields are made at import
    forced = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if config.jax_num_cpu_devices < 0 and not forced:
        _use_every_core()
    if compile_cache and config.jax_compilation_cache_dir is None:
        _keep_compiled_programs()
    if not any(name in os.environ for name in USERS_OWN):
        os.environ[SHARE_VARIABLE] = str(GPU_SHARE)  # read once, when JAX starts its devices
    join_processes()
    _start_devices()


def make_reproducible() -> None:
    """Sets what decides a trial's bits, whatever the environment says (`REPRODUCIBLE`)."""
    for name, value in REPRODUCIBLE.items():
        jax.config.update(name, value)


@contextlib.contextmanager
def settings_given_back() -> Generator[None]:
    """Leaves JAX's settings as they were, for the process's other work and its next sweep."""
    config: Any = jax.config
    names = ("jax_compilation_cache_dir", *REPRODUCIBLE)
    before, share = {n: getattr(config, n) for n in names}, os.environ.get(SHARE_VARIABLE)
    try:
        yield
    finally:
        if share is None:  # for processes that this one starts
            os.environ.pop(SHARE_VARIABLE, None)
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


def _start_devices() -> None:
    """Raises UserError where JAX_PLATFORMS asks for devices that cannot be had."""
    config: Any = jax.config
    asked = config.jax_platforms
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        if not asked:
            raise
        reason = str(error).partition(" (set JAX_PLATFORMS")[0].strip().rstrip(".")
        raise UserError(
            f"JAX_PLATFORMS is {asked!r}, and JAX finds no such device here"
            f"{f' ({reason})' if reason else ''}; unset it for the devices that are here."
        ) from error


def _use_every_core() -> None:
    """A CPU device per core, where JAX has not made its devices yet; says what it costs if so."""
    try:
        jax.config.update("jax_num_cpu_devices", num_cores())
    except RuntimeError:  # JAX has run already
        if jax.default_backend() == "cpu" and jax.device_count() < num_cores():
            say(
                f"JAX was in use before this sweep, with {jax.device_count()} CPU"
                f" device{'s' * (jax.device_count() > 1)} on {num_cores()} cores; a sweep that"
                " comes first in a process is faster."
            )


def num_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _keep_compiled_programs() -> None:
    try:
        folder = cache_folder()
        # Whoever writes here runs code as the reader: the user's own folder, closed to others.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError:  # a cache is a convenience
        return
    except RuntimeError:
        say(
            "There is no home folder to keep compiled programs in, so that the next start compiles"
            " again; set XDG_CACHE_HOME to a folder that may hold them."
        )
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # JAX decides at its first compilation whether there is a cache, and would stay without one.
    compilation_cache.reset_cache()


def cache_folder() -> Path:
    """Where compiled programs are kept: XDG_CACHE_HOME/jaxtune, or ~/.cache/jaxtune.

    Raises RuntimeError for a user without a home.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "jaxtune"


def memory_limit() -> int | None:
    """Bytes that JAX may use on one of this process's accelerators; None on CPU."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    return statistics.get("bytes_limit")


def bytes_held(compiled: Any) -> int:
    """Bytes on each device while a compiled program runs: arguments, results, what lies between.

    A result that takes an argument's place counts once.
    """
    memory = compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    return held + memory.output_size_in_bytes - memory.alias_size_in_bytes


def peak_memory() -> int:
    """Bytes, of the first device where it keeps count, else of this process."""
    statistics = jax.local_devices()[0].memory_stats()
    if statistics and "peak_bytes_in_use" in statistics:
        return statistics["peak_bytes_in_use"]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # macOS counts bytes, Linux KiB


def is_out_of_memory(error: Exception) -> bool:
    """Whether XLA gave up for want of device memory, at compile or run time."""
    exhausted = isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    return exhausted and not is_out_of_shared_memory(error)


def is_out_of_shared_memory(error: Exception) -> bool:
    """Whether a kernel wants more of a chip's own memory than it has: fewer trials do not help."""
    return "Shared memory size limit exceeded" in str(error)
