"""The sweep command in a process whose programs run out of memory at their second dispatch, for
more than so many trials.

python tests/support/short_of_memory.py MOST SWEEP-FLAGS...
"""

import sys

import jax

from jaxtune.sweep.__main__ import main
from jaxtune.training.program import GroupProgram

COMPILE = GroupProgram._compile


def run_short(most: int) -> None:
    """From now on programs for more trials run out."""

    def breakable(self, function, *arguments, **options):
        compiled, calls = COMPILE(self, function, *arguments, **options), []

        def run(*inputs):
            calls.append(1)
            if self.group_size > most and len(calls) == 2:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory (injected)")
            return compiled(*inputs)

        return run if function.__name__ == "train" else compiled

    GroupProgram._compile = breakable


if __name__ == "__main__":
    run_short(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
