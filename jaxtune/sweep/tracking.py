"""A sweep's trials, when it has ended, as runs of a tracker.

In a process of its own: trackers start threads and services, read the environment at import and
watch how a process ends, which is not to touch a sweep, nor the notebook that it runs in.
"""

import subprocess
from pathlib import Path

from jaxtune.core.child import command_line, environment
from jaxtune.core.console import say

# With these the command would fold its sentences, as if it wrote to a terminal.
FOLDING = ("FORCE_COLOR", "TTY_COMPATIBLE")


def track(out: Path, tracker: str) -> None:
    """Sends what has not been sent; a tracker that fails is one sentence, and the sweep is done."""
    say(f"Sending the trials to {tracker} ...")
    done = subprocess.run(
        command_line("jaxtune.track", [str(out), "--to", tracker]),
        env={name: value for name, value in environment().items() if name not in FOLDING},
        stdin=subprocess.DEVNULL,  # nobody is there to log in
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if done.returncode == 0:
        say(done.stdout.strip().splitlines()[-1])  # the lines before are its progress
    elif errors:
        say(f"Warning: {errors[-1].removeprefix('error: ')}")
    else:
        last = (done.stderr.strip() or f"status {done.returncode}").splitlines()[-1]
        say(
            f"Warning: {tracker} did not take them ({last}); OUT has all trials, and `jaxtune track"
            f" OUT --to {tracker}` sends what is not there."
        )
