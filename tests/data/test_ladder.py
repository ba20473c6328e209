"""The row counts that are compiled leave few rows empty, and more of them change no trial."""

import itertools

import numpy as np
import pytest

from jaxtune.data.packing import RUNG_WORTH, Shape, best_ladder, extended

pytestmark = pytest.mark.usefixtures("all_rungs")


def test_the_ladder_leaves_the_fewest_empty_rows():
    """Against every ladder of as many rungs; and a rung more would save less than its worth."""
    rng = np.random.default_rng(0)
    for mean in (2, 5, 9):
        rows = rng.poisson(mean, size=300) + 1
        counts, times = np.unique(rows, return_counts=True)

        def total(rungs, counts=counts, times=times):
            ladder = np.array([*rungs, counts[-1]])
            return ladder[np.searchsorted(ladder, counts)] @ times

        def least(number, counts=counts, total=total):
            return min(map(total, itertools.combinations(counts[:-1], number)))

        found = best_ladder(rows)
        assert total(found[:-1]) == least(len(found) - 1)
        assert least(len(found)) > (1 - RUNG_WORTH) * total(found[:-1])
    assert best_ladder(np.array([2, 2, 3])) == (2, 3)
    assert best_ladder(np.array([2])) == (2,)


@pytest.mark.parametrize(
    ("rows", "ladder"),
    [(1, (4, 6)), (6, (4, 6)), (7, (4, 6, 8)), (8, (4, 6, 8)), (11, (4, 6, 8, 10, 12))],
)
def test_the_ladder_grows_only_when_needed(rows, ladder):
    shape = Shape(32, (4, 6), packed=True)
    assert extended(shape, rows) == Shape(32, ladder, packed=True)


def test_a_batch_takes_the_same_rung_however_far_the_ladder_was_extended():
    shape = Shape(32, (4, 7), packed=True)

    def rung(rows: int, needed: int) -> int:
        return min(r for r in extended(shape, needed).ladder if r >= rows)

    for rows in range(1, 15):
        assert {rung(rows, needed) for needed in range(rows, 20)} == {rung(rows, rows)}
