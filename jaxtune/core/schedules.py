"""The learning rate of every update: its schedule, and what the links of Adam make of it.

The formulas take the array module: `jax.numpy` inside the optimiser, in float32 and with values
that may be traced, or `numpy` in float64 for the report and the dry run, which do without JAX.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

Rates = Float[np.ndarray, " step"]
NEEDED = ("learning_rate", "warmup_ratio", "schedule", "bias_correction", "adam_b1", "adam_b2")
# Links that change the size of a step; rows of sweeps from before there were any do not name them.
SIZE_LINKS: Mapping[str, Any] = {
    "correct_moments": "both",
    "second_moment_init": 0.0,
    "untuned_warmup": False,
    "update_clipping": False,
    "rectify": False,
}
# Steps that the second moment must be worth before RAdam divides by its root: Liu et al. (2020)
# say more than 4; their code, torch and optax take 5, and so does this.
TRACTABLE = 5.0
# What `train` is where the head alone is trained first (LP-FT, Kumar et al. 2022).
HEAD_FIRST = "head_then_all"


class Peak(NamedTuple):
    """Where the effective learning rate is highest."""

    step: int  # updates made before it
    rate: float
    multiple: float  # of the learning rate that was set


class Phase(NamedTuple):
    """Where a step lies in a run of two phases: the head alone, then everything."""

    head_alone: Any  # bool
    step: Any  # of the phase, from 0
    num_steps: Any  # of the phase


def correction_factor(b1: Any, b2: Any, count: Any, xp: ModuleType = np) -> Any:
    """sqrt(1-b2^t) / (1-b1^t) for the t-th update, t from 1: the factor that bias correction puts
    on Adam's step (Mosbach et al. 2021, equation 1).
    """
    return second_root(b2, count, xp) / first_share(b1, count, xp)


def first_share(b1: Any, count: Any, xp: ModuleType = np) -> Any:
    """1 - b1^t: the share of steady gradients that the first moment has after t updates."""
    # -expm1(t log b) keeps the digits that 1 - b^t loses in float32 while b^t is near 1.
    return -xp.expm1(floats(count, xp) * _log(b1, xp))


def second_root(b2: Any, count: Any, xp: ModuleType = np) -> Any:
    """sqrt(1 - b2^t): the root of the share of steady squares that the second moment has."""
    return xp.sqrt(-xp.expm1(floats(count, xp) * _log(b2, xp)))


def _log(b: Any, xp: ModuleType) -> Any:
    # log1p keeps the digits of 1 - b, the weight of the moments: a Python 0.999 is 6e-6 off the
    # same formula's float32 log. For b = 0 it is -inf and what comes of it right; numpy would warn.
    with np.errstate(divide="ignore"):
        return xp.log1p(-(1 - b))


def rectification(b2: Any, count: Any, xp: ModuleType = np) -> Any:
    """r_t of RAdam (Liu et al. 2020, algorithm 2) for the t-th update, t from 1; 0 where the second
    moment is not worth more than `TRACTABLE` steps, which it never is for a b2 of 2/3 or less.

    With rho_inf = 2 / (1-b2) - 1 and rho_t = rho_inf - 2 t b2^t / (1-b2^t), r_t = sqrt((rho_t - 4)
    (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t)).
    """
    # With h = -log b2 the second term of rho_t is 2 t / expm1(t h). While t h is small that nearly
    # cancels the first: an error of 1e-4 in float32 where rho_t is 5. There rho_t = t - (f(t h / 2)
    # - f(h / 2)) / (h / 2), with f(y) = y coth(y) - 1, is the same number without differences of
    # large ones.
    t, half = floats(count, xp), -_log(b2, xp) / 2
    with np.errstate(all="ignore"):  # of a b2 that never gets there, and of expm1 far on
        longest = 1 / xp.tanh(half)
        early = t - (_coth_series(t * half) - _coth_series(half)) / half
        worth = xp.where(t * half < 0.6, early, longest - 2 * t / xp.expm1(2 * t * half))
        squared = (worth - 4) * (worth - 2) * longest / ((longest - 4) * (longest - 2) * worth)
        return xp.where(worth > TRACTABLE, xp.sqrt(xp.maximum(squared, 0.0)), 0.0)


def _coth_series(y: Any) -> Any:
    """y coth(y) - 1 by its series, to 1e-8 for y up to 0.6."""
    square, series = y * y, 0.0
    for term in (-1382 / 638512875, 2 / 93555, -1 / 4725, 2 / 945, -1 / 45, 1 / 3):
        series = square * (term + series)
    return series


def untuned_warmup(b2: Any, step: Any, xp: ModuleType = np) -> Any:
    """min(1, t (1-b2) / 2) for update `step` = t - 1: a linear warm-up over 2 / (1-b2) updates, on
    top of a schedule (Ma and Yarats 2021, "untuned linear warmup").
    """
    # From b2 in the module's floats, as the optimiser has it: 1 - 0.999 loses digits in float32.
    return xp.minimum(1.0, (floats(step, xp) + 1) * (1 - floats(b2, xp)) / 2)


def scheduled_rate(
    kind: str,
    learning_rate: Any,
    warmup_ratio: Any,
    num_steps: Any,
    step: Any,
    xp: ModuleType = np,
) -> Any:
    """The learning rate of update `step` (from 0): linear warm-up over floor(ratio * num_steps)
    steps, then the decay.

    The first update of a warm-up has rate 0, as in Hugging Face's schedules. "linear" falls to 0 at
    `num_steps`, "cosine" follows half a cosine to 0, "constant" stays. Numbers or arrays.
    """
    step = floats(step, xp)
    # The margin keeps floor(0.26 * 450) at 117: in floats the product may fall just below the
    # integer.
    warmup = xp.floor(floats(warmup_ratio, xp) * num_steps + 1e-3)
    progress = (step - warmup) / xp.maximum(1.0, num_steps - warmup)  # no division by 0 at the end
    decays = {
        "linear": 1.0 - progress,
        "cosine": 0.5 * (1.0 + xp.cos(xp.pi * progress)),
        "constant": xp.ones_like(progress),
    }
    rising = step / xp.maximum(1.0, warmup)
    shape = xp.where(step < warmup, rising, xp.maximum(0.0, decays[kind]))
    return xp.asarray(learning_rate) * shape


def head_steps(head_ratio: Any, num_steps: Any, xp: ModuleType = np) -> Any:
    """Steps in which the head alone is trained, the first ones: floor(ratio * num_steps)."""
    # The margin is the warm-up's.
    return xp.floor(floats(head_ratio, xp) * num_steps + 1e-3)


def phase_of(head_ratio: Any, num_steps: Any, step: Any, xp: ModuleType = np) -> Phase:
    """Where update `step` (from 0) lies. The phases are two trainings, one after the other: each
    has a warm-up and a decay of its own, over its own steps.
    """
    step, first = floats(step, xp), head_steps(head_ratio, num_steps, xp)
    alone = step < first
    return Phase(
        alone, xp.where(alone, step, step - first), xp.where(alone, first, num_steps - first)
    )


def floats(value: Any, xp: ModuleType) -> Any:
    """In the module's own floats: float64 in numpy; float32 in JAX, whose step counts are int32."""
    return xp.asarray(value, xp.float64 if xp is np else xp.float32)


