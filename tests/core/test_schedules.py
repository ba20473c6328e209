"""The effective learning rate, against the optimiser, the dry run, and the study's numbers."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import Seeds, Trial
from jaxtune.core.schedules import (
    correction_factor,
    effective_rates,
    peak,
    scheduled_rates,
    show_rate,
)
from jaxtune.training import optimizer as optim
from jaxtune.training.dry_run import peak_effective_rate

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
    """Batch 16, 10 % warm-up, no correction: how far the peak lies above what was set."""
    top = peak(BERT, num_steps)
    assert top.multiple == pytest.approx(multiple, abs=0.05)
    assert top.rate == pytest.approx(top.multiple * 2e-5)
    assert top.step == int(0.1 * num_steps)  # the end of the warm-up


def test_with_correction_the_curve_is_the_schedule():
    settings = BERT | {"bias_correction": True}
    assert np.array_equal(effective_rates(settings, 468), scheduled_rates(settings, 468))
    assert peak(settings, 468).rate == 2e-5
    assert peak(settings, 468).multiple == 1.0


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("num_steps", "warmup"), [(1, 0.1), (450, 0.26), (468, 0.0), (20, 1.0)])
def test_schedules_are_the_optimiser_s(schedule, num_steps, warmup):
    settings = BERT | {"schedule": schedule, "warmup_ratio": warmup}
    steps = jnp.arange(num_steps)
    expected = optim.schedule_value(schedule, 2e-5, warmup, num_steps, steps)
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


@pytest.mark.parametrize("correction", [False, True])
def test_the_dry_run_says_the_same(correction):
    config = SweepConfig(bias_correction=correction)
    trial = Trial(0, "all", Seeds(0, 0, 0, 0), config)
    _, expected = peak_effective_rate(trial, 468)
    assert peak(trial.settings, 468).rate == pytest.approx(expected, rel=1e-5)


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
