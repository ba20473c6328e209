"""The learning rate of every update: numpy against JAX, the optimiser, and the study's numbers."""

from fractions import Fraction
from functools import partial
from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jaxtune.core.schedules import (
    correction_factor,
    effective_rates,
    peak,
    scheduled_rate,
    scheduled_rates,
    show_rate,
    stop_step,
)
from jaxtune.training import optimizer as optim

BERT = {
    "learning_rate": 2e-5,
    "warmup_ratio": 0.1,
    "schedule": "linear",
    "bias_correction": False,
    "adam_b1": 0.9,
    "adam_b2": 0.999,
}


@pytest.mark.parametrize(
    ("b2", "expected"),
    [
        (0.999, {1: 0.316, 5: 0.173, 10: 0.153, 50: 0.222, 156: 0.380, 468: 0.612, 3120: 0.978}),
        (0.98, {1: 1.414, 10: 0.657, 50: 0.80, 156: 0.978}),
    ],
)
def test_the_factor_is_the_study_s(b2, expected):
    """Mosbach et al. 2021, figure 6, and the same for RoBERTa's b2."""
    for step, factor in expected.items():
        assert correction_factor(0.9, b2, np.array([step]))[0] == pytest.approx(factor, abs=2e-3)


@pytest.mark.parametrize(
    ("num_steps", "multiple"),
    [
        *(
            (189, 6.3),
            (468, 4.6),
            (690, 3.8),
            (1605, 2.6),
        ),  # 3 epochs: 1k examples, RTE, MRPC, CoLA
        *((1560, 2.6), (2300, 2.2), (5350, 1.55)),  # 10 epochs: RTE, MRPC, CoLA
        *((3120, 1.9), (4600, 1.65), (10700, 1.2)),  # 20 epochs
    ],
)
def test_peaks_of_the_study_s_settings(num_steps, multiple):
    """Batch 16, 10% warm-up, no correction: how far the peak lies above what was set."""
    top = peak(BERT, num_steps)
    assert top.multiple == pytest.approx(multiple, abs=0.05)
    assert top.rate == pytest.approx(top.multiple * 2e-5)
    assert top.step == int(0.1 * num_steps)  # the end of the warm-up


def test_with_correction_the_curve_is_the_schedule():
    settings = BERT | {"bias_correction": True}
    assert np.array_equal(effective_rates(settings, 468), scheduled_rates(settings, 468))
    assert peak(settings, 468).rate == 2e-5
    assert peak(settings, 468).multiple == 1.0


@pytest.mark.parametrize(
    ("b1", "b2"), [(0.9, 0.999), (0.9, 0.98), (0.9, 0.99), (0.0, 0.999), (0.95, 0.9999)]
)
def test_correction_factor_to_1e6(b1: float, b2: float) -> None:
    """The plain formula for t = 1 ... 5000; traced values count as the float32 numbers that they
    are.
    """
    t = np.arange(1, 5001)
    in_jax = partial(correction_factor, xp=jnp)
    for factor, (x1, x2), tolerance in (
        (correction_factor, (b1, b2), 1e-11),
        (in_jax, (b1, b2), 1e-6),
        (jax.jit(in_jax), (float(np.float32(b1)), float(np.float32(b2))), 1e-6),
    ):
        expected = np.sqrt(1 - x2 ** t.astype(float)) / (1 - x1 ** t.astype(float))
        np.testing.assert_allclose(factor(b1, b2, t), expected, rtol=tolerance)


