"""With how many seeds a sweep looks at its verdict, and how many trials these are."""

import pytest

from jaxtune.config.looks import looks, looks_at, trials_at_looks
from jaxtune.config.parse import parse
from jaxtune.config.trials import make_trials

TWO = ("--grid.bias_correction", "true", "false")


@pytest.mark.parametrize(
    ("first", "most", "expected"),
    [
        (16, None, (16,)),
        (16, 128, (16, 32, 64, 128)),
        (16, 100, (16, 32, 64, 100)),
        (5, 6, (5, 6)),
        (32, 32, (32,)),
    ],
)
def test_twice_as_many_each_time(first, most, expected):
    assert looks_at(first, most) == expected


def test_trials_are_planned_up_to_the_last_look():
    settings = parse([*TWO, "--until_decided", "--num_seeds", "4", "--max_seeds", "12"])
    assert looks(settings.base) == (4, 8, 12)
    trials = make_trials(settings)
    assert trials_at_looks(settings.base, 2, len(trials)) == (8, 16, 24)
    assert len(trials) == 24
    first = trials[:8]  # whole seeds of every arm
    assert {trial.seeds.seed for trial in first} == {0, 1, 2, 3}
    plain = parse([*TWO, "--num_seeds", "4"])
    assert looks(plain.base) == (4,)
    assert [t.number for t in make_trials(plain)] == list(range(8))
    assert trials_at_looks(plain.base, 2, 8) == (8,)
