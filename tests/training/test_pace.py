"""Protects the number of steps per dispatch: large enough to hide a dispatch's own cost, small
enough for the display.
"""

import pytest

from jaxtune.training.pace import LONGEST_DISPATCH, Pace


def settled(edge: float, step: float, compile_seconds: float = 20.0) -> int:
    """The steps of a dispatch after many, where one takes `edge` seconds and `step` a step."""
    pace, now, compiled = Pace(64), 0.0, compile_seconds
    for _ in range(200):
        pace.began(now)
        count = pace.count
        now += edge + count * step + compiled
        compiled = 0.0
        pace.ended(count, now)
    return pace.count


@pytest.mark.parametrize(
    ("edge", "step", "steps"),
    [
        (0.0, 0.010, 2),  # nothing to hide: that shows after two
        (0.002, 0.010, 32),  # 2 ms in 322
        (0.002, 0.0001, 64),  # as many as the program holds
        (0.030, 0.4, 4),  # 8 steps would be over 3 seconds
        (0.030, 1.5, 1),  # two would be too long
        (10.0, 0.001, 1),  # so would two of these
    ],
)
def test_a_dispatch_hides_its_own_cost(edge: float, step: float, steps: int) -> None:
    assert settled(edge, step) == steps


def test_no_dispatch_of_several_steps_is_too_long() -> None:
    for step in (0.01, 0.1, 0.3, 0.7, 0.99):
        assert settled(1.0, step) * step <= LONGEST_DISPATCH


def test_waiting_between_dispatches_is_not_part_of_one() -> None:
    """An evaluation of 100 s after every dispatch."""
    pace, now = Pace(64), 0.0
    for _ in range(20):
        pace.began(now)
        now += 0.002 + pace.count * 0.01
        pace.ended(pace.count, now)
        now += 100.0
    assert pace.count == 32
