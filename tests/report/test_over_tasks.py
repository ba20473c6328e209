"""A report over several tasks: from sweeps, from a table, and what stands on its page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import write_made_up_sweep
from pages import Page

from jaxtune.report.__main__ import main
from jaxtune.report.planned import planned
from jaxtune.report.sources import Source, TrialRecord, times_of_looks
from jaxtune.report.tasks import by_task
from jaxtune.storage.trial_rows import read_rows, respelled, rewrite_rows

FLOORS = {"rte": ("accuracy", 0.527), "mrpc": ("f1", 0.812), "cola": ("matthews", 0.0)}
COUNTS = {"rte": (9, 1), "mrpc": (8, 0), "cola": (1, 2)}


def scores(task, failed, seed):
    floor = FLOORS[task][1]
    rng = np.random.default_rng([len(task), seed])
    return [floor] * failed + (floor + (1 - floor) * rng.uniform(0.3, 0.5, 16 - failed)).tolist()


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory):
    top = tmp_path_factory.mktemp("tasks")
    for task, (metric, floor) in FLOORS.items():
        arms = {
            name: scores(task, k, i)
            for i, (name, k) in enumerate(zip(("off", "on"), COUNTS[task], strict=False))
        }
        write_made_up_sweep(top / task, arms, trivial=floor, metric=metric, task=task)
    return top


def test_sweeps_of_several_tasks_have_one_verdict(sweeps, tmp_path, capsys):
    assert main([*(str(sweeps / task) for task in FLOORS), "--to", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "[on] is more stable than [off] over 3 tasks: 3 of 48 trials failed against 18" in said
    assert "on cola it is the other way round" in said
    page = (tmp_path / "report.html").read_text()
    assert Page(page).open == []
    order = ["Over all tasks", "Bear in mind", "Differences over tasks", "Performance profiles"]
    order += [f"{task} by itself" for task in FLOORS]
    places = [page.index(f"<h2>{title}</h2>") for title in order]
    assert places == sorted(places)
    assert "nan" not in page.replace("Provenance", "").replace("provenance", "")
    # Each task has its own verdict, by its own metric and floor.
    assert "[on] is more stable than [off]: 1 of 16 trials failed against 9 of 16." in page
    assert "Neither [off] nor [on] was shown to be more stable than the other" in page
    markdown = (tmp_path / "report.md").read_text()
    assert "on rte by accuracy (floor 0.527), mrpc by f1 (floor 0.812)" in markdown
    arms = pd.read_csv(tmp_path / "arms.csv")
    assert arms.task.tolist() == ["rte", "rte", "mrpc", "mrpc", "cola", "cola"]
    assert arms.failed.tolist() == [k for pair in COUNTS.values() for k in pair]
    assert len(pd.read_csv(tmp_path / "trials.csv")) == 96


def table(**more):
    rows = [
        {"arm": name, "seed": seed, "score": score, "task": task}
        | {"metric": metric, "floor": floor}
        for task, (metric, floor) in FLOORS.items()
        for i, (name, k) in enumerate(zip(("off", "on"), COUNTS[task], strict=False))
        for seed, score in enumerate(scores(task, k, i))
    ]
    return pd.DataFrame(rows).assign(**more)


@pytest.mark.slow
def test_a_table_of_several_tasks(tmp_path, capsys):
    file = tmp_path / "scores.csv"
    table().to_csv(file, index=False)
    assert main([str(file)]) == 0
    said = capsys.readouterr().out
    assert (
        "mrpc: Read 32 runs in 2 arms from scores.csv: f1, of which higher is better; floor" in said
    )
    assert "[on] is more stable than [off] over 3 tasks" in said
    trials = pd.read_csv(tmp_path / "scores_report" / "trials.csv")
    assert trials.trial.tolist() == list(range(96))
    assert main([str(file), "--floor", "0.5"]) == 1
    assert "--floor is one number, and there are several tasks" in capsys.readouterr().err
    table().drop(columns="floor").to_csv(file, index=False)
    assert main([str(file)]) == 0
    assert "Without a floor for every task" in capsys.readouterr().out


@pytest.mark.usefixtures("undrawn")
def test_groups_are_tasks_too(tmp_path, capsys):
    """Such as two models on one task."""
    one = table().query("task == 'rte'")
    both = pd.concat([one.assign(group="bert"), one.assign(group="roberta")])
    both.to_csv(tmp_path / "scores.csv", index=False)
    assert main([str(tmp_path / "scores.csv")]) == 0
    assert "over 2 tasks" in capsys.readouterr().out
    assert "rte, roberta by itself" in (tmp_path / "scores_report" / "report.md").read_text()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.slow
def test_models_are_compared_across_where_that_is_asked_for(tmp_path, capsys):
    for model in ("bert", "roberta"):
        arms = {name: scores("rte", k, i) for i, (name, k) in enumerate((("off", 9), ("on", 1)))}
        out = write_made_up_sweep(tmp_path / model, arms, trivial=0.527)
        rewrite_rows(out, [respelled(row, {"model": model}) for row in read_rows(out)])
    words = [str(tmp_path / "bert"), str(tmp_path / "roberta"), "--to", str(tmp_path / "to")]
    assert main(words) == 0
    assert "more stable than [bert: off] and [roberta: off]" in capsys.readouterr().out
    assert main([*words, "--across_models"]) == 0
    assert "[on] is more stable than [off] over 2 tasks" in capsys.readouterr().out
    assert "rte, roberta by itself" in (tmp_path / "to" / "report.md").read_text()


def test_a_part_of_a_sweep_has_the_look_of_the_whole():
    """All 128 seeds of four arms are there: the second look, which has 28 / 128 of the level. The
    256 trials of a model are fewer than the first look has, whose p counts 1.28 times.
    """
    config = (
        "grid: {model: [m0, m1], bias_correction: [true, false]}\n"
        "until_decided: true\nnum_seeds: 100\nmax_seeds: 128\n"
    )
    trials = tuple(
        TrialRecord({"arm": f"a{i % 4}", "task": "rte", "model": f"m{i % 2}"}, {}, None)
        for i in range(512)
    )
    source = Source(Path(), "sweep", trials, planned(config), config, {}, None, None)
    times = source.planned.trials[-1] / (source.planned.trials[-1] - source.planned.trials[-2])
    parts = by_task([source], across_models=True)
    assert [len(part.trials) for (part,) in parts.values()] == [256, 256]
    assert times_of_looks([source]) == pytest.approx(times)
    assert [times_of_looks(own) for own in parts.values()] == pytest.approx([times, times])


def test_crossed_seeds_on_a_task_are_refused(tmp_path, capsys):
    frame = table().rename(columns={"seed": "init_seed"}).assign(order_seed=1)
    frame.to_csv(tmp_path / "scores.csv", index=False)
    assert main([str(tmp_path / "scores.csv")]) == 1
    assert "The trials of [off] on rte share seeds" in capsys.readouterr().err
