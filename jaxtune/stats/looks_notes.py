"""What a verdict says of looks at more and more seeds."""

# Of 100, with looks at 8, 12, ... 64 seeds (tests/stats/test_false_verdicts.py).
LOOKS = "12 to 13"
LOOKED_AGAIN = (
    "All of this holds for a number of seeds fixed beforehand: whoever adds seeds and looks again"
    f" until a difference shows finds one between equal recipes in {LOOKS} of 100 cases, not in 5."
)
# Of sweeps that stopped before their last look, and of 100 intervals that say 95
# (tests/support/early_stops.py).
STOPPED_EARLY = "90 where 20% and 5% fail, 71 where 10% and 5% do"
# An arm is called more stable at the first look that shows it, which is often a lucky one.
LOOKS_COUNTED = (
    "Seeds are added while no arm is shown to be more stable than all others, with looks at"
    " numbers of seeds that were fixed beforehand. Every p counts {times:.3g} times for that, so"
    " that the verdict at such a look is as sure as at a single one. But where one stops early, the"
    " difference is on average shown larger than it is, and the arms' own 95% intervals hold in"
    " fewer than 95 of 100 cases, the fewer the smaller the true difference is (Wilson's of the arm"
    f" that fails more: {STOPPED_EARLY})."
)


def about_looks(times: float) -> str:
    """That more seeds were not to be looked at, or that this was reckoned with."""
    return LOOKED_AGAIN if times == 1 else LOOKS_COUNTED.format(times=times)
