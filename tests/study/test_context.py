"""What a sweep of a study is given: the settings of its own task, whichever is named first."""

from pathlib import Path

import pytest
from studies import made_up_study

from jaxtune.study.context import clear
from jaxtune.study.figures import baselines, small_data
from jaxtune.sweep import run


@pytest.fixture
def planned(monkeypatch):
    """The settings that sweeps would run with, by the name of their folders."""
    found = {}

    def plan(settings, argv):
        found[Path(settings.base.out).name] = settings.base

    monkeypatch.setattr(run, "run_sweep", plan)
    monkeypatch.setattr(small_data, "_steps_per_epoch", lambda study, task: 5)
    return found


@pytest.mark.parametrize("tasks", [("miniature", "rte"), ("rte", "miniature")])
def test_each_task_has_its_own_settings(tmp_path, tasks, planned):
    study = made_up_study(tmp_path, tasks=tasks, data_dir="GLUE")
    for task in tasks:
        baselines._sweeps(study, task)
        small_data._sweeps(study, task)
    names = ("main", "mixout", "stable", "small-epochs", "small-steps")
    assert set(planned) == {f"{name}-{task}" for name in names for task in tasks}
    for name in names:
        miniature, rte = planned[f"{name}-miniature"], planned[f"{name}-rte"]
        assert (miniature.data_dir, miniature.max_grad_norm) == (None, None)
        assert (rte.data_dir, rte.max_grad_norm) == ("GLUE", 1.0)
        if name != "mixout":  # in place of dropout
            assert (miniature.dropout, rte.dropout) == (0.1, None)


def test_pictures_of_a_folder_without_a_finding_are_somebody_elses(tmp_path):
    picture = tmp_path / "mine.png"
    picture.touch()
    clear(tmp_path, ".png")
    assert picture.exists()
    (tmp_path / "finding.json").write_text("{}")
    clear(tmp_path, ".png")
    assert not picture.exists()
