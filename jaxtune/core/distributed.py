"""Joining the other processes of a run, and telling them why this one cannot go on.

JAX is imported late: a command that joins nobody answers usage errors before it loads.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Generator

from jaxtune.core.errors import UserError

ADDRESS, COUNT, INDEX = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
MOST = 1 << 20  # processes: what is more is a slip
CPU_DEVICES = "JAX_NUM_CPU_DEVICES"


def check_variables() -> None:
    """Raises UserError for a number of devices that is none: JAX cannot be imported with it."""
    given = os.environ.get(CPU_DEVICES, "0")
    try:
        int(given)
    except ValueError as error:
        raise UserError(
            f"{CPU_DEVICES} is {given!r}; set it to a whole number, or unset it."
        ) from error


def join_processes() -> None:
    """Joins the other processes of a run, where the environment names their coordinator.

    JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID; each process gets the
    same command, and the trials are spread over the devices of all. One process that ends takes the
    others with it. Who has joined already only meets the others.

    Raises UserError where a variable is missing or no such value, or where processes have different
    numbers of devices.
    """
    import jax

    if ADDRESS in os.environ and not jax.distributed.is_initialized():
        address = _address()
        count = _number(COUNT, 1, MOST)
        index = _number(INDEX, 0, count - 1)
        try:
            jax.distributed.initialize(address, count, index)
        except RuntimeError as error:
            raise UserError(
                f"This process cannot join the others at {address}"
                f" ({str(error).partition('. ')[0]}); give a port that is free on the first"
                " process's machine, and run nothing by JAX before."
            ) from error
    if jax.distributed.is_initialized():
        _meet()


@contextlib.contextmanager
def others_told() -> Generator[None]:
    """A UserError of the block ends the other processes of the run, too: they would wait for this
    one for minutes, and JAX then aborts them without a word of the reason.
    """
    try:
        yield
    except UserError as error:
        if ADDRESS in os.environ:
            from jaxtune.core import devices
            from jaxtune.core.processes import tell

            devices.set_up()  # joins them
            tell(error)
        raise


def _address() -> str:
    host, _, port = os.environ[ADDRESS].rpartition(":")
    if not (host and port.isdecimal() and int(port) < 1 << 16):
        raise UserError(
            f"{ADDRESS} is {os.environ[ADDRESS]!r}; set it to HOST:PORT of the first process, the"
            " same for all."
        )
    return os.environ[ADDRESS]


def _number(name: str, least: int, most: int) -> int:
    given = os.environ.get(name)
    if given is not None and given.isdecimal() and least <= int(given) <= most:
        return int(given)
    is_given = "is not set" if given is None else f"is {given!r}"
    what = "how many processes there are"
    if name == INDEX:
        what = f"the number of this process, 0 to {most}"
    raise UserError(
        f"{ADDRESS} is set and {name} {is_given}; set {name} to {what}, or unset {ADDRESS} to run"
        " one process."
    )


def _meet() -> None:
    """The first exchange, before anything that takes one process longer than another.

    On CPUs Gloo gives the processes 30 seconds to find each other at the first exchange, and later
    ones any time. Between processes with unequal numbers of devices JAX can exchange nothing.
    """
    import jax

    from jaxtune.core.processes import worst

    counts = Counter(device.process_index for device in jax.devices())
    if len({*counts.values()}) > 1:
        each = ", ".join(f"process {index}: {count}" for index, count in sorted(counts.items()))
        raise UserError(
            f"The processes have different numbers of devices ({each}), and trials are spread"
            f" evenly; give each as many, on CPU with {CPU_DEVICES}."
        )
    worst([0])
