"""The paper's AdamW in torch, and the batches that both sides train on."""

import functools
from typing import Any

import hf
import jax.numpy as jnp
import numpy as np

from jaxtune.config.trials import Hyper
from jaxtune.training.step import Batch

NUM_STEPS, WARMUP_STEPS = 20, 2


def batch_of(batch: hf.Batch, **layout: Any) -> Batch:
    """The step's batch, every sequence of weight 1."""
    labels = jnp.asarray(batch.labels, jnp.int32)
    return Batch(hf.jax_rows(batch, **layout), labels, jnp.ones(len(labels)))


@functools.cache
def batches(family: str) -> list[hf.Batch]:
    """One batch per step, of lengths in changing order."""
    orders = (tuple(np.random.default_rng(i).permutation(hf.LENGTHS)) for i in range(NUM_STEPS))
    return [hf.make_batch(family, seed, lengths) for seed, lengths in enumerate(orders)]


def adamw_2020(p: Any, m: Any, v: Any, t: int, rate: float, decay: float, hyper: Hyper) -> None:
    """In place, update `t` (from 1) of Hugging Face's AdamW of 2020, whose `correct_bias` the paper
    switches.
    """
    m.mul_(hyper.adam_b1).add_(p.grad, alpha=1 - hyper.adam_b1)
    v.mul_(hyper.adam_b2).addcmul_(p.grad, p.grad, value=1 - hyper.adam_b2)
    step = rate
    if hyper.bias_correction:
        step *= np.sqrt(1 - hyper.adam_b2**t) / (1 - hyper.adam_b1**t)
    p.addcdiv_(m, v.sqrt() + hyper.adam_eps, value=-step)
    p.sub_(rate * decay * p)


def adamw_ours(p: Any, m: Any, v: Any, t: int, rate: float, decay: float, hyper: Hyper) -> None:
    """The same with our two differences: b1, b2 as float32 numbers, and decay of the parameters
    before the update.
    """
    betas = {
        "adam_b1": float(np.float32(hyper.adam_b1)),
        "adam_b2": float(np.float32(hyper.adam_b2)),
    }
    decayed = rate * decay * p
    adamw_2020(p, m, v, t, rate, 0.0, hyper._replace(**betas))
    p.sub_(decayed)


def named(model: Any) -> list[tuple[str, Any]]:
    return list(model.named_parameters())
