"""The links of Adam: each against torch, optax or plain numpy, all of them traced in one program,
and a sweep that uses none of them as it was.
"""

import collections
import functools
import itertools
from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from jaxtune.config.field_groups import LINKS, head_first
from jaxtune.config.parse import parse
from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import Hyper, make_trials
from jaxtune.core.schedules import SIZE_LINKS, effective_rates, scheduled_rate, scheduled_rates
from jaxtune.models.names import paths
from jaxtune.training.clipping import clip_by_global_norm
from jaxtune.training.links import (
    clip_each_update,
    scale_by_corrections,
    scale_by_moments_from,
)
from jaxtune.training.optimizer import (
    decay_mask,
    make_optimizer,
    scale_by_bias_correction,
    scale_by_moments,
)
from jaxtune.training.rates import learning_rates

B1, B2, EPS = 0.9, 0.98, 1e-6
STEPS = 30
# Gradients of many sizes: some far above eps, some far below.
SIZES = np.array([1e2, 1.0, 1e-3, 1e-5, 1e-6, 1e-7])
GRADIENTS = (np.random.default_rng(0).normal(size=(STEPS, 6)) * SIZES).astype(np.float32)
SWITCHES = ("first", "second", "correct_eps", "second_moment_init", "rectify")
COMBINATIONS = [
    values
    for values in itertools.product(*[(False, True)] * 3, (0.0, 1.0, 25.0), (False, True))
    if (values[0] and values[1]) or not values[-1]
]


def chain(
    b2: Any,
    first: Any,
    second: Any,
    correct_eps: Any,
    init: Any,
    rectify: Any,
    b1: Any = B1,
    eps: Any = EPS,
) -> Any:
    moments = scale_by_moments_from(b1, b2, eps, init, correct_eps, rectify)
    return optax.chain(moments, scale_by_corrections(b1, b2, first, second, rectify))


def updates_of(tx: Any, gradients: np.ndarray = GRADIENTS) -> Any:
    state, updates = tx.init(jnp.zeros(gradients.shape[1])), []
    for gradient in gradients:
        update, state = tx.update(jnp.asarray(gradient), state)
        updates.append(update)
    return jnp.stack(updates)


