"""Scores of other trainers that are refused, each in one sentence that names file and line."""

import math
import re

import pytest
from score_tables import FLOOR, table, written

import jaxtune
from jaxtune.core.errors import UserError
from jaxtune.report.__main__ import main
from jaxtune.report.scores.check_given import check_given
from jaxtune.report.scores.runs import Given

GOOD = "arm,seed,score\nA,1,0.7\nA,2,0.8\nB,1,0.7\nB,2,0.9\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("arm,score\nA,0.7\n", "line 2 has no column 'seed' but 'arm', 'score': give the columns"),
        ("seed,score\n1,0.7\n", "line 2 has no column 'arm' but"),
        ("arm,seed\nA,1\n", "line 2 has no column 'score' but 'arm', 'seed'"),
        (GOOD.replace("0.9", "good"), "line 5 has 'good' as score: give a number such as 0.712"),
        (GOOD.replace("0.9", "90%"), "line 5 has '90%' as score"),
        (GOOD.replace("0.9", "nan"), "line 5 has no finite score; such a run has failed"),
        (GOOD.replace("0.9", "inf"), "line 5 has no finite score"),
        (GOOD.replace("0.9", ""), "line 5 has no finite score"),
        (GOOD.replace("B,2", "B,1"), "line 5 has the seed 1 of [B], as"),
        (GOOD.replace("B,2,0.9\n", ""), "line 4 is the only run of [B]"),
        (GOOD.replace("A,2,0.8", "A,2"), "line 3 has 2 cells instead of 3"),
        (GOOD.replace("A,2", ",2"), "line 3 has no arm"),
        (GOOD.replace("A,2", "A,"), "line 3 has no seed"),
        (GOOD.replace("arm,seed", "arm,arm"), "line 1 has several columns 'arm'"),
        (GOOD.replace("B,2,0.9", 'B,2,"0.9'), "is no CSV"),
        ("arm,seed,score\n", "holds no run"),
        ("", "holds no run"),
        (
            "arm,seed,score,floor\nA,1,0.7,0.5\nA,2,0.8,0.6\n",
            "line 3 has the floor 0.6 and",
        ),
        (
            "arm,seed,score,metric\nA,1,0.7,accuracy\nA,2,0.8,f1\n",
            "line 3 was scored by f1 and",
        ),
        ("arm,seed,score,metric\nA,1,70,accuracy\nA,2,80,accuracy\n", "has the accuracy 70, which"),
        ("arm,seed,score,failed\nA,1,0.7,maybe\nA,2,0.8,no\n", "line 2 has 'maybe' as failed"),
    ],
)
def test_mistakes_are_one_sentence_with_file_and_line(text, sentence, tmp_path, capsys):
    file = tmp_path / "scores.csv"
    file.write_text(text)
    assert main([str(file)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {file}")
    assert sentence in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == [file]


def test_other_mistakes(tmp_path, capsys):
    file = tmp_path / "scores.csv"
    file.write_text(GOOD.replace("0.", "1").replace("floor", ""))
    cases = {
        (str(tmp_path / "none.csv"),): "cannot read",
        (str(file), "--floor", "0.5"): "give both in one unit",
        (str(tmp_path / "scores.xlsx"),): "is no folder of a sweep and no table",
        (str(tmp_path),): "holds neither a sweep's trials",
    }
    for words, sentence in cases.items():
        assert main(list(words)) == 1
        assert sentence in capsys.readouterr().err
    (tmp_path / "scores.jsonl").write_text('{"arm": "A", "seed": 1, "score": 0.5}\n{"arm"\n')
    assert main([str(tmp_path / "scores.jsonl")]) == 1
    assert "line 2 is no JSON" in capsys.readouterr().err
    for words, sentence in {
        ("--scores", "A"): "give NAME=SCORE,SCORE",
        ("--scores", "A=1,2", "A=2,3"): "gives 'A' twice",
        ("--scores", "A=1,2", str(file)): "give NAME=SCORE,SCORE",
        (str(file), "--scores", "A=1,2"): "are both given",
        (): "OUT is not given",
    }.items():
        assert main(list(words)) == 2
        assert sentence in capsys.readouterr().err
    assert main(["--scores", "A=0.7,x", "--scores", "B=0.7,0.8"]) == 1
    assert "score 2 of [A] is 'x'" in capsys.readouterr().err
    for wrong in ([0.7], {}, {"A": 0.7}, {"A": "0.7"}, {"A": [0.7]}, {"A": ["x", 1]}):
        with pytest.raises(jaxtune.UserError):
            jaxtune.compare(wrong)


GIVEN = [
    ({"floor": math.nan}, "floor is nan; give the score of the best constant prediction"),
    ({"floor": math.inf}, "floor is inf; give"),
    ({"floor": "0.5"}, "floor is '0.5'; give"),
    ({"margin": math.nan}, "margin is nan; give a number above 0"),
    ({"margin": -1}, "margin is -1; give a number above 0"),
    ({"margin": "0.01"}, "margin is '0.01'; give a number above 0"),
    ({"metric": 3}, "metric is 3; give its name"),
    ({"dev_examples": 0}, "dev_examples is 0; give how many"),
    ({"dev_examples": 2.5}, "dev_examples is 2.5; give how many"),
]


@pytest.mark.parametrize(("given", "sentence"), GIVEN)
def test_what_is_said_of_all_runs_is_checked(given, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        check_given(Given(**{k: v for k, v in given.items() if k != "margin"}), given.get("margin"))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"margin": math.nan}, "margin is nan; give a number above 0"),
        ({"floor": 52.7}, "The floor is 52.7 and a score is 0.71: give both in one unit"),
    ],
)
def test_it_is_checked_from_python(given, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        jaxtune.compare({"A": [0.7, 0.71], "B": [0.72, 0.73]}, **given)


def test_a_share_is_not_below_0():
    with pytest.raises(UserError, match=re.escape("has the accuracy -0.5, and none is below 0")):
        jaxtune.compare({"A": [-0.5, 0.71], "B": [0.72, 0.73]}, metric="accuracy")
    assert jaxtune.compare({"A": [-0.5, 0.71], "B": [0.72, 0.73]}, metric="matthews")


@pytest.mark.parametrize("flag", [("--floor", "nan"), ("--floor", "inf"), ("--dev_examples", "-5")])
def test_it_is_checked_on_the_command_line_too(flag, capsys):
    assert main(["--scores", "A=0.7,0.71", "--scores", "B=0.72,0.73", *flag]) == 1
    assert f"{flag[0].removeprefix('--')} is {flag[1]}; give" in capsys.readouterr().err


def test_an_arm_without_scores_is_not_left_out_in_silence():
    with pytest.raises(UserError, match=re.escape("[A] has no scores; give two or more")):
        jaxtune.compare({"A": [], "B": [0.72, 0.73]})


@pytest.mark.parametrize("name", ["task", "group"])
def test_a_run_without_a_task_among_runs_that_have_one(name, tmp_path, capsys):
    """It would be a task of its own, called None."""
    frame = table(**{name: "rte"})
    frame.loc[3, name] = None
    file = written(frame, tmp_path / "scores.csv")
    assert main([str(file), "--floor", str(FLOOR)]) == 1
    error = capsys.readouterr().err
    assert (
        f"{file}, line 5 has no {name}, and {file}, line 2 has 'rte'; give it to every run" in error
    )


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ('"seed": [1], "score": 0.7', "has [1] as seed: give one value"),
        ('"seed": {"a": 1}, "score": 0.7', "has {'a': 1} as seed: give one value"),
        ('"seed": 1, "score": "1_0"', "has '1_0' as score: give a number such as 0.712"),
    ],
)
def test_a_cell_that_only_python_could_read(cell, sentence, tmp_path, capsys):
    file = tmp_path / "scores.jsonl"
    file.write_text(f'{{"arm": "A", {cell}}}\n{{"arm": "A", "seed": 2, "score": 0.7}}\n')
    assert main([str(file)]) == 1
    assert f"{file}, line 1 {sentence}" in capsys.readouterr().err


def test_a_report_is_not_written_over_what_it_reads(tmp_path, capsys):
    """Nor over files of such names that no report has left; over an older report it is."""
    file = written(table(), tmp_path / "trials.csv")
    before = file.read_bytes()
    assert main([str(file), "--to", str(tmp_path)]) == 1
    says = f"error: {file} is to be read, and a report has a file of that name; give another --to."
    assert says in capsys.readouterr().err
    other = written(table(), tmp_path / "scores.csv")
    assert main([str(other), "--to", str(tmp_path)]) == 1
    says = f"error: {tmp_path} holds trials.csv, and no report.html beside; give another --to."
    assert says in capsys.readouterr().err
    assert file.read_bytes() == before
    for _ in range(2):
        assert main([str(other), "--to", str(tmp_path / "to")]) == 0
