"""Flags of other trainers' runs are read by the kind of source that is given, or refused."""

import json

import pandas as pd
import pytest
from made_up import write_made_up_sweep

import jaxtune
from jaxtune.core.errors import UserError
from jaxtune.report.__main__ import main
from jaxtune.report.scores.read import places_source
from jaxtune.report.scores.runs import Given

B = [0.7, 0.71, 0.72, 0.73]
COLUMNS = (["--arm_column", "lr"], ["--seed_column", "fold"])
OF_SCORES = (
    ["--floor", "0.5"],
    ["--metric", "f1"],
    ["--lower_is_better"],
    ["--dev_examples", "10"],
)


def write_runs(top, samples=None):
    """Folders of the Trainer."""
    for arm in "AB":
        for seed, score in enumerate(B):
            folder = top / arm / str(seed)
            folder.mkdir(parents=True)
            results = {"eval_accuracy": score, **({"eval_samples": samples} if samples else {})}
            (folder / "all_results.json").write_text(json.dumps(results))
    return top


def write_table(file, **more):
    lines = [{"arm": a, "seed": i, "score": s} for a in "AB" for i, s in enumerate(B)]
    pd.DataFrame(lines).assign(**more).to_csv(file, index=False)
    return file


@pytest.mark.parametrize("flag", [*OF_SCORES, *COLUMNS])
def test_a_sweep_says_itself_what_its_scores_are(flag, tmp_path, capsys):
    out = write_made_up_sweep(tmp_path / "out", {"A": B, "B": B})
    assert main([str(out), *flag]) == 2
    said = f"error: {flag[0]} is given, and OUT says what a sweep's scores are: leave it out.\n"
    assert capsys.readouterr().err == said
    assert not (out / "report.html").exists()


@pytest.mark.usefixtures("undrawn")
def test_what_a_sweeps_report_reads_is_taken(tmp_path, capsys):
    """Flags of a table beside it, too."""
    out = write_made_up_sweep(tmp_path / "out", {"A": B, "B": B})
    flags = ["--margin", "0.02", "--across_models", "--lower_is_better", "false"]
    assert main([str(out), *flags, "--to", str(tmp_path / "to")]) == 0
    file = write_table(tmp_path / "theirs.csv", task="rte")
    pd.read_csv(file).replace({"A": "C", "B": "D"}).to_csv(file, index=False)
    words = [str(out), str(file), "--metric", "accuracy", "--floor", "0.6"]
    assert main([*words, "--dev_examples", "50", "--to", str(tmp_path / "both")]) == 0
    assert "error" not in capsys.readouterr().err


@pytest.mark.parametrize("flag", COLUMNS)
def test_folders_and_words_have_no_columns(flag, tmp_path, capsys):
    assert main([str(write_runs(tmp_path)), *flag]) == 2
    assert f"{flag[0]} is given, and the folders' names are arm" in capsys.readouterr().err
    words = ["--scores", "A=0.7,0.71", "--scores", "B=0.7,0.72"]
    assert main([*words, *flag]) == 2
    assert f"{flag[0]} is given, and --scores has no columns" in capsys.readouterr().err
    assert main([*words, "--across_models"]) == 2
    assert "--across_models is given, and --scores names no models" in capsys.readouterr().err


def test_two_numbers_of_dev_examples_are_refused(tmp_path):
    """Those of the files counted, whatever was given."""
    runs = write_runs(tmp_path / "runs", samples=277)
    with pytest.raises(UserError, match="0 was scored on 277 examples, and --dev_examples is 10"):
        places_source([runs], Given(dev_examples=10))
    assert places_source([runs], Given(dev_examples=277)).rows[0]["dev_examples"] == 277
    table = write_table(tmp_path / "scores.csv", dev_examples=277)
    with pytest.raises(UserError, match="line 2 was scored on 277 examples, and --dev_examples"):
        places_source([table], Given(dev_examples=10))


def test_dev_examples_that_tell_nothing_are_said():
    scores = {"A": [0.7, 0.71], "B": [0.72, 0.73]}
    said = "From the number of dev examples nothing follows for the score: give --metric accuracy"
    assert said in str(jaxtune.compare(scores, dev_examples=277))
    assert "nothing follows" not in str(jaxtune.compare(scores, dev_examples=277, metric="acc"))
