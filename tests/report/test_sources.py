"""What a report reads: the plan, the names of folders, cells of CSV files."""

import dataclasses
from pathlib import Path

import pytest

from jaxtune.report.formats import csv_cell, markdown
from jaxtune.report.page import Head
from jaxtune.report.planned import Planned, planned
from jaxtune.report.sources import Source, TrialRecord, folder_names, printable


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("num_seeds: 32", ((32,), 1)),
        ("num_seeds: 32\nseeds: 0-3,77", ((5,), 1)),
        ("num_seeds: 32\nseeds: 7", ((1,), 1)),
        ("num_seeds: 8\ngrid:\n  a: [1, 2, 2]\n  b: [false, true]", ((32,), 4)),
        ("num_seeds: 8\ninit_seeds: 0-4\norder_seeds: 0-2", ((15,), 1)),
        ("num_seeds: 8\ninit_seeds: 0-4\norder_seeds: 0-2\ndropout_seeds: 1,2", ((30,), 1)),
        ("num_seeds: 8\ninit_seeds: null\nseeds: null", ((8,), 1)),
        ("num_seeds: 8\nuntil_decided: true\nmax_seeds: 20", ((8, 20), 1)),
        ("num_seeds: 8\nuntil_decided: false\nmax_seeds: 20", ((8,), 1)),
    ],
)
def test_the_plan_is_read_from_the_config(config, expected):
    assert planned(config) == Planned(*expected)


def test_between_two_looks_it_is_said_where_the_next_one_is():
    """Every p counts for a look, and these trials are at none."""
    looked = planned("num_seeds: 8\nuntil_decided: true\nmax_seeds: 20\ngrid: {a: [1, 2]}")
    assert looked.until_look(40).endswith("; the next look is with 20 seeds per arm.")
    assert "at no planned look" in looked.until_look(16)
    trials = tuple(TrialRecord({"arm": f"{i % 2}"}, {}, None) for i in range(20))
    source = Source(Path("x"), "x", trials, looked, "", {}, None, None)
    assert source.status.startswith("x: 20 of 40 trials have finished. ")
    assert source.status.endswith(looked.until_look(40))
    at_look = dataclasses.replace(source, trials=trials[:16])
    assert at_look.status == ""
    assert planned("num_seeds: 8\ngrid: {a: [1, 2]}").until_look(16) == ""


@pytest.mark.parametrize(
    "config", ["", "grid: 3", "- a", "{", "seeds: x", "num_seeds: [1]", "a: 1"]
)
def test_a_broken_config_plans_nothing(config):
    assert planned(config) is None


def test_folders_are_told_apart():
    def names(*paths):
        return folder_names([Path(path) for path in paths])

    assert names("/a/b") == ["b"]
    assert names("/a/b", "/a/c") == ["b", "c"]
    assert names("/x/one/run", "/x/two/run") == ["one/run", "two/run"]
    assert names("/run", "/a/run") == ["//run", "a/run"]


def test_control_characters_are_spelled_out():
    assert printable("a\x1b[2J\nb\u202e") == r"a\x1b[2J\nb\u202e"
    assert printable("schön=1 µ") == "schön=1 µ"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        *((None, ""), (True, "true"), (0.1, "0.1"), (-0.5, "-0.5"), (3, "3"), (1e-05, "1e-05")),
        *(("text", "text"), ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@a", "'@a")),
        *(("\tx", "'\tx"), (["question", "answer"], "question answer"), (["=a"], "'=a")),
        *((float("inf"), "inf"), ("", "")),
    ],
)
def test_cells_that_a_spreadsheet_would_calculate_are_quoted(value, cell):
    assert csv_cell(value) == cell


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("learning_rate=0.1", "learning_rate=0.1"),  # no markup within a word
        ("_a_ __b__ c_", r"\_a\_ \_\_b\_\_ c\_"),
        ("~~a~~ *b* `c`", r"\~\~a\~\~ \*b\* \`c\`"),
    ],
)
def test_names_are_no_markup(name, written):
    assert markdown(Head(name, "", (), ("",), ()), []).startswith(f"# {written}\n")
