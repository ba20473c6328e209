"""Logits and gradients of a model here and in torch, and how near they are."""

import functools
from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import optax
from hf import CLASSIFICATION, FAMILIES, MASKED_LM, deviation, torch

from jaxtune.models.encoder import Rows
from jaxtune.models.heads import MaskedLM, SequenceClassifier
from jaxtune.models.pretrained import to_tensors

PACKED = [[5, 0, 4], [2, 1, 3]]  # the sequences of each row, in another order than the batch's
CASES = [(family, head) for family in FAMILIES for head in (CLASSIFICATION, MASKED_LM)]


# Compiled once per model and shape of the rows, whatever test runs it.
@jax.jit
def loss_gradients(model: Any, rows: Rows, places: jax.Array, targets: jax.Array) -> Any:
    """Of the mean cross-entropy, and the logits."""

    def loss(model: SequenceClassifier | MaskedLM) -> tuple[jax.Array, jax.Array]:
        logits = model(rows, places) if isinstance(model, MaskedLM) else model(rows)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        return losses.mean(), logits

    return jax.grad(loss, has_aux=True)(model)


def run_jax(model: Any, batch: hf.Batch, rows: Rows) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits, and by Hugging Face name the gradients of the mean cross-entropy over sequences or
    masked places.
    """
    places, words = hf.lm_targets(batch, rows)

    targets = words if isinstance(model, MaskedLM) else jnp.asarray(batch.labels, jnp.int32)
    gradients, logits = loss_gradients(model, rows, places, targets)
    return np.asarray(logits), to_tensors(gradients)


@functools.cache
def run_padded(family: str, head: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """`run_jax` with one sequence per row, shared by the tests."""
    batch = hf.make_batch(family)
    return run_jax(hf.load_jax(hf.make_folder(family, head), head), batch, hf.jax_rows(batch))


def run_torch(
    model: Any, batch: hf.Batch, family: str, head: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The same from torch, one padded sequence per row; masked-LM logits of the masked places
    only.
    """
    labels = hf.lm_labels(batch) if head == MASKED_LM else torch.tensor(batch.labels)
    output = model(**hf.torch_inputs(batch, family), labels=labels)
    output.loss.backward()
    chosen = labels != hf.IGNORED if head == MASKED_LM else slice(None)
    return output.logits[chosen].detach().numpy(), hf.gradients(model)


def assert_same_gradients(ours: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> None:
    """Every tensor to 1e-5 of its largest value.

    The key biases shift all scores of a softmax row alike, so their exact gradient is 0 and both
    sides hold rounding noise: there the bound is 1e-7 (float32's resolution) of the largest
    gradient of all.
    """
    noise = 1e-7 * max(np.abs(gradient).max() for gradient in reference.values())
    for name, gradient in ours.items():
        if hf.is_key_bias(name):
            assert max(np.abs(gradient).max(), np.abs(reference[name]).max()) < noise, name
        else:
            assert deviation(gradient, reference[name]) < 1e-5, name
