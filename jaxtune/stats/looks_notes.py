"""What a verdict says of looks at more and more seeds."""

# Of 100, with looks at 8, 12, ... 64 seeds (tests/stats/test_false_verdicts.py).
LOOKS = "12 to 13"
LOOKED_AGAIN = (
    "All of this holds for a number of seeds fixed beforehand: whoever adds seeds and looks again"
    f" until a difference shows finds one between equal recipes in {LOOKS} of 100 cases, not in 5."
)
# Of 100 that say 95: Wilson's, of the arm that fails more, where a sweep stopped before its last
# look (tests/support/early_stops.py).
STOPPED_EARLY = "83 to 90"
# An arm is called more stable at the first look that shows it, which is often a lucky one.
LOOKS_COUNTED = (
    "Seeds were added while no arm was shown to be more stable than all others, with looks at"
    " numbers of seeds that were fixed beforehand. Every p counts {times:.3g} times for that, so"
    " that the verdict at such a look is as sure as at a single one. But where one stops early, the"
    " difference is on average shown larger than it is, and the arms' own 95% intervals hold in as"
    f" few as {STOPPED_EARLY} of 100 cases."
)


def about_looks(times: float) -> str:
    """That more seeds were not to be looked at, or that this was reckoned with."""
    return LOOKED_AGAIN if times == 1 else LOOKS_COUNTED.format(times=times)
