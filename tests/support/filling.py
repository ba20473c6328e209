"""Runs a sweep undisturbed into one folder, and then again and again into another, each time with a
smaller or larger limit on the size of a file, and at last without.

python tests/support/filling.py UNDISTURBED FILLED LIMIT,LIMIT... SWEEP-FLAGS...
Every life is a fork that may write files of at most so many bytes, as on a disk that is full; the
first writer to need more fails. Prints one JSON line: how each limited life ended.
"""

import json
import math
import os
import resource
import sys
import traceback

import jax

import jaxtune.sweep.run  # noqa: F401  the imports are most of a life
from jaxtune.sweep.__main__ import main


def live(flags: list[str], limit: int | None) -> tuple[int, str]:
    """Exit status and output of one life."""
    read, write = os.pipe()  # a pipe has no size to limit
    child = os.fork()
    if not child:
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.close(read)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            os._exit(main(flags))
        except BaseException:  # main has no sentence for it
            traceback.print_exc()
            os._exit(99)
    os.close(write)
    with os.fdopen(read, encoding="utf-8", errors="replace") as spoken:
        text = spoken.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), text


if __name__ == "__main__":
    undisturbed, filled, limits, *flags = sys.argv[1:]
    status, text = live([*flags, "--out", undisturbed], None)
    if status:
        sys.exit(text)
    # A limit also cuts the programs that are written into the cache: from here on they are read.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", math.inf)
    ends = {}
    for limit in (*map(int, limits.split(",")), None):
        status, text = live([*flags, "--out", filled], limit)
        ends[str(limit)] = {"status": status, "text": text}
        print(f"limit {limit}: exit {status}", file=sys.stderr, flush=True)
    print(json.dumps(ends))
