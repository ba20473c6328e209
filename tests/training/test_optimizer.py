"""The optimiser chain: closed forms, optax, torch and transformers, and every equivalence that a
docstring states.
"""

from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from jaxtune.core.schedules import scheduled_rate
from jaxtune.models.families import FAMILIES
from jaxtune.models.pretrained import to_tensors
from jaxtune.training.clipping import clip_by_global_norm, clip_each_tensor
from jaxtune.training.optimizer import (
    Hyper,
    decay_mask,
    make_optimizer,
    scale_by_bias_correction,
    scale_by_moments,
)

B1, B2, EPS = 0.9, 0.999, 1e-6
# Gradients of many sizes: some far above eps, some far below.
SIZES = np.array([1e2, 1.0, 1e-3, 1e-5, 1e-6, 1e-7])
GRADIENTS = (np.random.default_rng(0).normal(size=(12, 6)) * SIZES).astype(np.float32)


def run(tx: optax.GradientTransformation, gradients: np.ndarray = GRADIENTS) -> np.ndarray:
    """The updates that a chain makes of a sequence of gradients."""
    state, updates = tx.init({"x": jnp.zeros(gradients.shape[1])}), []
    for gradient in gradients:
        update, state = tx.update({"x": jnp.asarray(gradient)}, state)
        updates.append(np.asarray(update["x"]))
    return np.stack(updates)


def chain(enabled: Any = True, eps: Any = EPS, b1: Any = B1, b2: Any = B2) -> Any:
    moments = scale_by_moments(b1, b2, eps)
    return optax.chain(moments, scale_by_bias_correction(b1, b2, enabled))


def closed_form(enabled: bool) -> np.ndarray:
    """Every update as an explicit weighted sum over the gradients so far, in float64."""
    gradients, updates = GRADIENTS.astype(np.float64), []
    for t in range(1, len(gradients) + 1):
        age = np.arange(t)[::-1, None]
        m = ((1 - B1) * B1**age * gradients[:t]).sum(0)
        v = ((1 - B2) * B2**age * gradients[:t] ** 2).sum(0)
        factor = np.sqrt(1 - B2**t) / (1 - B1**t) if enabled else 1.0
        updates.append(factor * m / (np.sqrt(v) + EPS))
    return np.stack(updates)


def assert_close(actual: Any, expected: np.ndarray, rel: float = 2e-6) -> None:
    """To `rel` of each element, with a floor of float32 cancellation in sums of gradients of both
    signs.
    """
    np.testing.assert_allclose(actual, expected, rtol=rel, atol=rel)


@pytest.mark.parametrize("enabled", [True, False])
def test_updates_have_the_closed_form(enabled: bool) -> None:
    """eps is added to the uncorrected sqrt(v), and disabled means moments alone, bit for bit."""
    assert_close(run(chain(enabled)), closed_form(enabled))
    if not enabled:
        np.testing.assert_array_equal(run(chain(False)), run(scale_by_moments(B1, B2, EPS)))


def test_traced_switch_serves_both_in_one_program() -> None:
    """One jitted program, and one vmapped one with traced b1, b2, eps, gives either form by its
    argument.
    """
    traces = []

    @jax.jit
    def first_updates(enabled: Any, b1: Any, b2: Any, eps: Any) -> Any:
        traces.append(1)
        tx = chain(enabled, eps, b1, b2)
        state, updates = tx.init(jnp.zeros(6)), []
        for gradient in GRADIENTS:
            update, state = tx.update(jnp.asarray(gradient), state)
            updates.append(update)
        return jnp.stack(updates)

    both = jnp.array([True, False])
    for enabled in both:
        # A traced b2 is a float32: 1 - 0.999 then differs by 1.3e-5, and sqrt(v) by half of that.
        expected = closed_form(bool(enabled))
        assert_close(first_updates(enabled, B1, B2, EPS), expected, 1e-6 if enabled else 7e-6)
    assert len(traces) == 1
    grouped = jax.vmap(first_updates, (0, None, None, None))(both, B1, B2, EPS)
    for enabled, updates in zip(both, grouped, strict=True):
        assert_close(updates, first_updates(enabled, B1, B2, EPS), 1e-6)


# optax loses digits of 1 - b^t for b near 1 (1e-5 at 0.999), so it is met with decay rates where it
# does not.
LOW = {"b1": 0.5, "b2": 0.75}


def run_optax(tx: optax.GradientTransformation, *args: Any) -> Any:
    """`run` under the promotion rules that optax's own Adam needs."""
    with jax.numpy_dtype_promotion("standard"):
        return run(tx, *args)


