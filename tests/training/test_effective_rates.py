"""The effective learning rate, which report, dry run and study name, is the size of an arm's own
steps, with any of Adam's links; rows without links are of Adam.
"""

from typing import Any

import jax
import numpy as np
import pytest
from links_of_adam import B1, B2, STEPS, tensor

from jaxtune.config.field_groups import LINKS, head_first
from jaxtune.config.parse import parse
from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import make_trials
from jaxtune.core.schedules import SIZE_LINKS, effective_rates, scheduled_rates
from jaxtune.training.optimizer import make_optimizer
from jaxtune.training.rates import learning_rates

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
