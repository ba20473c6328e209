"""Rows of several sequences and of padding: packed ones compute what padded ones do, padding in a
text is torch's, and padding around it is never read.
"""

import re

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from against_torch import CASES, PACKED, assert_same_gradients, run_jax, run_padded, run_torch
from hf import FAMILIES, MASKED_LM, deviation


@pytest.mark.parametrize(("family", "head"), CASES)
def test_packed_rows_equal_one_sequence_per_row(family: str, head: str) -> None:
    """Several sequences in a row change neither logits nor any gradient."""
    batch, model = hf.make_batch(family), hf.load_jax(hf.make_folder(family, head), head)
    expected, reference = run_padded(family, head)
    logits, gradients = run_jax(model, batch, hf.jax_rows(batch, PACKED, slots=26))
    assert deviation(logits, expected) < 1e-5
    assert_same_gradients(gradients, reference)


def with_spelled_padding(family: str) -> hf.Batch:
    """The batch with padding among the words, as a text that spells "<pad>" has it: once first,
    once last, twice running.
    """
    batch, padding = hf.make_batch(family), hf.padding_id(family)
    for sequence, places in ((0, [2]), (1, [3, 4, 9]), (2, [0]), (5, [9])):
        batch.ids[sequence][places] = padding
    return batch


@pytest.mark.parametrize(("family", "head"), CASES)
def test_padding_in_a_text_is_torchs(family: str, head: str) -> None:
    """It is attended to but no row of a table learns from it, and in RoBERTa it has no position:
    logits and every gradient, one sequence a row and packed.
    """
    batch, folder = with_spelled_padding(family), hf.make_folder(family, head)
    expected, reference = run_torch(hf.load_torch(folder, head), batch, family, head)
    for rows in (hf.jax_rows(batch), hf.jax_rows(batch, PACKED, slots=26)):
        logits, gradients = run_jax(hf.load_jax(folder, head), batch, rows)
        assert deviation(logits, expected) < 1e-5
        assert_same_gradients(gradients, reference)
    words = next(g for n, g in gradients.items() if re.search("(word|tok)_embeddings.weight$", n))
    assert np.any(words[hf.padding_id(family)]) == (head == MASKED_LM)  # by the decoder


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_content_is_never_read(family: str) -> None:
    """Other words, positions and types in the padding leave the logits bitwise as they are."""
    batch, model = hf.make_batch(family), hf.load_jax(hf.make_folder(family))
    rows = hf.jax_rows(batch)
    filled = {
        name: jnp.where(rows.segments == 0, value, getattr(rows, name))
        for name, value in (("token_ids", 7), ("positions", 3))
    }
    run = jax.jit(lambda model, rows: model(rows))
    np.testing.assert_array_equal(run(model, rows), run(model, rows._replace(**filled)))
