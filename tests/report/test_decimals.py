"""Small scores are no zeros: in tables, in the facts of a page, and in the terminal."""

import re

import numpy as np
import pandas as pd
import pytest

from jaxtune.report.__main__ import main
from jaxtune.report.tables import form_of, shown, signed

# Whole numbers, p and shares have no decimals, or two: these do.
SCORE = re.compile(r"(?<![\d.])-?\d\.\d{3,}")
ARMS = {"A": (2e-4, 2e-5), "B": (3e-4, 1e-4)}


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([0.7, 0.02, 0.0, None], "{:.3f}"),
        ([0.7, 0.0004], "{:.4f}"),
        ([2e-4, 2e-5, 0.0], "{:.5f}"),
        ([71.2, 1.3], "{:.3f}"),
        ([0.7, 1e-16], "{:.3f}"),  # rounding
        ([3e-8, 1e-10], "{:.3g}"),
        ([0.0, None, np.inf, np.nan], "{:.3f}"),
        ([], "{:.3f}"),
    ],
)
def test_as_many_decimals_as_it_takes(values, form):
    assert form_of(values) == form


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (None, "{:.3f}", "-"),
        (-0.0002, "{:.3f}", "0.000"),
        (-0.0, signed("{:.3f}"), "+0.000"),
        (-0.0002, "{:.4f}", "-0.0002"),
        (3, "{:,.0f}", "3"),
        (-2e-7, signed("{:.3g}"), "-2e-07"),
    ],
)
def test_no_number_is_minus_nothing(value, form, text):
    assert shown(value, form) == text


def write_errors(file, **more):
    """Of two arms, their mean and std about as in `ARMS`."""
    rng = np.random.default_rng(0)
    rows = [
        {"arm": arm, "seed": seed, "mse": abs(float(rng.normal(*about))), "floor": 0.0004}
        for arm, about in ARMS.items()
        for seed in range(8)
    ]
    pd.DataFrame(rows).assign(**more).to_csv(file, index=False)


def test_small_errors_are_told_apart_everywhere(tmp_path, capsys):
    file = tmp_path / "scores.csv"
    write_errors(file)
    assert main([str(file), "--metric", "mse"]) == 0
    said = capsys.readouterr().out
    text = (tmp_path / "scores_report" / "report.md").read_text()
    assert text.count("The best constant prediction scores 0.00040.") == 2  # the facts, the arms
    tables = [line for line in text.splitlines() if line.startswith("|")]
    cells = SCORE.findall(said.split("─")[-1].split("- ")[0]) + [
        number
        for line in tables
        for number in SCORE.findall(line)
        if line.startswith(("| A", "| B"))
    ]
    scores = [cell for cell in cells if len(cell.lstrip("-")) > len("0.000")]
    assert len(scores) > 20
    assert "0.000" not in cells
    assert " 0.000 " not in said


@pytest.mark.usefixtures("undrawn")
def test_each_task_has_its_own_decimals(tmp_path):
    file = tmp_path / "scores.csv"
    write_errors(file)
    small = pd.read_csv(file).rename(columns={"mse": "score"}).assign(task="small", metric="mse")
    large = small.assign(task="large", score=1000 * small.score, floor=0.4)
    pd.concat([small, large]).to_csv(file, index=False)
    assert main([str(file)]) == 0
    text = (tmp_path / "scores_report" / "report.md").read_text()
    assert "small by mse (floor 0.00040), large by mse (floor 0.400)" in text
    (row,) = re.findall(r"^\| B [^|]*\|([^|]*) \(.*?\) \|([^|]*) \(", text, re.M)[:1]
    assert [len(cell.strip()) for cell in row] == [len("0.00030"), len("0.300")]
