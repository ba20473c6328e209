"""Real plans through real models: a sentence cut at the longest length, a lone token, and a short
last batch.
"""

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtune.data.packing import Shape, choose_shape, make_plan
from jaxtune.data.token_table import TokenTable
from jaxtune.training.step import StepPlan, gather_batch, loss_and_gradients

# The longest is what is left of a 10,000-character sentence; the last batch of four holds two.
LENGTHS = np.array([12, 1, 7, 12, 3, 1, 9, 12, 5, 2], np.int32)
BATCHES = np.array([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, -1, -1]], np.int32)


def table(family: str) -> TokenTable:
    """Random words and types."""
    rng = np.random.default_rng(0)
    starts = (1 + np.cumsum(LENGTHS) - LENGTHS).astype(np.int32)
    total = 1 + LENGTHS.sum()
    types = 1 + hf.has_types(family)
    return TokenTable(
        ids=rng.integers(5, 50, total).astype(np.int32),
        token_types=rng.integers(0, types, total).astype(np.int32),
        positions=np.concatenate([[0], *map(np.arange, LENGTHS)]).astype(np.int32),
        starts=starts,
        lengths=LENGTHS,
        labels=rng.integers(0, hf.NUM_LABELS, len(LENGTHS)).astype(np.int32),
    )


# Rows of a model packed and padded: tests/models/test_packed_and_padded.py, for every family.
@pytest.mark.parametrize("family", hf.FIRST_FAMILIES)
def test_packed_batches_train_as_padded_ones(family):
    examples, model = table(family), hf.load_jax(hf.make_folder(family))
    packed = choose_shape(LENGTHS, 4, hidden_size=32)
    padded = Shape(12, (4,), packed=False)
    step = jax.jit(
        lambda model, tokens, plan, rows: loss_and_gradients(
            model, gather_batch(tokens, plan, rows), None
        ),
        static_argnums=3,
    )
    for number in range(len(BATCHES)):
        results = []
        for shape in (packed, padded):
            plan = make_plan(examples, BATCHES, shape)
            one = StepPlan._make(jnp.asarray(part[number]) for part in plan)
            results.append(step(model, examples.as_tokens(), one, shape.ladder[-1]))
        (loss, gradients), (expected, reference) = results
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        for (path, leaf), other in zip(
            jax.tree.leaves_with_path(gradients), jax.tree.leaves(reference), strict=True
        ):
            np.testing.assert_allclose(leaf, other, rtol=1e-4, atol=2e-6, err_msg=str(path))
    assert make_plan(examples, BATCHES, packed).rows.max() < 4  # it does pack
