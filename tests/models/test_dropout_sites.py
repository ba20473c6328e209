"""Dropout within a model: where torch has it, at its rates, and only with a key."""

import hf
import jax
import numpy as np
import pytest
import torch
from hf import FAMILIES, deviation, with_config


# transformers' ALBERT has no dropout after its feed-forward (Google's has), so its hidden rate
# stays at the published 0.
@pytest.mark.parametrize(
    ("family", "hidden"),
    [
        *((family, 0.0 if family == "albert" else 0.1) for family in FAMILIES[:-1]),
        pytest.param(FAMILIES[-1], 0.1, marks=pytest.mark.slow),
    ],
)
def test_dropout_sits_where_torch_has_it(family: str, hidden: float) -> None:
    """Means and spreads of the logits over many masks are torch's: no site is missing or has
    another rate.
    """
    rates, draws = (hidden, 0.2, 0.3), 2000 if family == "deberta-v2" else 8000
    names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
    changes = dict(zip(names, rates, strict=True))
    changes |= {"mlp_dropout": 0.25} if family == "modernbert" else {}
    folder = hf.make_folder(family, **changes)
    batch = hf.make_batch(family, lengths=(6,))
    model, rows = hf.load_jax(folder), hf.jax_rows(batch, slots=6)
    keys = jax.random.split(jax.random.key(0), draws)
    ours = np.asarray(jax.jit(jax.vmap(model, (None, 0)))(rows, keys))[:, 0]
    # DeBERTa drops states of distances, the same ones for a whole batch.
    passes = draws if family == "deberta-v2" else 1
    one = hf.torch_inputs(batch, family)
    inputs = {name: x.expand(draws // passes, -1) for name, x in one.items()}
    torch.manual_seed(0)
    reference = hf.load_torch(folder).train()
    with torch.no_grad():
        theirs = np.concatenate([reference(**inputs).logits.numpy() for _ in range(passes)])
    scale = theirs.std(0)
    assert (scale > 0.05).all()
    np.testing.assert_array_less(
        np.abs(ours.mean(0) - theirs.mean(0)), 5 * scale * np.sqrt(2 / draws)
    )
    assert ours.std(0) == pytest.approx(scale, rel=5 / np.sqrt(draws))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_key_is_deterministic(family: str) -> None:
    """Without a key, rates do not matter; with one, the key decides."""
    batch, plain = hf.make_batch(family), hf.load_jax(hf.make_folder(family))
    rates = dict.fromkeys(("hidden_dropout", "attention_dropout", "classifier_dropout"), 0.3)
    rows, run = hf.jax_rows(batch), jax.jit(lambda model, rows, key: model(rows, key))
    model, expected = with_config(plain, **rates), run(plain, rows, None)
    np.testing.assert_array_equal(run(model, rows, None), expected)
    one, two = (np.asarray(run(model, rows, key)) for key in jax.random.split(jax.random.key(0)))
    np.testing.assert_array_equal(run(model, rows, jax.random.split(jax.random.key(0))[0]), one)
    assert min(deviation(one, two), deviation(one, np.asarray(expected))) > 0.01