def in_numpy(
    b2: float,
    first: bool,
    second: bool,
    correct_eps: bool,
    init: float,
    rectify: bool,
    b1: float = B1,
    eps: float = EPS,
) -> Any:
    """The formulas of the docstrings in float64, in their own words."""
    gradients, updates = GRADIENTS.astype(np.float64), []
    m, v = np.zeros(6), init * gradients[0] ** 2
    longest = 2 / (1 - b2) - 1
    for t, g in enumerate(gradients, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        own_eps = eps * np.sqrt(1 - b2**t) if correct_eps else eps
        update = m / (1 - b1**t) if first else m
        worth = longest - 2 * t * b2**t / (1 - b2**t)
        if not rectify or worth > 5:
            update = update / (np.sqrt(v) + own_eps)
            update = update * np.sqrt(1 - b2**t) if second else update
        if rectify and worth > 5:
            over = (worth - 4) * (worth - 2) * longest
            update = update * np.sqrt(over / ((longest - 4) * (longest - 2) * worth))
        updates.append(update)
    return np.stack(updates)


def test_every_combination_is_its_formula_in_one_program() -> None:
    """To float32 rounding of a b2 that is a float32 number, the switches traced."""
    b2, traces = float(np.float32(B2)), []

    @jax.jit
    def updates(*switches: Any) -> Any:
        traces.append(1)
        return updates_of(chain(b2, *switches))

    different = set()
    for switches in COMBINATIONS:
        found = np.asarray(updates(*switches))
        np.testing.assert_allclose(found, in_numpy(b2, *switches), rtol=4e-6, atol=4e-6)
        different.add(found.tobytes())
    assert len(different) == len(COMBINATIONS) == 30
    assert len(traces) == 1


def test_equal_betas_and_an_eps_of_five_decades_are_their_formulas_in_one_program() -> None:
    """b1 = b2 = 0.95, and an eps far below and far above the gradients, corrected and not."""
    b, traces = float(np.float32(0.95)), []

    @jax.jit
    def updates(corrected: Any, correct_eps: Any, eps: Any) -> Any:
        traces.append(1)
        return updates_of(chain(b, corrected, corrected, correct_eps, 0.0, False, b, eps))

    for corrected, correct_eps in itertools.product((False, True), repeat=2):
        for eps in (np.float32(10.0**power) for power in range(-8, -2)):
            found = np.asarray(updates(corrected, correct_eps, eps))
            switches = (corrected, corrected, correct_eps, 0.0, False)
            expected = in_numpy(b, *switches, b, float(eps))
            np.testing.assert_allclose(found, expected, rtol=4e-6, atol=4e-6)
    assert len(traces) == 1


def test_the_smallest_eps_keeps_a_gradient_of_zero_at_zero() -> None:
    """eps sqrt(1-b2^t) would be less than a normal number, which a device takes for 0: 0/0."""
    gradients = np.array([[0.0, 1e-3]] * 3, np.float32)
    found = np.asarray(updates_of(chain(0.999, True, True, True, 0.0, False, eps=1e-37), gradients))
    np.testing.assert_allclose(found, [[0.0, 1.0]] * 3, rtol=1e-5)


def test_off_is_the_plain_chain_bit_for_bit() -> None:
    """With everything traced, as it is in a program, and the whole chain around it. (Of a tensor of
    a few elements LLVM fuses other multiplications and additions in every program.)
    """
    params = tensor("head/classifier/kernel", np.ones((200, 6)))
    gradients = jax.tree.map(
        lambda p: jnp.broadcast_to(GRADIENTS[:, None], (STEPS, 200, 6)), params
    )

    def after(hyper: Hyper, links: tuple[str, ...]) -> Any:
        tx = make_optimizer(hyper, STEPS, links=links)

        def step(carry: Any, gradient: Any) -> Any:
            updates, state = tx.update(gradient, carry[1], carry[0])
            return (optax.apply_updates(carry[0], updates), state), updates

        return jax.lax.scan(step, (params, tx.init(params)), gradients)[1]

    program = jax.jit(after, static_argnums=1)
    for enabled in (True, False):
        hyper = Hyper(1e-2, enabled, B1, B2, EPS, 0.1, 1.0, 0.1)
        plain, off = (jax.tree.leaves(program(hyper, links)) for links in ((), LINKS))
        np.testing.assert_array_equal(plain, off)


def torch_updates(make: Any, **settings: Any) -> np.ndarray:
    """What a torch optimiser subtracts at a learning rate of 1, in float64."""
    parameter = torch.nn.Parameter(torch.zeros(6, dtype=torch.float64))
    optimizer, updates = make([parameter], lr=1.0, eps=EPS, **settings), []
    for gradient in GRADIENTS:
        before = parameter.detach().clone()
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        updates.append((before - parameter.detach()).numpy())
    return np.stack(updates)


@pytest.mark.parametrize("b2", [0.98, 0.999])
@pytest.mark.parametrize(
    ("make", "correct_eps", "rectify"),
    [(torch.optim.Adam, True, False), (torch.optim.RAdam, False, True)],
)
def test_torch(make: Any, correct_eps: bool, rectify: bool, b2: float) -> None:
    """Adam has the corrected eps, and RAdam the uncorrected one."""
    switches = (True, True, correct_eps, 0.0, rectify)
    expected = torch_updates(make, betas=(B1, b2))
    np.testing.assert_allclose(updates_of(chain(b2, *switches)), expected, rtol=4e-6, atol=4e-6)
    other = updates_of(chain(b2, True, True, not correct_eps, 0.0, rectify))
    assert np.abs(other / expected - 1).max() > 0.3, "eps must matter for this to tell"


@pytest.mark.parametrize("rectify", [False, True])
def test_optax(rectify: bool) -> None:
    """Its Adam and its RAdam both have the corrected eps; it loses digits for b near 1."""
    make = optax.scale_by_radam if rectify else optax.scale_by_adam
    b2 = 0.75
    with jax.numpy_dtype_promotion("standard"):
        expected = updates_of(make(b1=B1, b2=b2, eps=EPS))
    found = updates_of(chain(b2, True, True, True, 0.0, rectify))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def random_tree(seed: int, like: Any) -> Any:
    """Its tensors of very different sizes."""
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda p: jnp.asarray(random.normal(size=p.shape) * 10 ** random.uniform(-4, 0), p.dtype),
        like,
    )


@functools.cache
def _module(name: str) -> Any:
    return collections.namedtuple("Module", [name])


def tensor(path: str, values: np.ndarray) -> Any:
    """A tree with one tensor, as a model has it at this path."""
    tree: Any = jnp.asarray(values, jnp.float32)
    for name in reversed(path.split("/")):
        tree = _module(name)(tree)
    return tree


def slices(path: str, leaf: Any) -> list[np.ndarray]:
    """A tensor, or the layers of a stacked one."""
    values = np.asarray(leaf, np.float64)
    return list(values) if "/layers/" in path else [values]


