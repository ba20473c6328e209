"""SIGTERM and SIGINT end a sweep in a checkpoint, a second one at once, and one that a library
swallowed is known; a process that was killed keeps nobody out.
"""

import os
import signal
import subprocess
import sys
import time

import pytest
from resumed_sweep import command
from same_results import assert_same

import jaxtune
from jaxtune.core.signals import InterruptedRunError, Interruption, sigint_remembered
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.sweep.__main__ import main

# Padded, so that one row count is compiled in processes of their own too.
LONG = ["--max_steps", "400", "--checkpoint_every", "10", "--packing", "false"]


def start(tiny, out, *flags):
    return subprocess.Popen(
        [sys.executable, "-m", "jaxtune.sweep", *command(tiny, out, *flags)],
        env=os.environ | {"JAX_NUM_CPU_DEVICES": "4", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process, seconds=600):
    """A guard against hanging alone: on a busy machine a compile takes minutes."""
    began = time.monotonic()
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - began < seconds
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("sent", "status"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
)
@pytest.mark.storm
def test_a_signal_leaves_a_checkpoint(tiny, tmp_path, sent, status):
    """In a real process: the exit status says which, a second sweep is kept out, and the same
    command goes on.
    """
    out = tmp_path / "out"
    process = start(tiny, out, *LONG)
    wait_for(lambda: list((out / "checkpoints").rglob("[0-9]*.json")), process)
    second = start(tiny, out, *LONG)
    _, error = second.communicate(timeout=600)
    assert second.returncode == 1
    assert f"in use by process {process.pid}" in error
    process.send_signal(sent)
    _, error = process.communicate(timeout=600)
    assert process.returncode == status, error
    assert "the same command goes on" in error
    steps = [int(path.stem) for path in (out / "checkpoints").rglob("[0-9]*.json")]
    assert 0 < max(steps) < 400
    assert main(command(tiny, out, *LONG)) == 0
    assert len(jaxtune.load_results(out).trials) == 4


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_in_the_middle_of_a_group(
    tiny, undisturbed, tmp_path, monkeypatch, capsys, sent, status
):
    """In this process: the command ends after that dispatch, and the same one goes on there."""
    out, save = tmp_path / "out", RunCheckpoints.save

    def save_and_ask(self, step, *args):
        save(self, step, *args)
        if step == 10:
            os.kill(os.getpid(), sent)

    with monkeypatch.context() as patched:
        patched.setattr(RunCheckpoints, "save", save_and_ask)
        assert main(command(tiny, out, "--checkpoint_every", "5")) == status
    assert "the same command goes on" in capsys.readouterr().err
    steps = [int(path.stem) for path in (out / "checkpoints").rglob("[0-9]*.json")]
    assert 10 <= max(steps) < 23
    assert main(command(tiny, out, "--checkpoint_every", "5")) == 0
    assert_same(undisturbed, out)


def test_a_second_signal_ends_at_once():
    """Whatever the process is doing: here it would sleep for a minute."""
    code = (
        "import time; from jaxtune.core.signals import Interruption\n"
        "with Interruption() as asked:\n"
        "    print('ready', flush=True)\n"
        "    while not asked: time.sleep(0.01)\n"
        "    print('asked', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=50) == -signal.SIGTERM
    process.stdout.close()


def test_interruption_gives_the_handlers_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as asked:
        assert not asked
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked
        with pytest.raises(InterruptedRunError, match="SIGTERM"):
            asked.stop_here()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.storm
def test_a_lock_left_by_a_dead_process_is_taken_over(tiny, tmp_path):
    out = tmp_path / "out"
    process = start(tiny, out, *LONG)
    wait_for(lambda: list((out / "checkpoints").rglob("[0-9]*.json")), process)
    process.kill()
    process.communicate()
    assert (out / ".lock.json").exists()
    assert main(command(tiny, out, *LONG)) == 0
    assert not (out / ".lock.json").exists()


@pytest.mark.usefixtures("heeds_sigint")
def test_an_interruption_that_a_library_swallowed_is_known_to_the_next():
    """JAX lets nothing out of its hooks of the garbage collector."""
    with sigint_remembered():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(InterruptedRunError) as stop, Interruption() as asked:
            asked.stop_here()
        assert stop.value.status == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with sigint_remembered():  # of another command
        assert not Interruption()
