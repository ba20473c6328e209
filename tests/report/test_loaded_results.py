"""What a call gives back: tables, verdicts, comparisons and figures of a sweep or several, read
when they are asked for, and sentences where there is none.
"""

import shutil
import subprocess
import sys

import pytest
from matplotlib.figure import Figure

import jaxtune
from jaxtune.core.errors import UserError
from jaxtune.storage.trial_rows import read_rows, respelled, rewrite_rows

FALSE, TRUE = "bias_correction=false", "bias_correction=true"


@pytest.mark.slow
def test_what_is_read_late_is_of_these_trials_or_an_error(small, tmp_path):
    """Rows of one sweep with another one's curves would be wrong in silence."""
    out = tmp_path / "out"
    before = jaxtune.run_sweep(**small, out=out)
    assert before.history.trial.nunique() == len(before.trials)
    jaxtune.run_sweep(**small | {"num_seeds": 2}, out=out)
    assert set(before.predictions) == {0}  # its trial is still there, beside a new one
    jaxtune.run_sweep(**small | {"learning_rate": 1e-3}, out=out, overwrite=True)
    for late in ("labels", "classes", "sentences", "summary"):
        with pytest.raises(UserError, match=r"was written anew .*; call load_results again"):
            getattr(before, late)
    moved = jaxtune.load_results(out)
    out.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is not there any more; call load_results with where"):
        moved.predictions  # noqa: B018
    assert len(jaxtune.load_results(tmp_path / "elsewhere").predictions) == 1


def test_tables(results):
    assert results.trials.arm.value_counts().to_dict() == {FALSE: 8, TRUE: 8}
    assert sorted(results.history.columns) == ["name", "step", "trial", "value"]
    assert results.predictions[3].shape == (300, 2)
    assert repr(results).endswith("16 trials in 2 arms")
    assert results.config["grid"] == {"bias_correction": [False, True]}
    assert results.arms.loc[TRUE].to_dict() == results.summary["arms"][TRUE]
    scores = results.trials[results.trials.arm == FALSE].final
    assert results.arms.loc[FALSE, "std"] == pytest.approx(scores.std())


def test_arms_of_several_tasks_are_kept_apart(results, tmp_path):
    """Their scores have no mean together."""
    other = tmp_path / "other"
    shutil.copytree(results.outs[0], other)
    rewrite_rows(other, [respelled(row, {"task": "rte"}) for row in read_rows(other)])
    arms = jaxtune.load_results(results.outs[0], other).arms
    assert arms.columns[0] == "folder"
    assert [*zip(arms.folder, arms.index, arms.n, strict=True)] == [
        (folder, arm, 8) for folder in ("out", "other") for arm in (FALSE, TRUE)
    ]


def test_the_verdict_prints_and_shows_itself(results):
    numbers = results.findings.verdict
    text = repr(results.verdict)
    for sentence in (numbers.more_stable, numbers.how_sure, numbers.next_step, *numbers.notes):
        assert sentence in text
    page = results.verdict._repr_html_()
    assert page.count("<li>") == len(numbers.notes)
    assert "<script" not in page


def test_a_sweep_cut_off_says_so_in_its_verdict(results, tmp_path):
    out = tmp_path / "out"
    for name in ("history", "predictions"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).symlink_to(results.outs[0] / name)
    lines = (results.outs[0] / "trials.jsonl").read_text().splitlines(keepends=True)
    (out / "trials.jsonl").write_text("".join(lines[:8]))
    (out / "config.yaml").write_text((results.outs[0] / "config.yaml").read_text())
    part = jaxtune.load_results(out)
    assert len(part.trials) == 8
    assert repr(part.verdict).startswith("out: 8 of 16 trials have finished")
    assert "8 of 16 trials" in part.verdict._repr_html_()
    assert part.summary == {}


def test_a_comparison_is_of_the_first_against_the_second(results):
    found, turned = results.compare(TRUE, FALSE), results.compare(FALSE, TRUE)
    scores = results.trials.groupby("arm").final.mean()
    difference = found.table.loc["difference or ratio"]
    assert difference["mean accuracy"] == pytest.approx(scores[TRUE] - scores[FALSE])
    assert turned.table.loc["difference or ratio", "mean accuracy"] == pytest.approx(
        -difference["mean accuracy"]
    )
    (pair,) = results.findings.verdict.comparisons
    for one in (found, turned):
        assert one.table.loc["p", "failure rate"] == pair.tests.failures.p
        assert one.table.loc["holm", "std"] == pair.spread.p
        assert one.table.loc["p"].dropna().le(one.table.loc["holm"].dropna()).all()
        assert one.sentence in repr(one)
        assert one.sentence in one._repr_html_()
    assert TRUE in found.sentence


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        ("bias_correction=tru", FALSE, "did you mean 'bias_correction=true'"),
        (TRUE, "bias", "There is no arm 'bias'"),
        (TRUE, TRUE, "is given twice"),
        (None, TRUE, "There is no arm None; did you mean"),
        (TRUE, False, "There is no arm False; did you mean 'bias_correction=false'"),
        (["x"], TRUE, "There is no arm"),
    ],
)
def test_a_wrong_arm_is_named_with_the_nearest(results, one, other, sentence):
    with pytest.raises(jaxtune.UserError, match=sentence):
        results.compare(one, other)


def test_several_sweeps_stand_side_by_side(small, results, tmp_path):
    other = jaxtune.run_sweep(**small, learning_rate=1e-3, out=tmp_path / "other")
    both = jaxtune.load_results(results.outs[0], other.outs[0])
    assert both.trials.folder.value_counts().to_dict() == {"out": 16, "other": 1}
    assert both.arms.index.tolist() == [FALSE, TRUE, "all"]
    assert set(both.history.folder) == set(both.predictions) == set(both.config) == {"out", "other"}
    assert both.compare("all", TRUE).num_tests == 6
    with pytest.raises(jaxtune.UserError, match="given twice"):
        jaxtune.load_results(results.outs[0], results.outs[0])
    with pytest.raises(jaxtune.UserError, match="No OUT"):
        jaxtune.load_results()


def test_what_is_no_path_is_said_in_a_sentence():
    """In a process of its own: tests check types beforehand."""
    code = (
        "import jaxtune\n"
        "for given in (['a'], 3, None):\n"
        "    try:\n"
        "        jaxtune.load_results(given)\n"
        "    except jaxtune.UserError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = "which is no path; give folders one by one: load_results('a', 'b')."
    assert done.stdout.splitlines() == [
        f"load_results was given {given}, {said}" for given in ("['a']", "3", "None")
    ]


def test_results_stay_where_they_are_when_the_notebook_goes_elsewhere(
    results, tmp_path, monkeypatch
):
    """Tables are read when they are asked for."""
    monkeypatch.chdir(results.outs[0].parent)
    found = jaxtune.load_results("out")
    monkeypatch.chdir(tmp_path)
    assert found.summary == results.summary
    assert found.history.equals(results.history)
    assert found.labels.tolist() == results.labels.tolist()
    assert repr(found) == "out: 16 trials in 2 arms"


def test_figures(results, tmp_path):
    for plot in (results.plot_scores, results.plot_expected_best, results.plot_gradient_norms):
        figure = plot()
        assert isinstance(figure, Figure)
        figure.savefig(tmp_path / "figure.png")
        assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
