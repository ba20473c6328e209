"""Protects against an attention kernel where there is none."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from small_groups import plan_for, plans_for

from jaxtune.config.settings import SweepConfig
from jaxtune.core.accelerators import accelerator
from jaxtune.core.devices import is_out_of_memory
from jaxtune.core.errors import UserError
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.training.kernel_rows import check_kernel_rows, in_words, most_slots
from jaxtune.training.prepare import prepare
from jaxtune.training.prepared import Asked


def test_the_kernel_is_refused_where_it_cannot_be_had(tiny):
    (plan,) = plans_for(tiny, "--num_seeds", "1")
    config = dataclasses.replace(plan.config, attention="kernel")
    with pytest.raises(UserError, match="'kernel', which a CPU has not; leave it out there"):
        prepare(config, "cpu")
    encoder = plan.task.model.encoder.config
    size = encoder.hidden_size // encoder.num_heads
    assert size == 8
    with pytest.raises(UserError, match="heads are 8 wide and it takes 16, 32, 64"):
        prepare(config, "gpu")


@pytest.mark.parametrize(
    ("family", "title"),
    [("mpnet", "MPNet"), ("modernbert", "ModernBERT"), ("deberta-v2", "DeBERTa")],
)
def test_the_kernel_is_refused_for_scores_that_it_does_not_compute(family, title):
    folder = pytest.importorskip("hf").make_folder(family)
    config = SweepConfig(model=str(folder), task="miniature", attention="kernel")
    with pytest.raises(UserError, match=f"does not compute that of {title}; leave it out"):
        prepare(config, "gpu")


SHORT = "RESOURCE_EXHAUSTED: Shared memory size limit exceeded: requested 655360, available: 232448"


# What NVIDIA's compiler takes for these cards; `test_ahead.py` asks it.
@pytest.mark.parametrize(
    ("card", "precision", "size", "slots"),
    [
        *(
            ("h100", "bfloat16", 64, 256),
            ("h100", "float32", 64, 128),
            ("h100", "bfloat16", 128, 128),
        ),
        *(
            ("a100", "bfloat16", 64, 128),
            ("a100", "bfloat16", 32, 256),
            ("a100", "float32", 64, 128),
        ),
        *(("l4", "bfloat16", 64, 128), ("l4", "float32", 64, 64), ("l4", "bfloat16", 128, 64)),
    ],
)
def test_the_rows_that_the_kernel_holds(tiny, card, precision, size, slots):
    chip = accelerator(card).multiprocessor
    assert chip is not None
    encoder = encoder_of(tiny, precision, size)
    assert most_slots(encoder, chip.shared_memory_optin) == slots
    assert most_slots(encoder, 1024) == 0


def encoder_of(tiny, precision: str, size: int) -> EncoderConfig:
    (plan,) = plans_for(tiny, "--num_seeds", "1")
    wide = dataclasses.replace(plan.task.model.encoder.config, num_heads=4, hidden_size=4 * size)
    return dataclasses.replace(wide, dtype=precision, attention="kernel")


def test_longer_rows_are_refused_before_anything_compiles(tiny, monkeypatch):
    """Of training, of the dev set and of further sets; a TPU holds others."""
    monkeypatch.setattr("jaxtune.training.prepare.check_attention", lambda *_: None)
    flags = ("--num_seeds", "1", "--attention", "kernel", "--precision", "bfloat16")
    task = plan_for(tiny, *flags, platform="cuda").task
    l4 = SimpleNamespace(device_kind="NVIDIA L4", shared_memory_per_block_optin=101376)
    check_kernel_rows(task, l4)
    long = task.eval_plan._replace(segments=np.zeros((1, 2, 2048), np.int16))
    sentence = (
        "attention is 'kernel', which holds rows of up to 128 slots in bfloat16 on this device"
        " (NVIDIA L4), and the texts need rows of 2048; leave it out, or give a smaller max_length."
    )
    for changed in (
        {"shape": task.shape._replace(slots=2048)},
        {"eval_plan": long},
        {"further": {"test": Asked(task.dev, long, (), labelled=False)}},
    ):
        with pytest.raises(UserError) as error:
            check_kernel_rows(dataclasses.replace(task, **changed), l4)
        assert str(error.value) == sentence
        check_kernel_rows(dataclasses.replace(task, **changed), SimpleNamespace())


def test_a_kernel_without_room_on_the_chip_is_no_matter_of_the_trials():
    error = jax.errors.JaxRuntimeError(SHORT)
    assert not is_out_of_memory(error)
    with (
        pytest.raises(UserError, match="fewer slots on this device; leave it out, or give a small"),
        in_words(),
    ):
        raise error
    other = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
    assert is_out_of_memory(other)
    with pytest.raises(jax.errors.JaxRuntimeError, match="Out of memory"), in_words():
        raise other
