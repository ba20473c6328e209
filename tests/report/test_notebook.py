"""The API of a notebook: the command's results, sentences and figures, wherever it is called."""

import ast
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from jax._src import monitoring
from matplotlib.figure import Figure
from rich.console import Console
from tiny import write_tiny_model

import jaxtune
from jaxtune.config.parse import parse
from jaxtune.core import console
from jaxtune.core.errors import UserError
from jaxtune.core.signals import SIGNALS, Interruption
from jaxtune.storage.trial_rows import read_rows, respelled, rewrite_rows
from jaxtune.sweep.__main__ import main
from jaxtune.training.check_settings import with_length_in_use

FALSE, TRUE = "bias_correction=false", "bias_correction=true"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Settings of a sweep of seconds: one row shape, so one small program."""
    tiny = write_tiny_model(tmp_path_factory.mktemp("tiny"))
    return {
        **{"model": str(tiny), "task": "miniature", "num_seeds": 1, "max_steps": 5},
        **{"train_examples": 64, "log_every": 2, "eval_every": 3, "packing": False},
    }


@pytest.fixture(scope="module")
def results(small, tmp_path_factory):
    """Two arms of eight seeds, run in the main thread."""
    out = tmp_path_factory.mktemp("swept") / "out"
    grid = {"bias_correction": [False, True]}
    return jaxtune.run_sweep(**small | {"num_seeds": 8}, grid=grid, out=out)


def same_trials(one, other):
    apart = ["seconds", "group_size"]
    one, other = (trials.drop(columns=apart) for trials in (one, other))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


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


def test_importing_is_light():
    code = "import sys, jaxtune; print({'jax', 'numpy', 'pandas', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert set(jaxtune.__all__) <= set(dir(jaxtune)) | {"Results"}
    assert jaxtune.Results.__name__ == "Results"


def test_a_call_runs_what_the_command_runs(small, results, tmp_path):
    flags = [f"--{name}={value}" for name, value in (small | {"num_seeds": 2}).items()]
    out = tmp_path / "out"
    assert main([*flags, "--grid.bias_correction", "false", "true", "--out", str(out)]) == 0
    command = jaxtune.load_results(out)
    same_trials(results.trials[:4], command.trials)
    assert (
        results.history[results.history.trial < 4].value.tolist() == command.history.value.tolist()
    )
    assert results.config == command.config | {"num_seeds": 8}
    recorded = json.loads((results.outs[0] / "manifest.json").read_text())["command"]
    assert recorded[:3] == ["python", "-m", "jaxtune.sweep"]
    typed = with_length_in_use(parse(recorded[3:]))
    assert yaml.safe_load(typed.as_yaml()) == results.config


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


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"learning_rat": 1e-5}, "learning_rat .*did you mean learning_rate?"),
        ({"grid": {"learning_rat": [1e-5]}}, "did you mean learning_rate?"),
        ({"num_seeds": "many"}, "num_seeds"),
        ({"num_seeds": 0}, "num_seeds is 0; give a number of at least 1"),
        ({"task": "rte", "data_dir": "/none"}, "/none"),
    ],
)
def test_a_wrong_setting_is_an_exception_with_the_commands_sentence(
    small, tmp_path, settings, sentence
):
    with pytest.raises(jaxtune.UserError, match=sentence):
        jaxtune.run_sweep(**small | settings, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "swept"), [({"model": "miniature"}, []), ({}, ["bias_correction"])]
)
def test_the_miniature_needs_no_task_and_the_quickstart_no_setting(monkeypatch, settings, swept):
    seen = []

    def run(parsed, argv):
        seen.append(parsed)
        raise jaxtune.UserError("seen")

    monkeypatch.setattr("jaxtune.sweep.run.run_sweep", run)
    with pytest.raises(jaxtune.UserError, match="seen"):
        jaxtune.run_sweep(**settings)
    (parsed,) = seen
    assert (parsed.base.model, parsed.base.task) == ("miniature", "miniature")
    assert list(parsed.grid) == swept


@pytest.mark.slow
def test_a_dry_run_prints_the_plan_and_leaves_nothing(small, tmp_path, capsys):
    out = tmp_path / "out"
    assert jaxtune.run_sweep(**small | {"num_seeds": 3}, out=out, dry_run=True) is None
    assert "3 trials, 15 trial-steps" in capsys.readouterr().out
    assert not out.exists()


def in_a_thread(call):
    """What `call` returns in a thread that is not the main one."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    thread.join()
    return answers[0]


async def in_a_loop(call):
    return call()


@pytest.mark.parametrize("run", [in_a_thread, lambda call: asyncio.run(in_a_loop(call))])
def test_a_sweep_runs_in_a_thread_and_in_a_running_loop(small, results, tmp_path, run):
    found = run(
        lambda: jaxtune.run_sweep(
            **small, out=tmp_path / "out", bias_correction=False, save_params="all"
        )
    )
    first = results.trials[results.trials.trial == 0]
    assert found.trials.final.tolist() == first.final.tolist()
    assert found.trials.train_loss.tolist() == first.train_loss.tolist()
    assert (tmp_path / "out" / "params" / "00000" / "final").is_dir()