def test_chain_is_optax_adam_with_a_shrunken_eps() -> None:
    """`scale_by_bias_correction`: optax's Adam equals this chain with an eps of e * sqrt(1-b2^t) at
    update t.
    """
    expected = run_optax(optax.scale_by_adam(**LOW, eps=EPS))
    updates = [
        run(chain(eps=EPS * np.sqrt(1 - LOW["b2"] ** t), **LOW), GRADIENTS[:t])[-1]
        for t in range(1, len(GRADIENTS) + 1)
    ]
    assert_close(np.stack(updates), expected)
    assert np.abs(run(chain(**LOW)) / expected - 1).max() > 0.3, "eps must matter for this to tell"


def test_chain_is_optax_adam_where_eps_does_not_matter() -> None:
    expected = run_optax(optax.scale_by_adam(**LOW, eps=1e-30))
    assert_close(run(chain(eps=1e-30, **LOW)), expected)


def torch_updates(gradients: np.ndarray, b2: float, corrected: bool) -> np.ndarray:
    """torch's float32 moments of betas that are doubles, and the paper's factor."""
    m, v, updates = torch.zeros(6), torch.zeros(6), []
    for t, gradient in enumerate(map(torch.tensor, gradients), 1):
        m.mul_(B1).add_(gradient, alpha=1 - B1)
        v.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        factor = np.sqrt(1 - b2**t) / (1 - B1**t) if corrected else 1.0
        updates.append((m / (v.sqrt() + EPS) * factor).numpy())
    return np.stack(updates)


@pytest.mark.parametrize(
    ("b2", "apart", "corrected_apart"),
    # At 0.99999 eps counts beside sqrt(v) in the first step, and does not cancel.
    [(0.999, 7e-6, 1e-6), (0.9999, 8e-5, 1e-6), (0.99999, 7e-4, 3e-6)],
)
def test_a_b2_near_1_is_rounded_as_the_guarantees_say(
    b2: float, apart: float, corrected_apart: float
) -> None:
    """1 - b2 of a float32, as a program takes it, is another one than torch's of a double; the
    correction is of the same number and takes that out.
    """
    gradients = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    for corrected in (False, True):
        ours = run(chain(corrected, *map(jnp.float32, (EPS, B1, b2))), gradients)
        theirs = torch_updates(gradients, b2, corrected)
        found = (np.abs(ours - theirs).max(1) / np.abs(theirs).max(1)).max()
        assert found < corrected_apart if corrected else 0.8 * apart < found < 1.1 * apart


@pytest.mark.parametrize("head", [hf.CLASSIFICATION, hf.MASKED_LM])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_decays_is_what_the_trainer_decays(family: str, head: str) -> None:
    """By transformers' names, stacked layers included; a tied decoder is the word embeddings."""
    folder = hf.make_folder(family, head)
    model = hf.load_jax(folder, head)
    mask = jax.tree.map(lambda p, m: jnp.full(p.shape, m), model, decay_mask(model))
    of_trainer = hf.transformers.Trainer.get_decay_parameter_names
    theirs = {*of_trainer(None, hf.load_torch(folder, head))}
    assert f"{FAMILIES[family].prefix}{DISTANCES}" in theirs or family != "deberta-v2"
    for name, values in to_tensors(mask).items():
        assert values.all() if name in theirs else not values.any(), name
    assert theirs - to_tensors(mask).keys() <= FAMILIES[family].tied.keys()


DISTANCES = "encoder.rel_embeddings.weight"  # DeBERTa's states, which decay


FUSED = {"Wqkv": 3, "Wi": 2}  # layers in one tensor


def random_gradients(family: str) -> Any:
    """A tree of gradients as a model has it, its tensors of very different norms."""
    model = hf.load_jax(hf.make_folder(family))
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda p: jnp.asarray(random.normal(size=p.shape) * 10 ** random.uniform(-4, 0), p.dtype),
        model,
    )


@pytest.mark.parametrize("bound", [1e-6, 0.01, 1.0, 1e6])
def test_global_clipping_is_torchs_and_optaxs(bound: float) -> None:
    """torch's clip_grad_norm_, and `optax.clip_by_global_norm` up to torch's 1e-6 in the
    denominator.
    """
    tree = random_gradients("bert")
    if bound == 1e-6:  # a norm of 2e-6, where that 1e-6 counts
        tree = jax.tree.map(lambda g: g * (2e-6 / optax.tree.norm(tree)), tree)
    clipped, _ = clip_by_global_norm(bound).update(tree, optax.EmptyState())
    parameters = {
        name: torch.nn.Parameter(torch.zeros(x.shape)) for name, x in to_tensors(tree).items()
    }
    for name, gradient in to_tensors(tree).items():
        parameters[name].grad = torch.tensor(gradient)
    norm = torch.nn.utils.clip_grad_norm_(parameters.values(), bound)
    assert bound > 100 or norm > 1.99 * bound
    for name, gradient in to_tensors(clipped).items():
        np.testing.assert_allclose(gradient, parameters[name].grad, rtol=2e-6, err_msg=name)
    if bound == 1e-6:
        return
    reference, _ = optax.clip_by_global_norm(bound).update(tree, optax.EmptyState())
    for one, two in zip(jax.tree.leaves(clipped), jax.tree.leaves(reference), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-6)


