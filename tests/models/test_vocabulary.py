"""Vocabulary compaction: the same model on renumbered words, and every row given back."""

from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtune.models.names import paths
from jaxtune.models.vocabulary import compact_embedding, restore_embedding

KEPT = np.array([0, *range(3, 50, 2), 44])  # in no particular order


def batch_of_kept_words(family: str) -> tuple[hf.Batch, hf.Batch]:
    """A batch of kept words, and the same with their new numbers."""
    batch = hf.make_batch(family)
    new = [ids % len(KEPT) for ids in batch.ids]
    return batch._replace(ids=[KEPT[ids] for ids in new]), batch._replace(ids=new)


def table(model: Any) -> np.ndarray:
    return np.asarray(model.encoder.word.embedding)


@pytest.mark.parametrize("family", ["bert", "albert"])
def test_renumbered_words_give_equal_logits_and_gradients(family: str) -> None:
    """Bitwise equal logits; the gradient of the full table is the compact one's rows, and 0
    elsewhere.
    """
    model = hf.load_jax(hf.make_folder(family))
    small = compact_embedding(model, KEPT)
    old, new = (hf.jax_rows(batch) for batch in batch_of_kept_words(family))
    run = jax.jit(jax.value_and_grad(lambda model, rows: jnp.sum(jnp.sin(model(rows)))))
    (value, full), (compact_value, compact) = run(model, old), run(small, new)
    assert value == compact_value
    expected = np.zeros_like(table(full))
    expected[KEPT] = table(compact)
    np.testing.assert_allclose(table(full), expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    assert not np.delete(table(full), KEPT, axis=0).any()
    for path, leaf in paths(compact).items():
        if path != "encoder/word/embedding":
            gradient = np.asarray(paths(full)[path])
            bound = 1e-6 * np.abs(table(full)).max() + 1e-6 * np.abs(gradient).max()
            np.testing.assert_allclose(leaf, gradient, rtol=0, atol=bound, err_msg=path)


def test_compacting_touches_only_a_copy() -> None:
    model = hf.load_jax(hf.make_folder("bert"))
    before = table(model).copy()
    small = compact_embedding(model, KEPT)
    np.testing.assert_array_equal(table(small), before[KEPT])
    np.testing.assert_array_equal(table(model), before)
    for path, leaf in paths(small).items():
        if path != "encoder/word/embedding":
            np.testing.assert_array_equal(leaf, paths(model)[path])


def test_restoring_gives_trained_and_decayed_rows_back() -> None:
    """Kept rows as trained; the others times the decay, which is AdamW's on a row without
    gradient.
    """
    model = hf.load_jax(hf.make_folder("bert"))
    full = table(model).copy()
    small = compact_embedding(model, KEPT)
    np.testing.assert_array_equal(table(restore_embedding(small, full, KEPT, 1.0)), full)
    trained = jax.tree.map(lambda leaf: leaf + 1, small)
    restored = restore_embedding(trained, full, KEPT, 0.25)
    expected = full * 0.25
    expected[KEPT] = full[KEPT] + 1
    np.testing.assert_array_equal(table(restored), expected)
    np.testing.assert_array_equal(table(trained), full[KEPT] + 1)