def scheduled_rates(settings: Mapping[str, Any], num_steps: int) -> Rates:
    """The rates of an arm's updates, the untuned warm-up included; of `NEEDED` of a row."""
    phase = _phases(settings, num_steps)
    of_head = settings.get("head_learning_rate")
    rate, warmup = settings["learning_rate"], settings["warmup_ratio"]
    if of_head is not None and of_head == of_head:
        rate = np.where(phase.head_alone, of_head, rate)
    rates = scheduled_rate(settings["schedule"], rate, warmup, phase.num_steps, phase.step)
    if not link_of(settings, "untuned_warmup"):
        return rates
    return rates * untuned_warmup(settings["adam_b2"], phase.step)


def _phases(settings: Mapping[str, Any], num_steps: int) -> Phase:
    """Of every step of an arm."""
    return phase_of(_head_ratio(settings), num_steps, np.arange(num_steps))


def _head_ratio(settings: Mapping[str, Any]) -> float:
    return settings["head_ratio"] if settings.get("train") == HEAD_FIRST else 0.0


def first_whole_step(settings: Mapping[str, Any], num_steps: int) -> int:
    """The first step of an arm, from 0, that trains more than the head alone."""
    return int(head_steps(_head_ratio(settings), num_steps))


def effective_rates(settings: Mapping[str, Any], num_steps: int) -> Rates:
    """The learning rate that a corrected Adam would need for an arm's updates.

    Without the correction the t-th update is 1 / factor as large, hence the schedule divided by the
    factor; eps is left aside. `step_sizes` has what other links make of it.
    """
    return scheduled_rates(settings, num_steps) * step_sizes(settings, num_steps)


def step_sizes(settings: Mapping[str, Any], num_steps: int) -> Rates:
    """By update of an arm, the size of its step over that of corrected Adam at the same learning
    rate, for gradients whose size stays what it is at the first update; eps is left aside.

    A step that update clipping shrinks is counted as that, one of RAdam that does not divide by the
    second moment's root as 0: it has the size of the gradient, which is not known.
    """
    count = _phases(settings, num_steps).step + 1
    b2, start = settings["adam_b2"], link_of(settings, "second_moment_init")
    which = link_of(settings, "correct_moments") if settings["bias_correction"] else "none"
    of_first, of_second = first_share(settings["adam_b1"], count), second_root(b2, count)
    share = of_first if which in ("both", "first") else 1.0
    root = of_second if which in ("both", "second") else 1.0
    # Of steady squares the second moment has 1 - b2^t, and start * b2^t more of what it began with.
    held = np.sqrt(of_second**2 + start * (1 - of_second**2)) if start else of_second
    of_squares = root / held
    if link_of(settings, "update_clipping"):
        of_squares = np.minimum(1.0, of_squares)
    sizes = of_first / share * of_squares
    return sizes * rectification(b2, count) if link_of(settings, "rectify") else sizes


def link_of(settings: Mapping[str, Any], name: str) -> Any:
    """The value of one of `SIZE_LINKS`; a row that lacks it, or has NaN there beside rows of a
    later sweep, is of an arm without.
    """
    value = settings.get(name)
    return SIZE_LINKS[name] if value is None or value != value else value


def peak(settings: Mapping[str, Any], num_steps: int) -> Peak:
    """The highest effective learning rate, after the steps that train the head alone, if any."""
    rates, first = effective_rates(settings, num_steps), first_whole_step(settings, num_steps)
    step = first + int(rates[first:].argmax())
    given = settings["learning_rate"]
    return Peak(step, float(rates[step]), float(rates[step] / given) if given else 1.0)


def stop_step(share: float | None, num_steps: int) -> int | None:
    """Steps after which early stopping looks, at least 1 and fewer than all; None for never."""
    if share is None or num_steps < 2:
        return None
    return min(max(1, round(share * num_steps)), num_steps - 1)


# Logged gradient norms before the stop step without which it is not seen whether they vanish: the
# first three, and one of later.
FEWEST_RECORDS = 4


def show_rate(value: float) -> str:
    """A learning rate as people write it, such as 1.5e-3, 2e-5 or 0."""
    if value == 0:
        return "0"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"
