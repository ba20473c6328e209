"""What a reader sees while a sweep runs and when it ends."""

import io

import numpy as np
import pytest
from rich.console import Console

from jaxtune.core import console as progress
from jaxtune.core.console import ProgressLine
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
    printed = capsys.readouterr().out.splitlines()
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
    lines = capsys.readouterr().out.splitlines()
    last = lines[-1]
    for part in ("40/40", "4/4 seeds", "2 failed", "mean 0.625", "seeds/h"):
        assert part in last
    assert any("left" in line for line in lines)


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
    lines = capsys.readouterr().out.splitlines()
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
    assert "10/10" in capsys.readouterr().out


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
