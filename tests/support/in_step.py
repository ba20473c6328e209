"""Sweep commands one after the other in one process of a run, whose conclusion takes a while.

python tests/support/in_step.py JSON: lists of flags. After each its status, and whether its OUT has
a summary by then, which the first process writes.
"""

import json
import sys
import time
from pathlib import Path

from jaxtune.sweep import run
from jaxtune.sweep.__main__ import main

CONCLUDE = run.conclude


def conclude(*arguments):
    """As it is, a moment later."""
    time.sleep(2)
    CONCLUDE(*arguments)


if __name__ == "__main__":
    run.conclude = conclude
    sys.stderr = sys.stdout
    for words in json.loads(sys.argv[1]):
        status = main(words)
        out = Path(words[words.index("--out") + 1])
        print(f"status {status}, summary {(out / 'summary.json').exists()}", flush=True)
