"""Why a worker was lost, or a node is of no use, in words."""

import re

from jaxtune.core.version import __version__
from jaxtune.core.words import listed


def not_installed(name: str) -> str:
    """Why a node without a module is of no use."""
    if name == "jaxtune":
        return f"jaxtune {__version__} is not installed there; it is sent with --runtime_env true"
    return f"{name} is not installed there; install what jaxtune needs"


def short_reason(error: BaseException) -> str:
    """Why a worker was lost, without Ray's advice."""
    kind = type(error).__name__
    if kind == "OutOfMemoryError":  # of the host, found by Ray's monitor
        return "its node ran out of memory"
    if found := re.search(r"actor is dead because (its [a-z ]+)\.", str(error)):
        killed = "its process was killed or has crashed; the kernel kills where memory runs out"
        return killed if "worker process" in found[1] else found[1]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and "creation task" in lines[0]:  # the lines are a traceback
        return f"it does not begin: {lines[-1][:150]}"
    first = lines[0].partition(". ")[0].rstrip(".") if lines else ""
    return f"{kind}: {first[:150]}" if first else kind


def no_gpu(devices: list[str]) -> str:
    """Why a node whose JAX has these devices alone takes no part where GPUs do."""
    return (
        f"JAX finds no GPU there ({listed(devices)}); install jax with CUDA there, or start the"
        " node with --num-gpus 0"
    )


def last_line(trace: str) -> str:
    """What a traceback ends in."""
    return trace.strip().splitlines()[-1][:300]