def test_update_clipping_is_stable_adamw() -> None:
    """Algorithm 2 of Wortsman et al., with moments whose decay rates grow in place of a correction,
    and decay divided with the step; by tensor and by layer.
    """
    params = hf.load_jax(hf.make_folder("bert"))
    decay, rate, b2 = 0.1, 1e-2, 0.9
    hyper = Hyper(rate, True, B1, b2, EPS, decay, np.inf, 0.0)
    hyper = hyper._replace(correct_eps=True, update_clipping=True)
    tx = make_optimizer(hyper, 10, "constant", links=("correct_eps", "update_clipping"))
    state, update = tx.init(params), jax.jit(tx.update)
    theirs = {path: slices(path, leaf) for path, leaf in paths(params).items()}
    decayed = paths(decay_mask(params))
    moments = {path: [(0.0 * s, 0.0 * s) for s in own] for path, own in theirs.items()}
    clipped, whole = 0, 0
    for t in range(1, 5):
        # Each time larger, so that most tensors have gradients above their moment.
        gradients = jax.tree.map(lambda g, t=t: g * 2.0**t, random_tree(t, params))
        updates, state = update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        b1_t, b2_t = (b * (1 - b ** (t - 1)) / (1 - b**t) for b in (B1, b2))
        for path, leaf in paths(gradients).items():
            for i, g in enumerate(slices(path, leaf)):
                m, v = moments[path][i]
                m, v = b1_t * m + (1 - b1_t) * g, b2_t * v + (1 - b2_t) * g**2
                moments[path][i] = m, v
                rms = np.sqrt(np.mean(g**2 / np.maximum(v, EPS**2)))
                own = rate / max(1.0, rms)
                clipped, whole = clipped + (rms > 1.01), whole + (rms < 0.99)
                pull = decay * theirs[path][i] if decayed[path] else 0.0
                theirs[path][i] = theirs[path][i] - own * (m / (np.sqrt(v) + EPS) + pull)
    assert clipped > 20
    assert whole > 20
    for path, leaf in paths(params).items():
        for ours, expected in zip(slices(path, leaf), theirs[path], strict=True):
            np.testing.assert_allclose(ours, expected, rtol=2e-6, atol=2e-7, err_msg=path)


@pytest.mark.parametrize("corrected", [True, False])
def test_of_steady_gradients_clipping_makes_up_for_the_missing_correction(corrected: bool) -> None:
    """Uncorrected moments give steps that are 1 / sqrt(1-b2^t) too large, which is the RMS."""
    moments = scale_by_moments_from(B1, B2, 1e-12)
    inner = optax.chain(moments, scale_by_corrections(B1, B2, True, corrected))
    tx = clip_each_update(inner, B2, 1e-12, corrected=corrected)
    steady = tensor("head/classifier/bias", np.array([3e-3, -1.0, 20.0]))
    state = tx.init(steady)
    for _ in range(STEPS):
        updates, state = tx.update(steady, state)
        (found,) = jax.tree.leaves(updates)
        np.testing.assert_allclose(found, [1, -1, 1], rtol=2e-6)


def test_columns_beyond_an_adapters_rank_are_not_counted() -> None:
    """Zeros that only trials of a larger rank use, stacked by layer."""
    rank, random = 2, np.random.default_rng(0)
    values = {"a": random.normal(size=(3, 5, rank)), "b": random.normal(size=(3, rank, 7))}
    inner = optax.chain(scale_by_moments_from(B1, B2, EPS), scale_by_corrections(B1, B2))
    tx = clip_each_update(inner, B2, EPS, corrected=False, rank=jnp.asarray(float(rank)))
    for name, axis in (("a", 2), ("b", 1)):
        path = f"encoder/layers/query_lora/{name}/kernel"
        zeros = [(0, 6 if i == axis else 0) for i in range(3)]
        narrow, wide = (tensor(path, x) for x in (values[name], np.pad(values[name], zeros)))
        (one,), (other,) = (jax.tree.leaves(tx.update(g, tx.init(g))[0]) for g in (narrow, wide))
        np.testing.assert_allclose(np.take(other, range(rank), axis), one, rtol=1e-6)
        assert np.abs(one).max() < 0.99, "some of it is clipped"


