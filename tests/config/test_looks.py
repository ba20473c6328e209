"""With how many seeds a sweep looks at its verdict, and how many trials these are."""

import pytest

from jaxtune.config.looks import looks, looks_at, times_at, trials_at_looks
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
        # The look before the last would leave it few seeds and little of the level.
        (30, 128, (30, 60, 128)),
        (12, 50, (12, 24, 50)),
        (16, 65, (16, 32, 65)),
        (16, 96, (16, 32, 64, 96)),
        (32, 32, (32,)),
    ],
)
def test_twice_as_many_each_time(first, most, expected):
    assert looks_at(first, most) == expected


def test_trials_are_planned_up_to_the_last_look():
    settings = parse([*TWO, "--until_decided", "--num_seeds", "4", "--max_seeds", "12"])
    assert looks(settings.base) == (4, 8, 12)
    trials = make_trials(settings)
    assert trials_at_looks(settings.base, 2) == (8, 16, 24)
    assert len(trials) == 24
    first = trials[:8]  # whole seeds of every arm
    assert {trial.seeds.seed for trial in first} == {0, 1, 2, 3}
    plain = parse([*TWO, "--num_seeds", "4"])
    assert looks(plain.base) == (4,)
    assert [t.number for t in make_trials(plain)] == list(range(8))


def test_the_level_is_shared_in_proportion_to_new_seeds():
    looks = (16, 32, 64, 128)
    assert [times_at(looks, n) for n in looks] == [8, 8, 4, 2]
    assert times_at(looks, 20) == 8  # on the way to the second
    assert sum(1 / times_at(looks, n) for n in looks) == 1
    uneven = (16, 32, 64, 100)
    assert sum(1 / times_at(uneven, n) for n in uneven) == pytest.approx(1)
    assert times_at((32,), 32) == times_at((32,), 5) == times_at((32,), 64) == 1
