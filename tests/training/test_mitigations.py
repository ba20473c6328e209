"""Mixout, decay towards the start, layer-wise rates and re-initialised blocks against torch, step
by step.
"""

import re
from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hf import deviation
from torch_training import NUM_STEPS, WARMUP_STEPS, adamw_ours, batch_of, batches, named

from jaxtune.config.trials import Hyper
from jaxtune.models.names import paths, with_leaves
from jaxtune.models.pretrained import load_classifier, read_config, to_tensors
from jaxtune.models.starting_point import drawn_leaves, mix, reinitialise_top, starting_model
from jaxtune.training.optimizer import make_optimizer
from jaxtune.training.step import TrialState, apply_gradients, loss_and_gradients

STEPS = 8
PLAIN = Hyper(5e-4, True, 0.9, 0.999, 1e-6, 0.01, 1.0, 0.1)
KEY = jax.random.key(11)
_OFF = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
NO_DROPOUT = {
    **dict.fromkeys(("bert", "roberta", "electra", "deberta-v2"), _OFF),
    "albert": {"classifier_dropout": 0.0},
    "modernbert": {},
}


def step_key(step: int) -> Any:
    return jax.random.fold_in(KEY, step)


def masks(model: Any, probability: float, key: Any) -> dict[str, np.ndarray]:
    """1 where a weight stays and 0 where Mixout puts it back, by torch's names."""
    ones, zeros = (jax.tree.map(lambda leaf, v=v: jnp.full_like(leaf, v), model) for v in (1, 0))
    kept = jax.jit(mix)(ones, zeros, probability, key)
    return {name: (x != 0).astype(np.float32) for name, x in to_tensors(kept).items()}


def depth_below_head(name: str, num_layers: int) -> int:
    """By torch's names: 0 the head and pooler, 1 the top block, L + 1 the embeddings, those of
    DeBERTa's distances and the LayerNorm over them too.
    """
    if found := re.search(r"\.layers?\.(\d+)\.", name):
        return num_layers - int(found[1])
    below = "embeddings" in name or name.startswith("deberta.encoder.")
    return num_layers + 1 if below else 0


def mixed_parameters(model: Any, start: dict[str, Any], mask: Any, p: float) -> dict[str, Any]:
    """Lee et al.'s formula, so that autograd has the derivative m / (1 - p)."""
    mixed = {}
    for name, w in named(model):
        m = torch.tensor(mask[name])
        put_back = (1 - m) * start[name] + m * w
        mixed[name] = w if m.all() else (put_back - p * start[name]) / (1 - p)
    return mixed


def train_torch(model: Any, family: str, hyper: Hyper, mask_of_step: Any) -> list[float]:
    """The paper's loop with the mitigations written out as PAPER's definitions have them."""
    start = {name: p.detach().clone() for name, p in named(model)}
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in named(model)}
    losses = []
    for t, batch in enumerate(batches(family)[:STEPS]):
        model.zero_grad()
        inputs = hf.torch_inputs(batch, family) | {"labels": torch.tensor(batch.labels)}
        mixed = mixed_parameters(model, start, mask_of_step(t), hyper.mixout)
        loss = torch.func.functional_call(model, mixed, kwargs=inputs).loss
        loss.backward()
        losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), hyper.max_grad_norm)
        falling = (NUM_STEPS - t) / (NUM_STEPS - WARMUP_STEPS)
        with torch.no_grad():
            for name, p in named(model):
                free = name.endswith("bias") or "norm" in name.lower()
                rate = hyper.learning_rate * min(t / WARMUP_STEPS, falling)
                if hyper.layerwise_lr_decay != 1.0:
                    layers = model.config.num_hidden_layers
                    rate *= hyper.layerwise_lr_decay ** depth_below_head(name, layers)
                pull = 0.0 if free else rate * hyper.pretrained_decay
                pulled = pull * (p - start[name])
                decay = 0.0 if free else hyper.weight_decay
                adamw_ours(p, *moments[name], t + 1, rate, decay, hyper)
                p.sub_(pulled)
    return losses


