"""Runs a sweep undisturbed into one folder, and then again and again into another, each time killed
by SIGKILL, until it has been killed often enough and then finishes.

python tests/support/killing.py UNDISTURBED KILLED KILLS SEED SWEEP-FLAGS...
Every life is a fork of this process, which has imported everything but started no device. Odd lives
die at a random moment, even ones inside a write: just before a file's rename, its fsync, or a row's
append. Prints one JSON line.
"""

import json
import math
import os
import random
import signal
import sys
import time

import jax

import jaxtune.sweep.run  # noqa: F401  the imports are most of a life
from jaxtune.sweep.__main__ import main

WRITES = ("replace", "fsync", "rename")


def die_in_write(countdown: int) -> None:
    """The process kills itself at its `countdown`-th write."""
    left = [countdown]

    def deadly(call):
        def called(*arguments, **options):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return called

    for name in WRITES:
        setattr(os, name, deadly(getattr(os, name)))


def live(flags: list[str], log: str, countdown: int | None) -> int:
    """One life of the sweep in a child process; returns its process number."""
    child = os.fork()
    if child:
        return child
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if countdown is not None:
        die_in_write(countdown)
    os._exit(main(flags))


def main_loop(kills: int, seed: int, flags: list[str]) -> dict[str, int]:
    """Kills by kind, and lives that ended by themselves (0 before the last, unless a kill came too
    late).
    """
    rng = random.Random(seed)
    out = flags[-1]
    counts = {"at a random moment": 0, "inside a write": 0, "lives": 0}
    while counts["lives"] <= 10 * kills:
        killing = sum(counts.values()) - counts["lives"] < kills
        inside = killing and counts["lives"] % 2 == 0
        countdown = rng.randint(1, 12) if inside else None
        counts["lives"] += 1
        child = live(flags, out + ".log", countdown)
        if killing and not inside:
            time.sleep(rng.uniform(0.5, 4.0))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            counts["inside a write" if inside else "at a random moment"] += 1
        elif os.WEXITSTATUS(status):
            raise RuntimeError(f"exit {os.WEXITSTATUS(status)}; see {out}.log")
        elif not killing:
            return counts
    raise RuntimeError("the sweep does not end")


if __name__ == "__main__":
    undisturbed, killed, kills, seed, *words = sys.argv[1:]
    main_loop(0, int(seed), [*words, "--out", undisturbed])
    # Whoever is killed while writing a program leaves half of one: from here on they are only read.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", math.inf)
    print(json.dumps(main_loop(int(kills), int(seed), [*words, "--out", killed])))
