"""The links of Adam: each against torch, optax or plain numpy, all of them traced in one program,
and a sweep that uses none of them as it was.
"""

import itertools
from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from links_of_adam import B1, B2, EPS, STEPS, tensor

from jaxtune.config.field_groups import LINKS
from jaxtune.config.trials import Hyper
from jaxtune.core.schedules import scheduled_rate
from jaxtune.training.clipping import clip_by_global_norm
from jaxtune.training.links import scale_by_corrections, scale_by_moments_from
from jaxtune.training.optimizer import (
    decay_mask,
    make_optimizer,
    scale_by_bias_correction,
    scale_by_moments,
)

# Gradients of many sizes: some far above eps, some far below.
SIZES = np.array([1e2, 1.0, 1e-3, 1e-5, 1e-6, 1e-7])

GRADIENTS = (np.random.default_rng(0).normal(size=(STEPS, 6)) * SIZES).astype(np.float32)

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