def train_jax(model: Any, family: str, hyper: Hyper) -> tuple[Any, list[float]]:
    """The step of a program that has every mitigation compiled in which `hyper` uses."""
    mixes = hyper.mixout > 0
    optimizer = make_optimizer(
        hyper,
        NUM_STEPS,
        origin=model if hyper.pretrained_decay else None,
        by_depth=hyper.layerwise_lr_decay != 1.0,
    )

    @jax.jit
    def step(state: TrialState, batch: Any, key: Any) -> Any:
        origin = model if mixes else None
        loss, gradients = loss_and_gradients(state.model, batch, key, hyper.mixout, origin)
        return apply_gradients(state, gradients, optimizer), loss

    state, losses = TrialState(model, optimizer.init(model)), []
    for t, batch in enumerate(batches(family)[:STEPS]):
        state, loss = step(state, batch_of(batch), step_key(t) if mixes else None)
        losses.append(float(loss))
    return state.model, losses


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("bert", {"mixout": 0.7}),
        ("albert", {"mixout": 0.3}),
        ("bert", {"pretrained_decay": 20.0}),
        pytest.param("roberta", {"layerwise_lr_decay": 0.7}, marks=pytest.mark.slow),
        pytest.param(
            "modernbert",
            {"mixout": 0.5, "pretrained_decay": 5.0, "layerwise_lr_decay": 0.8},
            marks=pytest.mark.slow,
        ),
        pytest.param("electra", {"layerwise_lr_decay": 0.8}, marks=pytest.mark.storm),
        pytest.param(
            "deberta-v2", {"mixout": 0.7, "layerwise_lr_decay": 0.8}, marks=pytest.mark.storm
        ),
        pytest.param(
            "roberta",
            {"mixout": 0.5, "pretrained_decay": 5.0, "layerwise_lr_decay": 0.8},
            marks=pytest.mark.storm,
        ),
    ],
)
def test_training_agrees_with_torch(family: str, settings: dict[str, float]) -> None:
    """Every loss, every final parameter and every tensor's whole change over eight steps of
    AdamW.
    """
    hyper = PLAIN._replace(**settings)
    folder = hf.make_folder(family, **NO_DROPOUT[family])
    model, reference = hf.load_jax(folder), hf.load_torch(folder)
    trained, losses = train_jax(model, family, hyper)

    def mask_of_step(t: int) -> dict[str, np.ndarray]:
        return masks(model, hyper.mixout, step_key(t))

    expected = train_torch(reference, family, hyper, mask_of_step)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    plain, _ = train_jax(model, family, PLAIN)
    start, without, theirs = to_tensors(model), to_tensors(plain), reference.state_dict()
    for name, ours in to_tensors(trained).items():
        target = theirs[name].numpy()
        # The key biases' gradient is rounding noise, which Adam blows up.
        if not name.endswith("key.bias"):
            assert deviation(ours, target) < 2e-6, name
            change = np.linalg.norm(target - start[name])
            assert np.linalg.norm(ours - target) < 1e-4 * change, name
            assert name.startswith("classifier") or np.any(ours != without[name]), name


