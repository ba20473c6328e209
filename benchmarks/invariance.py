"""Whether a trial depends on the trials beside it: parameters of one seed after some steps, in
several groups.

python benchmarks/invariance.py --per_device 4 --steps 8 -- --model FOLDER --task rte --data_dir
GLUE
Expected: the same bits with other neighbours and when run again; rounding only against another
group size.
"""

import argparse
from collections.abc import Sequence

import jax
import numpy as np
from trial_group import group_of, plan_of

from jaxtune.config.trials import Trial
from jaxtune.training.plan import ProgramPlan


def first_trial(plan: ProgramPlan, trials: Sequence[Trial], steps: int) -> list[np.ndarray]:
    """Parameters of the first of `trials` after `steps` steps in one group of all of them."""
    program, inputs = group_of(plan, trials)
    state, _ = program.train(*inputs.train_arguments(inputs.start_state(), 0, steps))
    return [np.asarray(leaf)[0] for leaf in jax.tree.leaves(state.model)]


def difference(left: list[np.ndarray], right: list[np.ndarray]) -> str:
    """`the same bits`, or the largest difference of a parameter."""
    if all(np.array_equal(a, b) for a, b in zip(left, right, strict=True)):
        return "the same bits"
    return f"{max(np.abs(a - b).max() for a, b in zip(left, right, strict=True)):.1e} at most"


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per_device", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("flags", nargs="*")
    given = parser.parse_args()
    size = given.per_device
    plan = plan_of([*given.flags, "--trials_per_device", str(size)], 4 * size)
    first, *others = plan.trials
    group = first_trial(plan, [first, *others[: size - 1]], given.steps)
    rows = {
        "run again": [first, *others[: size - 1]],
        "other neighbours": [first, *others[size - 1 : 2 * (size - 1)]],
        "itself as neighbour": [first] * size,
        "alone": [first],
    }
    print(f"{given.steps} steps on {jax.devices()[0].device_kind}, groups of {size}")
    print("| the same seed | parameters |\n|---|---|")
    for name, trials in rows.items():
        print(
            f"| {name} | {difference(group, first_trial(plan, trials, given.steps))} |", flush=True
        )


if __name__ == "__main__":
    main()
