"""A command in a process of its own: its signals, its end and its sentence are this one's."""

import os
import signal
import subprocess
import sys
import time

import pytest

from jaxtune.core import own_process
from jaxtune.core.errors import UserError
from jaxtune.core.signals import InterruptedRunError

# A command that takes a while to end when it is asked to.
CAREFUL = """
import sys, time
from jaxtune.core.signals import Interruption
with Interruption() as asked:
    print("ready", flush=True)
    for _ in range(600):
        time.sleep(0.1)
        if asked:
            time.sleep(1)
            print("checkpoint left", flush=True)
            sys.exit(128 + asked.received)
"""
CALLER = f"""
import sys
from jaxtune.core import own_process
from jaxtune.core.signals import InterruptedRunError
own_process.command_line = lambda *_: [sys.executable, "-c", {CAREFUL!r}]
try:
    own_process.run_in_own_process([])
except InterruptedRunError as stop:
    print("raised", stop, flush=True)
"""


@pytest.fixture
def run(monkeypatch):
    """Runs code in place of a command."""

    def run(code):
        monkeypatch.setattr(own_process, "command_line", lambda *_: [sys.executable, "-c", code])
        own_process.run_in_own_process([])

    return run


def test_what_it_says_is_printed(run, capsys):
    run("print('one'); print('two')")
    assert capsys.readouterr().out == "one\ntwo\n"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys; print('error: no model.'); print('bye'); sys.exit(1)", r"^no model\.$"),
        ("import sys; print('trial-steps 4/10'); sys.exit(1)", "has ended with status 1; see what"),
        ("raise KeyError('x')", "has ended with status 1; see what"),
        (
            "import os; print('trial-steps 4/10', flush=True); os.kill(os.getpid(), 9)",
            "^The process of the command was killed by SIGKILL",
        ),
    ],
)
def test_how_it_failed_is_one_sentence(run, code, says):
    """What it said last is none, where it did not begin with `error: `."""
    with pytest.raises(UserError, match=says):
        run(code)


@pytest.mark.parametrize(
    ("code", "received"),
    [
        ("import sys; sys.exit(143)", signal.SIGTERM),
        ("import sys; sys.exit(130)", signal.SIGINT),
        ("import os; os.kill(os.getpid(), 15)", signal.SIGTERM),
    ],
)
def test_where_it_was_stopped_so_is_this(run, code, received):
    with pytest.raises(InterruptedRunError) as raised:
        run(code)
    assert raised.value.status == 128 + received


@pytest.mark.parametrize(
    ("send", "name"),
    [
        # A terminal's Ctrl-C reaches every process of its group.
        (lambda process: os.killpg(process.pid, signal.SIGINT), "SIGINT"),
        (lambda process: process.terminate(), "SIGTERM"),
    ],
)
@pytest.mark.slow
def test_a_signal_reaches_it_once_and_its_end_is_waited_for(send, name):
    process = subprocess.Popen(
        [sys.executable, "-c", CALLER],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    send(process)
    output, _ = process.communicate(timeout=60)
    assert output == f"checkpoint left\nraised stopped by {name}\n"
