"""What a step costs by its compiled kernels: a model, never a measurement.

Each kernel takes the longest of its products' FLOP over the device's matrix rate, its bytes over
the memory's bandwidth, and a microsecond; one kernel after the other, and nothing else takes time:
no arithmetic but products, no waiting, no host. Loops are multiplied out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from jaxtune.core.accelerators import Accelerator
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.heads import SequenceClassifier
from jaxtune.training.hlo import Computation, Instruction, Module

# Instructions that run nothing; what `-start` begins `-done` waits for.
FREE = (
    "parameter",
    "constant",
    "get-tuple-element",
    "tuple",
    "bitcast",
    "after-all",
    "partition-id",
)
# Of the optimiser: parameters and two moments are read and written; and gradients are read.
BYTES_PER_PARAMETER = 24
BYTES_PER_GRADIENT = {"float32": 4, "bfloat16": 2}

# Seconds that any kernel takes: an assumption, without which hundreds of small ones were free.
LEAST_SECONDS = 1e-6


class Schedule(NamedTuple):
    """What the text of a program does not say of its steps."""

    steps: int = 1  # of a call: times the loop without a known count runs
    rungs: Sequence[float] = (1.0,)  # share of the steps that take each row count


ONE_CALL = Schedule()  # of a program without steps


class Kernel(NamedTuple):
    """One kernel, and how often a step runs it."""

    times: float
    name: str
    where: str  # in the program
    flop: Mapping[str, float]  # of products, by precision; each time
    num_bytes: int  # each time

    def seconds(self, device: Accelerator) -> float:
        """Each time, by the model."""
        products = sum(flop / device.matrix_rate(kind) for kind, flop in self.flop.items())
        return max(products, self.num_bytes / device.memory_rate, LEAST_SECONDS)


class Cost(NamedTuple):
    """A step of all lanes of a program, by the model; or a whole call of one without steps."""

    seconds: float
    kernels: float
    flop: float
    num_bytes: float


def cost(text: str, device: Accelerator, schedule: Schedule = ONE_CALL) -> Cost:
    """What a step of the program with this HLO costs on a device, by the model."""
    found = list(kernels(text, schedule))
    return Cost(
        seconds=sum(kernel.times * kernel.seconds(device) for kernel in found),
        kernels=sum(kernel.times for kernel in found),
        flop=sum(kernel.times * sum(kernel.flop.values()) for kernel in found),
        num_bytes=sum(kernel.times * kernel.num_bytes for kernel in found),
    )


def kernels(text: str, schedule: Schedule = ONE_CALL) -> Iterator[Kernel]:
    """Every kernel of a program with its share of a step.

    What lies outside the loop over steps runs once a call, so a step bears its part of it.
    """
    module = Module(text)

    def walk(computation: str, times: float) -> Iterator[Kernel]:
        rows = module.computations[computation]
        for row in rows.values():
            if row.opcode in FREE or row.opcode.endswith("-done"):
                continue
            if row.opcode == "while":
                trips = module.trips(row)
                runs = schedule.steps if trips is None else trips
                yield from walk(row.called("body")[0], times * runs)
            elif row.opcode == "conditional":
                for branch, share in _branches(module, row, schedule):
                    yield from walk(branch, times * share)
            elif row.opcode == "call":
                yield from walk(row.called("to_apply")[0], times)
            else:
                flop, moved = module.products_of(rows, row), module.bytes_of(rows, row)
                yield Kernel(times, row.name, row.where, flop, moved)

    return walk(module.entry, 1 / schedule.steps)


def _branches(module: Module, row: Instruction, schedule: Schedule) -> Iterator[tuple[str, float]]:
    """The branches of a condition, and how often each is taken: those of row counts by the trials'
    orders, those of another condition, of which nothing is known, alike.
    """
    by_value = (*row.called("false_computation"), *row.called("true_computation"))
    branches = row.called("branch_computations") or [*by_value]
    of_rows = any(_has_products(module, branch) for branch in branches)
    if of_rows and len(schedule.rungs) == len(branches):
        shares = schedule.rungs
    else:
        shares = [1 / len(branches)] * len(branches)
    yield from zip(branches, shares, strict=True)


def _has_products(module: Module, computation: str) -> bool:
    """Whether a computation multiplies matrices, also in the loops that it runs."""
    rows: Computation = module.computations[computation]
    if module.products(computation):
        return True
    inner = [name for row in rows.values() for name in row.called("body")]
    return any(_has_products(module, name) for name in inner)


def wall_seconds(
    model: SequenceClassifier,
    tokens: float,
    device: Accelerator,
    frozen: SequenceClassifier | None = None,
) -> float:
    """Seconds of a trial's step that no program can go below, by the device's rates.

    Six FLOP for each weight of the blocks and real token, four where it is frozen and has no
    gradient of its own, two where the head alone is trained, so that no gradient passes the blocks;
    as if attention, elementwise work and empty slots were free, and then one pass of the optimiser
    over all that is trained.

    Args:
        model: its trained part.
        tokens: real ones of a batch.
    """
    config: EncoderConfig = model.encoder.config

    def size(part: Any) -> int:
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(part))

    uses = config.num_layers if config.shared_block else 1
    flop = 6 * size(model.encoder.layers)
    per_frozen = 4 if size(model.encoder) else 2  # forward, and backward to what is trained below
    flop += 0 if frozen is None else per_frozen * size(frozen.encoder.layers)
    trained = size(model)
    products = flop * uses * tokens / device.matrix_rate(config.dtype)
    num_bytes = BYTES_PER_PARAMETER + BYTES_PER_GRADIENT[config.dtype]
    return products + num_bytes * trained / device.memory_rate
