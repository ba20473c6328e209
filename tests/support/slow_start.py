"""The sweep command in a process that takes 40 seconds before its first group, where the others of
its run wait for it: to read OUT, or, with `group`, to train it.

python tests/support/slow_start.py read|group SWEEP-FLAGS...
"""

import sys
import time

from jaxtune.sweep import asked
from jaxtune.sweep.__main__ import main
from jaxtune.training.group_run import GroupRun

SECONDS = 40  # Gloo gives 30 for the first exchange


def later(function):
    """The function, when the seconds are over."""

    def call(*arguments, **options):
        time.sleep(SECONDS)
        return function(*arguments, **options)

    return call


if __name__ == "__main__":
    if sys.argv[1] == "group":
        GroupRun.run = later(GroupRun.run)
    else:
        asked.finished_trials = later(asked.finished_trials)
    sys.exit(main(sys.argv[2:]))
