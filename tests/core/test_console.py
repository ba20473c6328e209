"""What a reader sees while a sweep runs and when it ends."""

import io
import re

import numpy as np
import pytest
from rich import box
from rich.console import Console
from rich.table import Table

from jaxtune.core import console as progress
from jaxtune.core.console import Name, ProgressLine
from jaxtune.core.records import StepRecords
from jaxtune.sweep.progress import SweepProgress, show_arms


def records(trials: int, steps: int) -> StepRecords:
    zeros = np.zeros((trials, steps), np.float32)
    return StepRecords(zeros, zeros, zeros[..., None], ("all",))


def test_plain_lines_come_seldom_and_at_the_end(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with ProgressLine("work", 100) as line:
        for done in range(1, 101):
            clock[0] += 0.5
            line.update(done, "so far")
    out, err = capsys.readouterr()
    assert out == "", "what is redirected is the results"
    printed = err.splitlines()
    assert [text.split()[1] for text in printed] == [
        "20/100",
        "40/100",
        "60/100",
        "80/100",
        "100/100",
    ]


def test_brackets_in_a_live_line_are_no_markup(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=screen, force_terminal=True, width=120))
    with ProgressLine("work", 2) as line:
        line.update(1, "reading [/x] [red]")
    assert "reading [/x] [red]" in screen.getvalue()


def test_a_sweep_says_how_it_stands(capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with SweepProgress(num_trials=4, num_done=0, total_steps=40) as shown:
        for group in ([0, 1], [2, 3]):
            for start in (0, 5):
                clock[0] += 9
                shown.steps(group, start, records(2, 5))
            clock[0] += 9
            shown.finished([0.5, 0.75], failed=1)
    lines = capsys.readouterr().err.splitlines()
    last = lines[-1]
    for part in ("40/40", "4/4 seeds", "2 failed", "mean 0.625", "seeds/h"):
        assert part in last
    assert any("left" in line for line in lines)


def test_failures_of_an_extended_sweep_are_those_of_the_new_trials(capsys):
    with SweepProgress(num_trials=3, num_done=2, total_steps=5) as shown:
        shown.steps([2], 0, records(1, 5))
        shown.finished([0.5], failed=1)
    last = capsys.readouterr().err.splitlines()[-1]
    assert "3/3 seeds · of 1 new: 1 failed · mean 0.500" in last


def test_the_time_left_is_that_of_this_run(capsys, monkeypatch):
    """Two trials of 1,000 steps, of which 900 come from a checkpoint in no time; then 10 steps of
    each take 10 s.
    """
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with SweepProgress(num_trials=2, num_done=0, total_steps=2000) as shown:
        for start in (0, 300, 600):
            clock[0] += 0.125
            shown.steps([0, 1], start, records(2, 300)._replace(repeated=True))
        for start in range(900, 950, 10):
            clock[0] += 10
            shown.steps([0, 1], start, records(2, 10))
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(" · ")[2] for line in lines[-4:]] == [
        "1:20 left",
        "1:10 left",
        "1:00 left",
        "0:50 left",
    ]
    assert "left" not in "".join(lines[:-4])


def test_a_group_that_is_run_again_is_not_counted_twice(capsys):
    with SweepProgress(num_trials=1, num_done=0, total_steps=10) as shown:
        shown.steps([0], 0, records(1, 8))
        shown.steps([0], 0, records(1, 4))
        shown.steps([0], 4, records(1, 6))
    assert "10/10" in capsys.readouterr().err


@pytest.mark.parametrize("std", [None, 0.125])
def test_the_table_has_a_row_per_arm(capsys, std):
    summary = {
        "n": 2,
        "metric": "f1",
        "mean": 0.5,
        "std": std,
        "min": 0.25,
        "max": 0.75,
        "failed": 1,
        "failed_low": 0.1,
        "failed_high": 0.9,
        "trivial": 0.4,
    }
    show_arms({"learning_rate=1e-05 bias_correction=true": summary, "b": summary})
    text = capsys.readouterr().out
    for part in ("learning_rate=1e-05", "bias_correction=true", "1/2", "10% to 90%", "0.750"):
        assert part in text
    assert "f1 on the dev set" in text
    assert ("0.125" in text) == (std is not None)


@pytest.mark.parametrize("width", [80, 200])
def test_names_of_arms_fill_the_room_that_is_left(width):
    """At spaces, and within a setting only where it has none."""
    screen = io.StringIO()
    shown = Console(file=screen, width=width)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("arm")
    table.add_column("numbers", no_wrap=True)
    recipe = "bias_correction=true num_epochs=3"
    table.add_row(Name(f"{recipe}\nmore stable"), "9" * 50)
    shown.print(table)
    lines = [line.strip().split("  ")[0] for line in screen.getvalue().splitlines()]
    names = [line for line in lines if re.match("[bnm]", line)]
    folded = ["bias_correction=true", "num_epochs=3"] if width == 80 else [recipe]
    assert names == [*folded, "more stable"]


def test_notes_on_a_terminal_begin_below_their_first_word(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=screen, force_terminal=True, width=30))
    progress.say("- a note that is longer than a line\n  two columns in, and longer than that")
    assert screen.getvalue().splitlines() == [
        "- a note that is longer than a",
        "  line",
        "  two columns in, and longer",
        "  than that",
    ]


def test_a_command_to_copy_is_one_line(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=screen, force_terminal=True, width=30))
    command = "Curves: tensorboard --logdir " + "a/folder/" * 9
    progress.say_whole(command)
    assert screen.getvalue() == f"{command}\n"


def test_a_sweep_says_what_it_does_before_its_first_steps(capsys):
    """Compiling takes minutes, in which no step is counted."""
    with SweepProgress(num_trials=1, num_done=0, total_steps=20):
        first = capsys.readouterr().err
    assert first == "trial-steps 0/20  compiling and taking the first steps\n"
