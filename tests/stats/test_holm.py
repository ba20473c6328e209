"""Holm's correction, by the numbers that other programs give."""

import pytest

from jaxtune.stats.holm import Corrected, holm, least


def test_holm_of_known_p_values():
    """As R's p.adjust gives them; levels go on until the first test that is not rejected."""
    found = holm([0.01, 0.04, 0.03, 0.005])
    assert [one.p for one in found] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [one.level for one in found] == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])


def test_holm_counts_what_could_not_be_tested():
    assert [one.p for one in holm([0.01, None, 0.6])] == [pytest.approx(0.03), None, 1.0]
    assert holm([]) == []


def test_the_least_p_is_of_tests_that_were_made():
    assert least(Corrected(None, 0.05), Corrected(0.3, 0.05), Corrected(0.2, 0.05)) == 0.2
    assert least(Corrected(None, 0.05)) == 1.0
