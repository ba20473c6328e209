"""The rows that the attention kernel takes on a device: it holds a whole one on the chip.

An NVIDIA card's chip has little memory, and a kernel that wants more does not compile: another
matter than a program that does not fit in the device's own memory, where fewer trials may.
"""

import contextlib
from collections.abc import Generator
from typing import Any

import jax

from jaxtune.core.devices import is_out_of_shared_memory
from jaxtune.core.errors import UserError
from jaxtune.models.attention import shared_memory
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.training.prepared import Prepared

INSTEAD = "leave it out, or give a smaller max_length."


def check_kernel_rows(task: Prepared, device: Any) -> None:
    """Raises UserError where attention is the kernel and a row has more slots than it takes there.

    Args:
        device: one of jax's, described or here.
    """
    encoder = task.model.encoder.config
    room = getattr(device, "shared_memory_per_block_optin", None)  # bytes; of NVIDIA cards only
    if encoder.attention != "kernel" or room is None:
        return
    plans = [task.eval_plan, *(asked.plan for asked in task.further.values())]
    slots = max(task.shape.slots, *(plan.segments.shape[-1] for plan in plans))
    most = most_slots(encoder, room)
    if slots > most:
        raise UserError(
            f"attention is 'kernel', which holds rows of up to {most} slots in {encoder.dtype} on"
            f" this device ({device.device_kind}), and the texts need rows of {slots}; {INSTEAD}"
        )


def most_slots(encoder: EncoderConfig, room: int) -> int:
    """Slots of the longest row that the kernel holds in `room` bytes on the chip: a power of two,
    or 0 where it holds none.
    """
    size = encoder.hidden_size // encoder.num_heads
    slots = 16  # the shortest rows
    while shared_memory(slots, size, encoder.dtype) <= room:
        slots *= 2
    return slots // 2 if slots > 16 else 0


@contextlib.contextmanager
def in_words() -> Generator[None]:
    """Says in a sentence where a compiler has no room for the kernel's rows after all: what they
    take was seen with one of its versions.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not is_out_of_shared_memory(error):
            raise
        raise UserError(
            f"attention is 'kernel', which holds rows of fewer slots on this device; {INSTEAD}"
        ) from error
