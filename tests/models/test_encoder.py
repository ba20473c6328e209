"""The encoder and its heads against torch: logits, every gradient, what a family can choose, and
bfloat16; blocks in a loop and written out.
"""

from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from against_torch import CASES, PACKED, assert_same_gradients, run_jax, run_padded, run_torch
from hf import CLASSIFICATION, FAMILIES, MASKED_LM, deviation, with_config

from jaxtune.models import families
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.pretrained import (
    load_classifier,
    num_parameters,
    read_config,
    to_tensors,
)
from jaxtune.models.weights import read_tensors

NAMESAKES = [(family, CLASSIFICATION) for family in hf.NAMESAKES]


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


def test_albert_has_one_block() -> None:
    """The shared block's parameters and gradient have no layer axis and count once."""
    folder = hf.make_folder("albert")
    model = hf.load_jax(folder)
    assert model.encoder.layers.query.kernel.shape == (32, 32)
    assert hf.load_jax(hf.make_folder("bert")).encoder.layers.query.kernel.shape == (3, 32, 32)
    assert num_parameters(model) == sum(p.numel() for p in hf.load_torch(folder).parameters())


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