@pytest.mark.parametrize("clip", [clip_by_global_norm, clip_each_tensor])
def test_without_a_bound_nothing_is_clipped_where_squares_overflow(clip) -> None:
    tree = jax.tree.map(lambda g: jnp.full_like(g, 2e19), random_gradients("bert"))
    clipped, _ = clip(jnp.inf).update(tree, optax.EmptyState())
    jax.tree.map(np.testing.assert_array_equal, clipped, tree)


@pytest.mark.parametrize("family", hf.FAMILIES)
def test_per_tensor_clipping_counts_stacked_layers_apart(family: str) -> None:
    """Every tensor by transformers' names is clipped by its own norm: scanned layers singly,
    ALBERT's block once, and what ModernBERT fuses each by itself.
    """
    tree, bound = random_gradients(family), 0.5
    clipped, _ = clip_each_tensor(bound).update(tree, optax.EmptyState())
    before, factors = to_tensors(tree), []
    for name, gradient in to_tensors(clipped).items():
        fused = next((count for end, count in FUSED.items() if f".{end}." in name), 1)
        for given, found in zip(
            np.split(before[name], fused), np.split(gradient, fused), strict=True
        ):
            norm = np.linalg.norm(given.astype(np.float64))
            factors.append(min(1.0, bound / (norm + 1e-6)))
            np.testing.assert_allclose(found, given * factors[-1], rtol=2e-6, err_msg=name)
    assert min(factors) < max(factors) == 1


@pytest.mark.parametrize("clip", [clip_by_global_norm, clip_each_tensor])
def test_infinite_bound_is_off(clip: Any) -> None:
    """Traced as it is in a program with clipped trials, infinity leaves every gradient bitwise as
    it is.
    """
    tree = random_gradients("bert")
    clipped = jax.jit(lambda bound, g: clip(bound).update(g, optax.EmptyState())[0])(jnp.inf, tree)
    for one, two in zip(jax.tree.leaves(clipped), jax.tree.leaves(tree), strict=True):
        np.testing.assert_array_equal(one, two)


def run_optimizer(tx: optax.GradientTransformation, params: Any, num_steps: int) -> Any:
    """Parameters after some updates by fixed random gradients."""
    state, random, update = tx.init(params), np.random.default_rng(1), jax.jit(tx.update)
    for _ in range(num_steps):
        gradients = jax.tree.map(
            lambda p: jnp.asarray(random.normal(size=p.shape), p.dtype), params
        )
        updates, state = update(gradients, state, params)
        params = optax.apply_updates(params, updates)
    return params


def test_whole_chain_is_optax_adamw_where_eps_does_not_matter() -> None:
    """`make_optimizer`: with the correction on and clipping off, optax.adamw under the same
    schedule and mask.
    """
    hyper = Hyper(1e-2, True, LOW["b1"], LOW["b2"], 1e-30, 0.1, np.inf, 0.1)
    params = hf.load_jax(hf.make_folder("albert"))

    def rate(count: Any) -> Any:
        return scheduled_rate("linear", 1e-2, 0.1, 10, count, jnp)

    reference = optax.adamw(rate, **LOW, eps=1e-30, weight_decay=0.1, mask=decay_mask)
    ours = run_optimizer(make_optimizer(hyper, 10), params, 10)
    with jax.numpy_dtype_promotion("standard"):
        theirs = run_optimizer(reference, params, 10)
    for one, two in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert_close(one, np.asarray(two), 1e-6)


def test_decay_before_the_step_differs_as_stated() -> None:
    """`make_optimizer`: decaying the updated parameters instead differs by learning_rate^2 *
    weight_decay * update.
    """
    rate, decay = 0.1, 0.5
    hyper = Hyper(rate, False, B1, B2, EPS, decay, np.inf, 0.0)
    params = hf.load_jax(hf.make_folder("albert"))
    plain = run_optimizer(make_optimizer(hyper._replace(weight_decay=0.0), 10), params, 1)
    ours = run_optimizer(make_optimizer(hyper, 10), params, 1)
    decays = jax.tree.leaves(decay_mask(params))
    leaves = map(jax.tree.leaves, (params, plain, ours))
    for decayed, start, stepped, end in zip(decays, *leaves, strict=True):
        after = stepped * (1 - rate * decay) if decayed else stepped
        update = (start - stepped) / rate
        stated = rate**2 * decay * update if decayed else jnp.zeros_like(update)
        assert_close(after - end, np.asarray(stated), 1e-6)
