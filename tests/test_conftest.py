"""Protects: what conftest.py promises to all tests, which nobody would miss but for their time."""

import numpy as np

from jaxtune.data.packing import best_ladder
from jaxtune.training import program


def test_a_task_has_one_row_count():
    """Of rows that would be worth several, of a trial alone and of stacked ones."""
    rows = np.repeat([2, 4, 8, 16], 50)
    assert best_ladder(rows) == best_ladder(rows, 4) == (16,)


def test_programs_are_kept_for_other_tests():
    assert program._made.cache_info().maxsize > 10 * program.MOST_KEPT