SETTINGS_OF = {
    "learning_rate": 1e-3,
    "warmup_ratio": 0.1,
    "schedule": "linear",
    "adam_b1": B1,
    "adam_b2": B2,
}
ARMS = [
    {"bias_correction": True},
    {"bias_correction": False},
    {"bias_correction": True, "correct_moments": "first"},
    {"bias_correction": True, "correct_moments": "second"},
    {"bias_correction": True, "second_moment_init": 1.0},
    {"bias_correction": False, "second_moment_init": 1.0},
    {"bias_correction": True, "correct_moments": "first", "second_moment_init": 0.25},
    {"bias_correction": False, "update_clipping": True},
    {"bias_correction": False, "update_clipping": True, "second_moment_init": 4.0},
    {"bias_correction": True, "untuned_warmup": True},
    {"bias_correction": False, "untuned_warmup": True, "update_clipping": True},
    {"bias_correction": True, "rectify": True},
    {"bias_correction": True, "rectify": True, "untuned_warmup": True},
    {"bias_correction": False, "train": "head_then_all", "head_ratio": 0.4},
    {
        **{"bias_correction": True, "untuned_warmup": True, "second_moment_init": 1.0},
        **{"train": "head_then_all", "head_ratio": 0.7, "head_learning_rate": 1e-2},
    },
]


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: "-".join(map(str, arm.values())))
def test_the_effective_rate_is_the_size_of_steps_by_steady_gradients(arm: dict[str, Any]) -> None:
    """What report, dry run and study say of an arm, against the updates of its chain."""
    flags = [f"--{name}={value}" for name, value in (SETTINGS_OF | arm).items()]
    common = ["--model=m", "--task=rte", "--num_seeds=1", "--compact_vocabulary=false"]
    off = ["--adam_eps=1e-12", "--weight_decay=0", "--max_grad_norm=null"]
    (trial,) = make_trials(parse([*common, *off, *flags]))
    tx = make_optimizer(trial.hyper, STEPS, links=LINKS, head_first=head_first(trial.config))
    params = tensor("head/classifier/kernel", np.ones((2, 3)))
    state, steady, sizes = tx.init(params), jax.tree.map(lambda p: p * 0.5, params), []
    for _ in range(STEPS):
        updates, state = tx.update(steady, state, params)
        sizes.append(-float(jax.tree.leaves(updates)[0][0, 0]))
    scheduled, effective = (f(trial.settings, STEPS) for f in (scheduled_rates, effective_rates))
    if trial.config.rectify:
        # Its first steps have the gradient's own size, 0.5, and are left out of the effective rate.
        assert not effective[:5].any()
        effective[:5] = 0.5 * scheduled[:5]
    np.testing.assert_allclose(sizes, effective, rtol=1e-5, atol=1e-12)
    recorded = learning_rates([trial], STEPS)[0]
    np.testing.assert_allclose(recorded, scheduled, rtol=1e-5)


def test_rows_without_links_are_of_adam() -> None:
    """Of sweeps from before there were any, and of such beside later ones, where NaN stands."""
    assert all(SIZE_LINKS[name] == getattr(SweepConfig, name) for name in SIZE_LINKS)
    old = SETTINGS_OF | {"bias_correction": False}
    beside = old | dict.fromkeys(SIZE_LINKS, float("nan"))
    named = effective_rates(old | SIZE_LINKS, 9)
    for settings in (old, beside):
        np.testing.assert_array_equal(effective_rates(settings, 9), named)
        assert not np.array_equal(effective_rates(settings, 9), scheduled_rates(old, 9))


@pytest.mark.parametrize(("b2", "length"), [(0.98, 100), (0.999, 2000)])
def test_untuned_warmup_takes_two_over_one_minus_b2_steps(b2: float, length: int) -> None:
    """From 1 / length on; a schedule's own warm-up goes on top."""
    settings = SETTINGS_OF | {"adam_b2": b2, "schedule": "constant", "untuned_warmup": True}
    rates = scheduled_rates(settings | {"warmup_ratio": 0.0}, 2500)
    np.testing.assert_allclose(rates, 1e-3 * np.minimum(1, np.arange(1, 2501) / length))
    over = scheduled_rates(settings, 2500) / rates
    np.testing.assert_allclose(over, np.minimum(1, np.arange(2500) / 250), rtol=1e-9)


def test_without_links_the_chain_is_the_one_it_was() -> None:
    """The same jaxpr: a sweep that uses none compiles the program of before there were any."""
    hyper = Hyper(1e-3, True, B1, B2, EPS, 0.1, 1.0, 0.1)
    params = hf.load_jax(hf.make_folder("albert"))
    before = optax.chain(
        clip_by_global_norm(hyper.max_grad_norm),
        scale_by_moments(B1, B2, EPS),
        scale_by_bias_correction(B1, B2, True),
        optax.add_decayed_weights(jnp.asarray(0.1), mask=decay_mask),
        optax.scale_by_learning_rate(
            lambda count: scheduled_rate("linear", 1e-3, 0.1, 9, count, jnp)  # type: ignore
        ),
    )
    programs = [
        str(jax.make_jaxpr(lambda p, tx=tx: tx.update(p, tx.init(p), p)[0])(params))
        for tx in (make_optimizer(hyper, 9), before, make_optimizer(hyper, 9, links=("rectify",)))
    ]
    assert programs[0] == programs[1] != programs[2]