def test_mixout_is_the_formula_and_its_derivative_has_the_scale() -> None:
    """Forward ((1-m) t + m w - p t) / (1-p) and derivative m / (1-p), for a mask known beforehand;
    biases stay.
    """
    model = hf.load_jax(hf.make_folder("bert"))
    origin = jax.tree.map(lambda leaf: leaf + jnp.cos(leaf * 99), model)
    kept, p = masks(model, 0.75, KEY), 0.75

    def total(model: Any) -> Any:
        mixed = mix(model, origin, p, KEY)
        return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(mixed)), mixed

    gradient, mixed = jax.jit(jax.grad(total, has_aux=True))(model)
    w, t, values, slopes = map(to_tensors, (model, origin, mixed, gradient))
    for name, m in kept.items():
        if name.endswith("bias") or "norm" in name.lower() or "embeddings" in name:
            np.testing.assert_array_equal(values[name], w[name])
            continue
        expected = ((1 - m) * t[name] + m * w[name] - p * t[name]) / (1 - p)
        np.testing.assert_allclose(values[name], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(slopes[name], np.cos(expected) * m / (1 - p), atol=1e-4)
        assert (m == m[:1]).all(), "one draw per input, shared by all outputs"
        assert 0 < m.mean() < 1, name


def test_mixout_masks_are_binomial_and_unrelated() -> None:
    """Inputs stay with probability 1-p; steps, layers and tensors draw apart; p = 0 leaves every
    bit.
    """
    model = hf.load_jax(hf.make_folder("bert"))
    drawn = jax.jit(jax.vmap(lambda step: mix(*_ones_and_zeros(model), 0.9, step_key(step))))
    leaves = {k: v for k, v in paths(drawn(jnp.arange(400))).items() if k.endswith("kernel")}
    rows = {}
    for path, leaf in leaves.items():
        kept = np.asarray(leaf[..., 0] != 0).reshape(400, -1)
        assert abs(kept.mean() - 0.1) < 5 * np.sqrt(0.09 / kept.size), path
        rows |= {
            f"{path} {i}": part.ravel()
            for i, part in enumerate(np.split(kept, kept.shape[1] // 32, 1))
        }
    correlations = np.corrcoef(list(rows.values()))[np.triu_indices(len(rows), 1)]
    assert np.abs(correlations).max() < 6 / np.sqrt(400 * 32)
    unmixed = jax.jit(mix)(model, jax.tree.map(jnp.zeros_like, model), 0.0, KEY)
    jax.tree.map(np.testing.assert_array_equal, unmixed, model)


def _ones_and_zeros(model: Any) -> tuple[Any, Any]:
    return jax.tree.map(jnp.ones_like, model), jax.tree.map(jnp.zeros_like, model)


def test_reinitialised_blocks() -> None:
    """Weights N(0, 0.02), biases 0, LayerNorm 1 and 0, in the top blocks only; a block's draw is
    the same in any number.
    """
    model, keys = hf.load_jax(hf.make_folder("bert")), jax.random.split(KEY, 60)
    redraw = jax.jit(jax.vmap(reinitialise_top, (None, None, 0)))
    one, two = (paths(redraw(model, n, keys)) for n in (1, 2))
    for path, before in paths(model).items():
        before, one_block, two_blocks = map(np.asarray, (before, one[path], two[path]))
        if "/layers/" not in path:
            np.testing.assert_array_equal(one_block, np.broadcast_to(before, one_block.shape))
            continue
        np.testing.assert_array_equal(two_blocks[:, 0], np.stack([before[0]] * 60))
        np.testing.assert_array_equal(one_block[:, :2], np.stack([before[:2]] * 60))
        np.testing.assert_array_equal(one_block[:, 2], two_blocks[:, 2])
        top = two_blocks[:, 1:]
        if path.endswith("kernel"):
            assert top.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * top.size))
            assert abs(top.mean()) < 5 * 0.02 / np.sqrt(top.size)
            draws = top.reshape(120, -1)  # 60 keys, two blocks each
            pairs = np.corrcoef(draws)[np.triu_indices(120, 1)]
            assert np.abs(pairs).max() < 6 / np.sqrt(draws.shape[1]), path
        else:
            assert (top == (1.0 if path.endswith("scale") else 0.0)).all()


def test_a_norm_above_the_blocks_is_reinitialised_with_them() -> None:
    """As BERT's top block takes its last norm with it; with no block it stays."""
    model = hf.load_jax(hf.make_folder("modernbert"))
    redraw = jax.jit(reinitialise_top)
    none, one = (paths(redraw(model, count, KEY)) for count in (0, 1))
    np.testing.assert_array_equal(
        none["encoder/final_norm/scale"], model.encoder.final_norm.scale[...]
    )
    assert (one["encoder/final_norm/scale"] == 1).all()
    assert (one["encoder/layers/attention_norm/scale"][-1] == 1).all()


def test_a_trials_start_and_what_of_it_is_its_own() -> None:
    """With re-initialised blocks the pooler is drawn too; the rest is the pre-trained array
    itself.
    """
    folder = hf.make_folder("bert")
    model, fresh, _ = load_classifier(folder, read_config(folder)[0], 5)
    plain = starting_model(model, fresh, KEY)
    assert set(drawn_leaves(plain, model)) == {f"head/classifier/{x}" for x in ("kernel", "bias")}
    start = starting_model(model, fresh, KEY, 1)
    own = drawn_leaves(start, model)
    heads = {f"head/{m}/{x}" for m in ("pooler", "classifier") for x in ("kernel", "bias")}
    assert {path for path in own if "/layers/" not in path} == heads
    assert 0.015 < np.std(start.head.pooler.kernel) < 0.025
    np.testing.assert_array_equal(start.head.classifier.kernel, plain.head.classifier.kernel)
    jax.tree.map(np.testing.assert_array_equal, with_leaves(model, own), start)


@pytest.mark.slow
def test_unknown_strengths_serve_all_in_one_program() -> None:
    """Traced and vmapped over trials, each strength gives what it gives alone, and the off values
    change nothing.
    """
    model = hf.load_jax(hf.make_folder("bert"))
    gradients = jax.tree.map(lambda leaf: jnp.sin(leaf * 77), model)
    origin = jax.tree.map(lambda leaf: leaf * 0.5, model)

    def update(pull: Any, factor: Any) -> Any:
        hyper = PLAIN._replace(pretrained_decay=pull, layerwise_lr_decay=factor, warmup_ratio=0.0)
        optimizer = make_optimizer(hyper, 10, origin=origin, by_depth=True)
        return apply_gradients(TrialState(model, optimizer.init(model)), gradients, optimizer).model

    pulls, factors = jnp.array([0.0, 0.3, 3.0]), jnp.array([1.0, 0.9, 0.5])
    grouped = jax.jit(jax.vmap(update))(pulls, factors)
    for i in range(3):
        alone = jax.jit(update)(pulls[i], factors[i])
        for one, two in zip(jax.tree.leaves(alone), jax.tree.leaves(grouped), strict=True):
            np.testing.assert_allclose(one, two[i], rtol=1e-6, atol=1e-8)
    plain = make_optimizer(PLAIN._replace(warmup_ratio=0.0), 10)
    expected = apply_gradients(TrialState(model, plain.init(model)), gradients, plain).model
    off = jax.jit(update)(jnp.array(0.0), jnp.array(1.0))
    for one, two in zip(jax.tree.leaves(off), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-8)
