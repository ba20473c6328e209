"""The encoder and its heads against torch: logits, every gradient, packed rows, dropout and
bfloat16.
"""

import dataclasses
import functools
import re
from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from hf import CLASSIFICATION, FAMILIES, MASKED_LM, deviation

from jaxtune.models import families
from jaxtune.models.encoder import Rows
from jaxtune.models.heads import MaskedLM, SequenceClassifier
from jaxtune.models.pretrained import (
    load_classifier,
    num_parameters,
    read_config,
    to_tensors,
)
from jaxtune.models.weights import read_tensors

PACKED = [[5, 0, 4], [2, 1, 3]]  # the sequences of each row, in another order than the batch's
CASES = [(family, head) for family in FAMILIES for head in (CLASSIFICATION, MASKED_LM)]
NAMESAKES = [(family, CLASSIFICATION) for family in hf.NAMESAKES]


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


@pytest.mark.parametrize(("family", "head"), [*CASES, *NAMESAKES])
def test_logits_and_every_gradient_agree_with_torch(family: str, head: str) -> None:
    """Ragged sequences, padded with an attention mask in torch; every parameter of one side is one
    of the other.
    """
    logits, gradients = run_padded(family, head)
    model = hf.load_torch(hf.make_folder(family, head), head)
    expected, reference = run_torch(model, hf.make_batch(family), family, head)
    assert deviation(logits, expected) < 1e-5
    assert set(gradients) == {
        name for name in reference if name not in families.FAMILIES[family].tied
    }
    assert_same_gradients(gradients, reference)


def test_electras_discriminator_sees_our_states() -> None:
    """Its own head, left out as we fine-tune, on the encoder's states: the logits of every word."""
    folder, batch = hf.make_folder("electra", "PreTraining"), hf.make_batch("electra")
    model, *_ = load_classifier(folder, read_config(folder)[0], hf.NUM_LABELS)
    rows = hf.jax_rows(batch)
    states = jax.jit(lambda encoder, rows: encoder(rows))(model.encoder, rows)
    head = read_tensors(folder, model.encoder.config).tensors
    name = "discriminator_predictions."
    inner = states @ head[f"{name}dense.weight"].T + head[f"{name}dense.bias"]
    last = head[f"{name}dense_prediction.weight"].T, head[f"{name}dense_prediction.bias"]
    logits = np.asarray(jax.nn.gelu(inner, approximate=False) @ last[0] + last[1])[:, 0]
    with torch.no_grad():
        theirs = hf.load_torch(folder, "PreTraining")(**hf.torch_inputs(batch, "electra")).logits
    words = np.asarray(rows.segments) > 0
    assert deviation(logits.reshape(words.shape)[words], theirs.numpy()[words]) < 1e-5


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_the_masked_lm_heads_activation(family: str) -> None:
    """BERT's head has that of the blocks, RoBERTa's always gelu."""
    folder = hf.make_folder(family, MASKED_LM, hidden_act="silu")
    batch = hf.make_batch(family)
    rows = hf.jax_rows(batch)
    places, _ = hf.lm_targets(batch, rows)
    logits = jax.jit(lambda model: model(rows, places))(hf.load_jax(folder, MASKED_LM))
    with torch.no_grad():
        theirs = hf.load_torch(folder, MASKED_LM)(**hf.torch_inputs(batch, family)).logits
    assert deviation(np.asarray(logits), theirs[hf.lm_labels(batch) != hf.IGNORED].numpy()) < 1e-5


# ModernBERT has none; DeBERTa's meets distances too.
@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in ("modernbert", "deberta-v2")])
def test_key_bias_has_no_gradient(family: str) -> None:
    """In float64 the key biases' gradient vanishes, which is why the float32 comparison leaves them
    out.
    """
    model = hf.load_torch(hf.make_folder(family)).double()
    _, gradients = run_torch(model, hf.make_batch(family), family, CLASSIFICATION)
    largest = max(np.abs(gradient).max() for gradient in gradients.values())
    biases = [g for name, g in gradients.items() if hf.is_key_bias(name)]
    assert biases
    assert max(np.abs(g).max() for g in biases) < 1e-15 * largest


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


# All that ModernBERT's config.json can choose, the other way, and an odd window.
CHOICES = {
    **dict.fromkeys(("attention_bias", "mlp_bias", "norm_bias", "classifier_bias"), True),
    "decoder_bias": False,
    "classifier_pooling": "mean",
    "classifier_activation": "relu",
    "hidden_activation": "silu",
    "local_attention": 7,
    "global_attn_every_n_layers": 2,
    "global_rope_theta": 500.0,
    "local_rope_theta": 50.0,
}


@pytest.mark.parametrize("head", [CLASSIFICATION, MASKED_LM])
@pytest.mark.slow
def test_what_a_modernbert_can_choose_is_torchs(head: str) -> None:
    """Padded, and packed beside sequences that neither window nor mean may see."""
    batch, folder = hf.make_batch("modernbert"), hf.make_folder("modernbert", head, **CHOICES)
    expected, reference = run_torch(hf.load_torch(folder, head), batch, "modernbert", head)
    for rows in (hf.jax_rows(batch), hf.jax_rows(batch, PACKED, slots=26)):
        logits, gradients = run_jax(hf.load_jax(folder, head), batch, rows)
        assert deviation(logits, expected) < 1e-5
        assert set(gradients) == set(reference) - {"decoder.weight"}
        assert_same_gradients(gradients, reference)


