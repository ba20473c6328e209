"""What recording costs: the same steps with history and TensorBoard at the default stride, and with
nothing.

python benchmarks/logging_cost.py --devices 2 --steps 120 -- --model FOLDER --task cola --data_dir
GLUE
"Nothing" keeps the losses alone; gradient norms are by-products of clipping. The two are run in
turn; the table holds medians.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import jax
from trial_group import plan_of

from jaxtune.storage.curves import History
from jaxtune.storage.tensorboard import Run, TrialRuns
from jaxtune.training.group_inputs import put_on_devices
from jaxtune.training.group_run import GroupRun
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.program import GroupProgram


def seconds(program: GroupProgram, plan: ProgramPlan, folder: Path | None) -> float:
    """One whole run of the first trials, evaluation left out, files written."""
    trials = plan.trials[: program.group_size]
    log_every, recorders, curves = program.static.log_every, [], None
    history = History(log_every)
    if folder is not None:
        shown = {trial.number: Run(trial.arm, trial.seeds.seed, {}) for trial in trials}
        curves = TrialRuns(folder / "tb", shown, plan.task.metrics[0], log_every)
        recorders = [history, curves]
    tables = put_on_devices(program, plan.task)
    run = GroupRun(program, plan, tables, trials, recorders)
    began = time.perf_counter()
    run.run()
    if folder is not None and curves is not None:
        curves.close()
        history.write(folder / "history")
    return time.perf_counter() - began


def main() -> None:
    """Prints one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("flags", nargs="*")
    given = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", given.devices)
    steps = ["--max_steps", str(given.steps), "--eval_every", str(given.steps)]
    flags = [*given.flags, *steps, "--trials_per_device", "1"]
    plan = plan_of(flags, 2 * given.devices)
    times: dict[str, list[float]] = {"recorded": [], "nothing": []}
    program = plan.compile(given.devices)
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(given.repeats + 1):  # the first compiles
            times["recorded"].append(seconds(program, plan, Path(folder) / str(repeat)))
            times["nothing"].append(seconds(program, plan, None))
    medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    print(f"{given.steps} steps of {given.devices} trials, one evaluation\n| | s |\n|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.3f} |")
    print(f"recording costs {medians['recorded'] / medians['nothing'] - 1:.1%}")


if __name__ == "__main__":
    main()
