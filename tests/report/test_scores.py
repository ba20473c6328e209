"""Runs of other trainers: tables, words and dicts of scores get the verdict of a sweep."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from made_up import made_up_arm, write_made_up_sweep
from pages import Page
from score_tables import FLOOR, A, B, table, written

import jaxtune
from jaxtune.report.__main__ import main
from jaxtune.report.statements import Comparison
from jaxtune.stats.verdict import judge


def verdict_lines(text):
    """The sentences and notes, without what was read and where it was written."""
    return [line.removeprefix("- ") for line in text.splitlines() if line.startswith(("- ", "["))]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_a_table_gets_the_verdict_of_a_sweep(suffix, tmp_path, capsys):
    """The same sentences, numbers and files as of the same scores in trials.jsonl."""
    file = written(table(), tmp_path / f"scores{suffix}")
    assert main([str(file), "--floor", str(FLOOR), "--metric", "accuracy"]) == 0
    said = capsys.readouterr().out
    expected = judge([made_up_arm(s, n, trivial=FLOOR) for n, s in (("A", A), ("B", B))])
    assert expected.leaders == ("B",)
    assert expected.more_stable in said
    assert expected.how_sure in said
    assert f"Read 24 runs in 2 arms from {file.name}: accuracy" in said
    folder = tmp_path / "scores_report"
    arms = pd.read_csv(folder / "arms.csv").set_index("arm")
    assert arms.failed.to_dict() == {"A": 5, "B": 0}
    assert arms["mean"].to_dict() == pytest.approx({"A": np.mean(A), "B": np.mean(B)})
    trials = pd.read_csv(folder / "trials.csv")
    assert trials.final.tolist() == [*A, *B]
    page = (folder / "report.html").read_text()
    assert Page(page).open == []
    assert "The best constant prediction scores 0.527." in page
    for absent in ("Throughput", "Training", "Gradient norms", "of how many is not known", "None"):
        assert absent not in page
    assert f"| {file} | sha256 " in (folder / "report.md").read_text()


def test_words_and_python_say_the_same(capsys):
    """`--scores`, `jaxtune.compare` with lists, and with dicts by seed."""
    words = [f"{name}={','.join(map(str, scores))}" for name, scores in (("A", A), ("B", B))]
    assert main(["--scores", words[0], "--scores", words[1], "--floor", str(FLOOR)]) == 0
    said = capsys.readouterr().out
    found = jaxtune.compare({"A": A, "B": np.array(B)}, floor=FLOOR)
    assert all(sentence in said for sentence in found.numbers.sentences)
    assert type(found).__name__ == "Verdict"
    assert "<b>[B] is more stable than [A]" in found._repr_html_()
    (pair,) = found.numbers.comparisons
    assert not pair.paired  # nobody has said which scores share a seed
    assert "seeds in common" not in str(found)
    by_seed = {name: dict(enumerate(scores)) for name, scores in (("A", A), ("B", B))}
    (pair,) = jaxtune.compare(by_seed, floor=FLOOR).numbers.comparisons
    assert pair.paired


def test_without_a_floor_spread_and_means_alone_are_compared(tmp_path, capsys):
    """Nothing is said of failures, which nobody knows; the level is that of the tests there are."""
    file = written(table(), tmp_path / "scores.csv")
    assert main([str(file)]) == 0
    said = capsys.readouterr().out
    assert "No floor is given, so it is not known which trials failed" in said
    assert "0 of 12" not in said
    found = jaxtune.compare({"A": A, "B": B}).numbers
    (pair,) = found.comparisons
    assert pair.tests.failures.p is pair.effects.failures.value is None
    assert found.num_tests == 1
    assert pair.spread.p == pair.tests.spread.p
    assert found.more_stable.endswith("while without a floor it is not known which trials failed.")
    page = (tmp_path / "scores_report" / "report.html").read_text()
    for absent in ("0 of 12", "best constant prediction scores", "successful", "nan<", "None"):
        assert absent not in page
    assert Page(page).open == []
    assert "failed" not in pd.read_csv(tmp_path / "scores_report" / "arms.csv").columns
    undecided = jaxtune.compare({"a": [0.7, 0.71, 0.72], "b": [0.7, 0.71, 0.73], "c": [0.7, 0.7]})
    assert "failed)" not in str(undecided)
    assert "nan" not in str(undecided)


def test_marks_stand_in_for_a_floor_and_beside_it(tmp_path, capsys):
    """A column failed says what the floor would, and more than it knows."""
    marked = table(failed=[score == FLOOR for score in [*A, *B]])
    assert main([str(written(marked, tmp_path / "scores.csv"))]) == 0
    assert "0 of 12 trials failed against 5 of 12" in capsys.readouterr().out
    marked.loc[23, "failed"] = True
    marked = marked.assign(floor=FLOOR)
    assert main([str(written(marked, tmp_path / "scores.csv"))]) == 0
    assert "The column failed marks 6 of them." in capsys.readouterr().out
    arms = pd.read_csv(tmp_path / "scores_report" / "arms.csv").set_index("arm")
    assert arms.failed.to_dict() == {"A": 5, "B": 1}


def test_several_files_are_one_table(tmp_path, capsys):
    frame = table()
    files = [
        written(frame[frame.seed < 6], tmp_path / "first.csv"),
        written(frame[frame.seed >= 6], tmp_path / "second.jsonl"),
    ]
    assert main([*map(str, files), "--floor", "0.527", "--to", str(tmp_path / "to")]) == 0
    assert "Read 24 runs in 2 arms from first.csv, second.jsonl" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "to" / "trials.csv")) == 24
    assert main([str(files[0]), str(files[0])]) == 1
    assert "a run that is copied is no second one" in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn")
def test_columns_that_an_arm_agrees_in_are_its_settings(tmp_path, capsys):
    """A grid of another trainer has main effects; what varies within an arm is left aside."""
    rows = [
        {"arm": f"{rate} {correct}", "seed": seed, "score": 0.5 if fails else 0.8 + seed / 100}
        | {"learning_rate": rate, "correction": correct, "runtime": seed / 7}
        for rate, correct, most in ((1, False, 9), (1, True, 1), (2, False, 9), (2, True, 0))
        for seed in range(12)
        for fails in [seed < most]
    ]
    file = written(pd.DataFrame(rows), tmp_path / "grid.csv")
    assert main([str(file), "--floor", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "Taken for settings of the arms: learning_rate, correction." in said
    assert "Left aside, for they vary within an arm: runtime." in said
    assert "correction=true fails less often than correction=false: 1 of 24 trials" in said
    assert "<h3>Main effects</h3>" in (tmp_path / "grid_report" / "report.html").read_text()
    report = (tmp_path / "grid_report" / "report.md").read_text()
    (row,) = [
        line for line in report.splitlines() if line.startswith("| correction (false against")
    ]
    # What was tested, in stds of a cell's trials, and not a difference of raw scores.
    assert float(row.split("|")[6]) == pytest.approx(-1.46, abs=0.3)
    cells = report.split("### Cells of the grid")[1].split("\n\n")[1].splitlines()
    assert cells[0] == "| correction | learning_rate=1 | learning_rate=2 |"
    assert cells[2].startswith("| false | 0.")
    assert cells[3].endswith("(0 of 12 failed) |")
    columns = ["--arm_column", "learning_rate", "correction"]
    assert main([str(file), "--floor", "0.5", *columns]) == 0
    said = capsys.readouterr().out
    assert "learning_rate=1 correction=True" in said.replace("\n", " ")
    assert "correction=true fails less often than correction=false" in said


def test_crossed_seeds_have_no_verdict_and_a_split(tmp_path, capsys):
    rows = [
        {"arm": "A", "init_seed": i, "order_seed": j, "score": 0.7 + i / 50 + j / 200}
        for i in range(3)
        for j in range(4)
    ]
    file = written(pd.DataFrame(rows), tmp_path / "crossed.csv")
    assert main([str(file), "--floor", "0.5"]) == 0
    assert "There is no verdict about stability: the trials of [A] share" in capsys.readouterr().out
    assert "Where the variance comes from" in (tmp_path / "crossed_report/report.md").read_text()


@pytest.mark.usefixtures("undrawn")
def test_runs_beside_a_sweep(tmp_path, capsys):
    out = write_made_up_sweep(tmp_path / "out", {"ours": B}, trivial=FLOOR)
    theirs = table(task="rte", metric="accuracy", floor=FLOOR).query("arm == 'A'")
    file = written(theirs, tmp_path / "theirs.csv")
    assert main([str(out), str(file)]) == 0
    assert "[ours] is more stable than [A]" in capsys.readouterr().out
    file = written(theirs.assign(arm="ours"), tmp_path / "theirs.csv")
    assert main([str(out), str(file)]) == 1
    assert "is an arm of a sweep and of theirs.csv" in capsys.readouterr().err


def test_scores_that_are_errors():
    errors = {"low": [0.11, 0.12, 0.1, 0.11], "high": [0.9, 2.0, 2.1, 0.8]}
    found = jaxtune.compare(errors, metric="mse", floor=2.0)
    assert found.numbers.comparisons[0].effects.failures.value == pytest.approx(-0.5)
    found = jaxtune.compare(errors, lower_is_better=True, floor=2.0)
    assert "lower is better" in str(found)


def test_a_run_without_a_score_has_failed():
    found = jaxtune.compare({"A": [None, float("nan"), 0.7, 0.7], "B": B}, floor=FLOOR).numbers
    assert "2 of 4 in [A]) count as failed and enter the mean with the score of the best" in (
        found.text
    )


@pytest.mark.parametrize(("odd", "is_said"), [(0.73, True), (0.3, False), (72.0, False)])
def test_a_share_among_percents_is_said(odd, is_said, tmp_path, capsys):
    """A failed run may score 0.3 percent of Matthews: a doubt, and no error."""
    file = tmp_path / "scores.csv"
    scores = (71.0, 74.0, 70.0, odd)
    lines = [f"{'AB'[i // 2]},{i},{score}" for i, score in enumerate(scores)]
    file.write_text("\n".join(["arm,seed,score", *lines]))
    assert main([str(file)]) == 0
    assert ("A score of 0.73 stands among scores of 70 to 74" in capsys.readouterr().out) == is_said


@pytest.mark.slow
def test_scores_need_no_jax_and_words_of_them_no_matplotlib(tmp_path):
    """What makes it start in a second or two."""
    file = written(table(), tmp_path / "scores.csv")
    code = (
        "import sys, jaxtune\n"
        "from jaxtune.report.__main__ import main\n"
        "assert main(['--scores', 'A=0.7,0.8', '--scores', 'B=0.7,0.9']) == 0\n"
        "jaxtune.compare({'A': [0.7, 0.8], 'B': [0.8, 0.9]})\n"
        "heavy = {'jax', 'matplotlib', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        f"assert main([{str(file)!r}]) == 0\n"
        "assert 'jax' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("undrawn")
def test_a_margin_may_show_that_arms_are_equal(tmp_path, capsys):
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.72, 0.01, (2, 16)).round(4).tolist()
    found = jaxtune.compare({"A": one, "B": other}, floor=FLOOR, margin=0.02)
    assert found.numbers.more_stable == (
        "Neither [A] nor [B] was shown to be more stable than the other, and their trials that did"
        " not fail score equal within 0.02 on average."
    )
    close = jaxtune.compare({"A": one, "B": other}, floor=FLOOR, margin=0.001).numbers
    assert "which does not make them equal" in close.more_stable
    assert "score equal within 0.001, failed trials left aside, was not shown (p =" in close.text
    words = [f"{name}={','.join(map(str, own))}" for name, own in (("A", one), ("B", other))]
    flags = ["--scores", *words, "--margin", "0.02", "--to", str(tmp_path)]
    assert main([*flags, "--floor", "0.527"]) == 0
    report = (tmp_path / "report.md").read_text()
    assert "| Equal within 0.02 |" in report
    assert "equal (p" in report
    assert main(flags) == 0
    # A rare failure among them parts the means.
    said = capsys.readouterr().out
    assert "which does not make them equal" in said
    assert "was not shown (without a floor it is not known which trials failed)" in said
    assert main([*flags[:-3], "0"]) == 2
    assert "give a number above 0" in capsys.readouterr().err


def test_dominance_and_the_chance_to_fail_less_are_one_line_each():
    found = str(jaxtune.compare({"A": [0.5] * 4 + [0.6] * 4, "B": B}, floor=FLOOR))
    assert (
        "Every trial of [B] scores better than every trial of [A], as those of two equal" in found
    )
    assert "The chance that [B] fails less often than [A] is 99.5%, if nothing was known" in found
    rng = np.random.default_rng(1)
    high, low = rng.normal(0.74, 0.02, 24), rng.normal(0.70, 0.02, 24)
    found = str(jaxtune.compare({"low": low, "high": high}))
    assert "[high] scores better than [low] at nearly every quantile (ASO's eps-min is" in found
    assert "fails less often" not in found


def test_failed_trials_that_tie_are_no_lead():
    """They give one constant answer: the lead of the others hangs on them alone."""
    some = [0.5] * 22 + [0.70, 0.71, 0.72, 0.70, 0.69, 0.71, 0.7, 0.72, 0.7, 0.71]
    found = str(jaxtune.compare({"some": some, "none": [0.5] * 32}, floor=0.5))
    assert "[some] is ahead of [none] where their scores lie apart (ASO's eps-min is 0" in found
    said = "but better at 31% of the quantiles only and worse at 0%: its lead hangs on those trials"
    assert said in found
    assert "does not hang on a few trials" not in found


def test_who_was_beaten_in_the_mean_is_not_the_one_to_use():
    """A's mean over all its seeds is the highest, and over those that B ran too B's is higher."""
    rng = np.random.default_rng(1)

    def scores(**means):
        return {
            seed: mean + 0.004 * rng.normal()
            for first, mean in means.items()
            for seed in range(int(first[1:]), int(first[1:]) + 8)
        }

    a, b = scores(s0=0.70, s8=0.76), scores(s0=0.72, s100=0.66)
    c = {s: 0.5 if s % 4 == 0 else 0.69 + 0.03 * rng.normal() for s in range(200, 216)}
    found = str(jaxtune.compare({"A": a, "B": b, "C": c}, floor=0.5000001))
    assert "If the score alone counts, use [A]" not in found
    (two,) = jaxtune.compare({"A": a, "B": b}, floor=0.5000001).numbers.comparisons
    arms = {name: made_up_arm([*own.values()], name) for name, own in (("A", a), ("B", b))}
    said = "The means are compared over the 8 seeds that both ran, where they are 0.70"
    assert said in repr(Comparison(two, 2, arms))


def test_the_column_that_metric_names_is_read_beside_a_score(tmp_path, capsys):
    """Under the metric's name stand that column's values, whatever else the table holds."""
    frame = table().assign(f1=lambda own: own.score - 0.2)
    assert main([str(written(frame, tmp_path / "two.csv")), "--metric", "f1"]) == 0
    assert ": f1" in capsys.readouterr().out
    trials = pd.read_csv(tmp_path / "two_report" / "trials.csv")
    assert trials.final.tolist() == pytest.approx([score - 0.2 for score in [*A, *B]])


@pytest.mark.parametrize("spelling", ["{}.0", "0{}", "{}.00"])
def test_a_seed_is_one_however_its_number_is_written(spelling, tmp_path, capsys):
    """pandas writes 1.0 where a cell of the column is missing."""
    frame = table()
    frame["seed"] = [
        str(seed) if arm == "A" else spelling.format(seed)
        for arm, seed in zip(frame.arm, frame.seed, strict=True)
    ]
    assert main([str(written(frame, tmp_path / "seeds.csv")), "--floor", str(FLOOR)]) == 0
    assert "seeds in common" not in capsys.readouterr().out
    twice = pd.DataFrame({"arm": "A", "seed": ["1", spelling.format(1)], "score": [0.7, 0.71]})
    assert main([str(written(twice, tmp_path / "twice.csv"))]) == 1
    assert "a run that is copied is no second one" in capsys.readouterr().err


def test_an_error_at_a_floor_below_0_has_failed():
    """As of a negative log-likelihood that is summed with a constant."""
    errors = {"A": [-1.0] * 8, "B": [-1.2 - 0.01 * i for i in range(8)]}
    found = jaxtune.compare(errors, floor=-1.0, lower_is_better=True)
    assert "[B] is more stable than [A]: 0 of 8 trials failed against 8 of 8" in str(found)