@pytest.mark.parametrize("choice", ["local_attention", "global_rope_theta", "local_rope_theta"])
def test_windows_and_rotations_are_there(choice: str) -> None:
    """A sequence longer than the window has other logits with a wider one, and with other bases."""
    batch, plain = hf.make_batch("modernbert"), hf.load_jax(hf.make_folder("modernbert"))
    assert plain.encoder.config.window < max(map(len, batch.ids))
    other = hf.load_jax(hf.make_folder("modernbert", **{choice: 24}))
    run = jax.jit(lambda model, rows: model(rows))
    one, two = (np.asarray(run(model, hf.jax_rows(batch))) for model in (plain, other))
    assert deviation(one, two) > 1e-4


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


def test_albert_has_one_block() -> None:
    """The shared block's parameters and gradient have no layer axis and count once."""
    folder = hf.make_folder("albert")
    model = hf.load_jax(folder)
    assert model.encoder.layers.query.kernel.shape == (32, 32)
    assert hf.load_jax(hf.make_folder("bert")).encoder.layers.query.kernel.shape == (3, 32, 32)
    assert num_parameters(model) == sum(p.numel() for p in hf.load_torch(folder).parameters())


def with_config(model: Any, **changes: Any) -> Any:
    """The model with another static configuration, which all of its modules hold."""
    config = dataclasses.replace(model.encoder.config, **changes)
    new = jax.eval_shape(lambda: type(model)(config, hf.NUM_LABELS, key=jax.random.key(0)))
    return jax.tree.unflatten(jax.tree.structure(new), jax.tree.leaves(model))


@pytest.mark.parametrize("remat", ["none", "elementwise"])
@pytest.mark.parametrize("family", ["bert", "albert", "modernbert", "deberta-v2"])
@pytest.mark.slow
def test_blocks_written_out_compute_what_the_loop_does(family: str, remat: str) -> None:
    """Loss and every gradient under the same dropout; and there is no loop."""
    batch, model = hf.make_batch(family), hf.load_jax(hf.make_folder(family))
    rows, labels = hf.jax_rows(batch), jnp.asarray(batch.labels, jnp.int32)

    @jax.jit
    @jax.value_and_grad
    def loss(model: SequenceClassifier) -> jax.Array:
        logits = model(rows, jax.random.key(1))
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    scanned, written_out = (
        with_config(model, scan_layers=scan, remat=remat) for scan in (True, False)
    )
    (value, gradients), (again, others) = loss(scanned), loss(written_out)
    np.testing.assert_allclose(again, value, rtol=1e-6)
    one, other = to_tensors(gradients), to_tensors(others)
    for name, gradient in one.items():
        np.testing.assert_allclose(other[name], gradient, rtol=1e-4, atol=1e-6, err_msg=name)
    # Forward and backward; random numbers have loops of their own.
    loops, left = (
        loss.lower(each).as_text().count(" stablehlo.while(") for each in (scanned, written_out)
    )
    assert loops == left + 2


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


def distance(ours: Any, reference: Any) -> float:
    """The root mean square of the differences over that of the reference."""
    flat = [np.concatenate([np.ravel(x) for x in side]) for side in (ours, reference)]
    return float(np.linalg.norm(flat[0] - flat[1]) / np.linalg.norm(flat[1]))


# Of the others tests/training/test_bfloat16.py has the same, in a step.
@pytest.mark.parametrize("family", hf.FIRST_FAMILIES)
def test_bfloat16_is_as_near_to_float32_as_torchs(family: str) -> None:
    """A product in bfloat16 rounds at 2^-9; what that makes of a model, torch in bfloat16 says.

    Logits and the whole gradient are at most 1.5 times as far from float32 (seen 0.8 to 1.2), each
    tensor's at most 3 times (seen: 1.8), for two roundings of one number differ. And they are not
    float32: the distance is above one rounding's.
    """
    batch, model = hf.make_batch(family), hf.load_jax(hf.make_folder(family))
    half = with_config(model, dtype="bfloat16")
    expected, reference = run_padded(family, CLASSIFICATION)
    with jax.numpy_dtype_promotion("standard"):  # flax's LayerNorm mixes dtypes
        logits, gradients = run_jax(half, batch, hf.jax_rows(batch))
    assert {logits.dtype, *(gradient.dtype for gradient in gradients.values())} == {np.dtype("f4")}
    torch_half = hf.load_torch(hf.make_folder(family)).bfloat16()
    output = torch_half(**hf.torch_inputs(batch, family), labels=torch.tensor(batch.labels))
    output.loss.backward()
    theirs = {name: p.grad.float().numpy() for name, p in torch_half.named_parameters()}
    names = [name for name in gradients if not hf.is_key_bias(name)]  # theirs is 0

    def gradient_distance(tensors: dict[str, np.ndarray], names: list[str]) -> float:
        return distance([tensors[name] for name in names], [reference[name] for name in names])

    torch_logits = output.logits.detach().float().numpy()
    assert 2**-9 < distance([logits], [expected]) < 1.5 * distance([torch_logits], [expected])
    far = gradient_distance(gradients, names)
    assert 2**-9 < far < 1.5 * gradient_distance(theirs, names)
    for name in names:
        own = gradient_distance(gradients, [name])
        assert own < 3 * gradient_distance(theirs, [name]), name