def test_sweeps_one_after_another_leave_nothing_behind(small, results, tmp_path):
    listeners = len(monitoring._event_duration_secs_listeners)
    handlers = [signal.getsignal(number) for number in SIGNALS]
    for _ in range(2):  # the second time nothing is left to run
        found = jaxtune.run_sweep(**small, bias_correction=False, out=tmp_path / "out")
        assert found.trials.final[0] == results.trials.final[0]
    assert len(monitoring._event_duration_secs_listeners) == listeners
    assert [signal.getsignal(number) for number in SIGNALS] == handlers


@pytest.mark.storm
def test_after_jax_has_run_the_devices_that_are_there_do(small, results, tmp_path):
    """In a process of its own, whose JAX has one device."""
    code = (
        "import jax, jaxtune, json, sys\n"
        "assert len(jax.devices()) == 1 and jax.numpy.ones(3).sum() == 3\n"
        "from jaxtune.core import devices\n"
        "devices.num_cores = lambda: 7\n"
        "jaxtune.run_sweep(**json.loads(sys.argv[1]))\n"
        "assert jax.config.jax_compilation_cache_dir is None\n"
    )
    settings = small | {"bias_correction": False, "out": str(tmp_path / "out")}
    names = ("JAX_", "XLA_FLAGS")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(settings)],
        env=clean | {"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "with 1 CPU device on 7 cores" in done.stdout
    assert any((tmp_path / "jaxtune").iterdir()), "programs are kept although JAX has compiled"
    found = jaxtune.load_results(tmp_path / "out")
    np.testing.assert_array_equal(found.predictions[0], results.predictions[0])


@pytest.fixture
def heeds_sigint():
    """As a prompt has it; tests that run in the background were started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.storm
@pytest.mark.usefixtures("heeds_sigint")
def test_an_interrupted_call_goes_on_when_it_is_given_again(small, tmp_path):
    """As the stop button of a notebook does: SIGINT, while the main thread runs a sweep."""
    settings = small | {"max_steps": 400, "checkpoint_every": 10, "out": tmp_path / "out"}

    def stop():
        while not list((tmp_path / "out" / "checkpoints").rglob("[0-9]*.json")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    button = threading.Thread(target=stop)
    button.start()
    with pytest.raises(KeyboardInterrupt, match="stopped by SIGINT: the same call") as stopped:
        jaxtune.run_sweep(**settings)
    button.join()
    assert isinstance(stopped.value, jaxtune.InterruptedRunError)
    assert list((tmp_path / "out" / "checkpoints").rglob("[0-9]*.json"))
    found = jaxtune.run_sweep(**settings)
    whole = jaxtune.run_sweep(**settings | {"out": tmp_path / "whole"})
    same_trials(found.trials, whole.trials)
    assert found.history.equals(whole.history)


@pytest.mark.usefixtures("heeds_sigint")
def test_the_second_stop_of_a_prompt_ends_no_process(monkeypatch):
    """The user's notebook goes on: KeyboardInterrupt is raised where the first was not heeded."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with Interruption() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_notebook_gets_a_bar(monkeypatch, capsys):
    """IPython's own display, as far as a bar uses it."""
    shown = []

    class Handle:
        update = staticmethod(shown.append)

    def display(picture, display_id):
        shown.append(picture)
        return Handle()

    ipython = types.SimpleNamespace(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython)
    monkeypatch.setattr(console, "console", Console(force_jupyter=True))
    with console.ProgressLine("trial-steps", 4) as line:
        line.update(1, "hidden: it comes too soon")
        line.update(4, "2/2 seeds <b>")
    console.say("done")
    bar = '<progress value="4" max="4"></progress>'
    assert shown == [f"{bar} trial-steps 4/4  0:00  2/2 seeds &lt;b&gt;"]
    assert capsys.readouterr().out == "done\n"


def test_figures(results, tmp_path):
    for plot in (results.plot_scores, results.plot_expected_best, results.plot_gradient_norms):
        figure = plot()
        assert isinstance(figure, Figure)
        figure.savefig(tmp_path / "figure.png")
        assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"


def test_the_notebook_of_the_docs_runs(small, tmp_path, monkeypatch, capsys):
    """Its cells, with a sweep of seconds; what a cell ends with is shown."""
    run = jaxtune.run_sweep

    def quick(**settings):
        return run(**small | {"num_seeds": 8}, **{name: settings[name] for name in ("grid", "out")})

    def run_cells(cells, names):
        for cell in cells:
            *statements, last = ast.parse(cell).body
            exec(compile(ast.Module(statements, []), "cell", "exec"), names)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
                assert any(hasattr(value, f"_repr_{kind}_") for kind in ("html", "png")), cell
                assert repr(value)
            else:
                exec(compile(ast.Module([last], []), "cell", "exec"), names)

    monkeypatch.chdir(tmp_path)
    first, *others, mistake = notebook_cells()
    with monkeypatch.context() as patched:
        patched.setattr(jaxtune, "run_sweep", quick)
        run_cells([first, *others], names := {})
    run_cells([mistake], names)
    assert "did you mean learning_rate?" in capsys.readouterr().out


def notebook_cells() -> list[str]:
    path = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
