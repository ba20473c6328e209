"""How often recipes of one mean would be said to differ in it where one has fewer trials and the
larger std, and how often the interval of the mean of the middle half holds it: why the tests of the
mean take the larger of two p, and that interval expanded percentiles (docs/verdict.md).

    PYTHONPATH=. python tests/support/unlike_arms.py
"""

import numpy as np
from drawn_scores import bimodal
from made_up import made_up_arm
from scipy import stats

from jaxtune.stats.hypothesis_tests import _deal, _welch_t, unpaired_location
from jaxtune.stats.intervals import trimmed_mean_interval
from jaxtune.stats.stratified_tests import stratified_location

REPEATS, RESAMPLES, TASKS = 400, 499, 3


def differ(rng, n, other_n, stds):
    """Whether p is at most 0.05: of dealt trials alone, of the test, and over tasks."""
    pairs = [(rng.normal(0.7, stds[0], n), rng.normal(0.7, stds[1], other_n)) for _ in range(TASKS)]
    found = (
        _deal("", pairs[0], _welch_t, 0, RESAMPLES),
        unpaired_location(*pairs[0], 0, RESAMPLES),
        stratified_location([(made_up_arm(a), made_up_arm(b)) for a, b in pairs], 0, RESAMPLES),
    )
    return [outcome.p <= 0.05 for outcome in found]


def held(rng, n, rate):
    """Shares of the intervals of recipes that fail at this rate that hold the true value."""
    truth = stats.trim_mean(bimodal(rng, 10**6, rate), 0.25)
    found = [trimmed_mean_interval(bimodal(rng, n, rate)) for _ in range(REPEATS)]
    return np.mean([one.low <= truth <= one.high for one in found if one.low is not None])


def main() -> None:
    for n, other_n, stds in (
        (8, 8, (0.02, 0.02)),
        (8, 32, (0.02, 0.02)),
        (8, 32, (0.03, 0.01)),
        (8, 32, (0.06, 0.01)),
        (32, 8, (0.03, 0.01)),
    ):
        rng = np.random.default_rng(0)
        dealt, two, tasks = np.mean([differ(rng, n, other_n, stds) for _ in range(REPEATS)], axis=0)
        print(
            f"equal means, {n} against {other_n} trials, stds {stds}: called different in"
            f" {100 * two:.0f} of 100 (by dealt trials alone {100 * dealt:.0f}), over {TASKS} tasks"
            f" {100 * tasks:.0f}",
            flush=True,
        )
    for rate in (0.0, 0.1, 0.3, 0.4, 0.5, 0.6):
        rng = np.random.default_rng(0)
        shares = [f"{100 * held(rng, n, rate):.0f}" for n in (8, 16, 32, 64)]
        print(f"mean of the middle half held, {rate} fail, 8, 16, 32, 64 trials: {shares}")


if __name__ == "__main__":
    main()
