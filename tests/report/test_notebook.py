"""A notebook runs sweeps wherever it is: in a thread, in a running loop, after JAX has run, and one
after another; it can stop them, and sees a bar. The one in docs/ runs.
"""

import ast
import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest
from jax._src import monitoring
from rich.console import Console
from same_results import assert_same_tables

import jaxtune
from jaxtune.core import console
from jaxtune.core.signals import SIGNALS, Interruption


def test_importing_is_light():
    code = "import sys, jaxtune; print({'jax', 'numpy', 'pandas', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert set(jaxtune.__all__) <= set(dir(jaxtune)) | {"Results"}
    assert jaxtune.Results.__name__ == "Results"


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
    assert_same_tables(found.trials, whole.trials)
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