@pytest.mark.parametrize("xp", [np, jnp])
@pytest.mark.parametrize("kind", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("num_steps", "ratio"), [(70, 0.1), (100, 0.06), (9, 0.1), (20, 0.0)])
def test_schedules_are_transformers(kind: str, num_steps: int, ratio: float, xp: Any) -> None:
    """First update at 0, the peak at the end of the warm-up, 0 at the last step; every value as
    transformers has it.
    """
    warmup = int(ratio * num_steps)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    make = {
        "linear": hf.transformers.get_linear_schedule_with_warmup,
        "cosine": hf.transformers.get_cosine_schedule_with_warmup,
        "constant": lambda o, w, _: hf.transformers.get_constant_schedule_with_warmup(o, w),
    }[kind]
    factor = make(optimizer, warmup, num_steps).lr_lambdas[0]
    steps = np.arange(num_steps + 1)
    expected = 3e-4 * np.array([factor(step) for step in steps])
    values = np.asarray(scheduled_rate(kind, 3e-4, ratio, num_steps, steps, xp), np.float32)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=3e-4 * 1e-7)
    assert values[0] == (0 if warmup else np.float32(3e-4))
    assert values.argmax() == warmup
    assert values[warmup] == np.float32(3e-4)
    assert kind == "constant" or values[-1] < 3e-11


@pytest.mark.parametrize("xp", [np, jnp])
@pytest.mark.parametrize("ratio", ["0.1", "0.06", "0.05", "0.26", "0.01"])
def test_warmup_is_the_floor_of_the_product(ratio: str, xp: Any) -> None:
    """In exact arithmetic, for 1 to 2000 steps; for 0.1 that is also Python's int(0.1 * T)."""
    num_steps: Any = xp.arange(1, 2001, dtype=xp.result_type(float))[:, None]
    rates = scheduled_rate("constant", 1.0, float(ratio), num_steps, np.arange(521), xp)
    warmups = np.sum(np.asarray(rates) < 1, axis=1).tolist()
    assert warmups == [int(Fraction(ratio) * steps) for steps in range(1, 2001)]
    assert ratio != "0.1" or warmups == [int(0.1 * steps) for steps in range(1, 2001)]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("num_steps", "warmup"), [(1, 0.1), (450, 0.26), (468, 0.0), (20, 1.0)])
def test_numpy_and_jax_give_the_same_schedule(schedule, num_steps, warmup):
    settings = BERT | {"schedule": schedule, "warmup_ratio": warmup}
    steps = jnp.arange(num_steps)
    expected = scheduled_rate(schedule, 2e-5, warmup, num_steps, steps, jnp)
    assert expected.dtype == jnp.float32
    np.testing.assert_allclose(
        scheduled_rates(settings, num_steps), expected, rtol=1e-5, atol=1e-11
    )


@pytest.mark.parametrize(("b1", "b2"), [(0.9, 0.999), (0.9, 0.98), (0.0, 0.5)])
def test_without_correction_an_update_is_that_of_corrected_adam_at_the_effective_rate(b1, b2):
    settings = BERT | {"adam_b1": b1, "adam_b2": b2}
    plain, corrected = (optim.scale_by_bias_correction(b1, b2, on) for on in (False, True))
    updates = {"w": jnp.ones(3)}
    states = [link.init(updates) for link in (plain, corrected)]
    rates = zip(scheduled_rates(settings, 30), effective_rates(settings, 30), strict=True)
    for set_rate, effective in rates:
        one, states[0] = plain.update(updates, states[0])
        other, states[1] = corrected.update(updates, states[1])
        np.testing.assert_allclose(set_rate * one["w"], effective * other["w"], rtol=1e-5)


@pytest.mark.parametrize(
    ("share", "steps", "stop"),
    [
        (0.5, 20, 10),
        (0.3, 189, 57),
        (0.01, 20, 1),
        (0.99, 20, 19),
        (None, 20, None),
        (0.5, 1, None),
    ],
)
def test_stop_step(share, steps, stop):
    assert stop_step(share, steps) == stop


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (2e-5, "2e-5"),
        (9.27e-5, "9.3e-5"),
        (1.8e-3, "1.8e-3"),
        (3e3, "3e3"),
        (0.5, "5e-1"),
    ],
)
def test_rates_are_written_as_people_write_them(value, text):
    assert show_rate(value) == text
