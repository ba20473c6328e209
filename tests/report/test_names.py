"""Names of arms, tasks and columns that could be read for two things, or for one."""

import re

import pandas as pd
import pytest
from made_up import write_made_up_sweep

import jaxtune
from jaxtune.core.errors import UserError
from jaxtune.report.__main__ import main
from jaxtune.report.scores.read import places_source
from jaxtune.report.scores.runs import Given

SCORES = (0.7, 0.71, 0.72, 0.73)


def lines_of(arms, **more):
    return [
        {"arm": arm, "seed": seed, "score": score, **more}
        for arm in arms
        for seed, score in enumerate(SCORES)
    ]


def read(folder, lines):
    pd.DataFrame(lines).to_csv(folder / "scores.csv", index=False)
    return places_source([folder / "scores.csv"], Given(floor=None))


@pytest.mark.parametrize("kind", ["task", "group"])
def test_one_task_in_two_spellings_is_not_two_tasks(kind, tmp_path):
    """Every arm had twice the evidence, and a verdict over two tasks."""
    lines = lines_of("AB", **{kind: "rte"}) + lines_of("AB", **{kind: "RTE"})
    sentence = (
        rf"line 10 has the {kind} 'RTE', and .*line 2 has 'rte': give one {kind} one spelling"
    )
    with pytest.raises(UserError, match=sentence):
        read(tmp_path, lines)


@pytest.mark.parametrize(
    ("one", "other"),
    [("A", "a"), ("1e-5", "0.00001"), ("lr=2E-5 wd=0", "lr=0.00002 wd=0.0"), ("Größe", "GRÖSSE")],
)
def test_one_arm_in_two_spellings_is_not_two_arms(one, other, tmp_path):
    with pytest.raises(UserError, match=re.escape(f"has the arm {other!r}, and ")):
        read(tmp_path, lines_of([one, other]))
    with pytest.raises(UserError, match=re.escape(f"score 1 of [{other}] has the arm {other!r}")):
        jaxtune.compare({one: list(SCORES), other: list(SCORES)})


def test_names_that_differ_are_kept(tmp_path):
    names = ["A", "A2", "lr=1e-5", "lr=2e-5", "v1.1", "v1.10", "nan-free", "1", "10"]
    assert {row["arm"] for row in read(tmp_path, lines_of(names)).rows} == {*names}


def test_a_table_beside_a_sweep_needs_the_sweeps_task(tmp_path, capsys):
    """There was no word of it, but that no two recipes were run on two tasks."""
    out = write_made_up_sweep(tmp_path / "out", {"ours": SCORES})
    file = tmp_path / "theirs.csv"
    words = [str(out), str(file), "--metric", "accuracy", "--floor", "0.6"]
    for more, sentence in (
        ({}, "theirs.csv names no task, and out is of the task rte: give a table with a column"),
        ({"task": "RTE"}, "theirs.csv has the task 'RTE', and out has 'rte': give one task one"),
        ({"task": "rte", "arm": "Ours"}, "theirs.csv has the arm 'Ours', and out has 'ours'"),
    ):
        pd.DataFrame(lines_of("A")).assign(**more).to_csv(file, index=False)
        assert main(words) == 1
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{}", "[{}]"])
def test_a_name_that_stands_twice_in_an_object_is_refused(text, tmp_path):
    """Of two scores the last one counted, in silence."""
    file = tmp_path / "scores.jsonl"
    file.write_text(text.replace("{}", '{"arm": "A", "seed": 1, "score": 0.1, "score": 0.7}'))
    with pytest.raises(
        UserError, match=r"is no JSON \('score' stands there 2 times\): write .* once"
    ):
        places_source([file], Given())
