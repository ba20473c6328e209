"""Runs a planned sweep group by group, keeps what each leaves, and says what came out."""

import difflib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxtune.backend import is_out_of_memory
from jaxtune.checkpoint import save_params
from jaxtune.engine import GroupRun, OnDevice, TrialResult, put_on_devices
from jaxtune.errors import UserError
from jaxtune.flags import Settings
from jaxtune.group import GroupProgram
from jaxtune.logs import (
    HISTORY,
    PREDICTIONS,
    TRIALS,
    History,
    append_rows,
    read_rows,
    write_json,
    write_predictions,
    write_text,
)
from jaxtune.manifest import describe
from jaxtune.plan import ProgramPlan, make_plans, plan_lines
from jaxtune.progress import SweepProgress, say, show_arms
from jaxtune.results import load
from jaxtune.stats import by_arm, conclusion, summarise
from jaxtune.tensorboard import Run, TrialRuns, write_arm_curves
from jaxtune.throughput import Meter
from jaxtune.trials import Trial, make_trials

CONFIG, MANIFEST, SUMMARY, TENSORBOARD = "config.yaml", "manifest.json", "summary.json", "tb"
OUTPUTS = (CONFIG, MANIFEST, SUMMARY, TRIALS, HISTORY, PREDICTIONS, TENSORBOARD, "params")
# What one looks for first in the HParams table, after what was swept.
RECIPE_FIELDS = ("learning_rate", "bias_correction", "num_epochs", "batch_size", "weight_decay")
NEXT = (
    "Next, your own recipe: python -m jaxtune.sweep --model FOLDER_OR_HUB_ID --task rte "
    "--grid.bias_correction true false --num_seeds 8"
)


def run_sweep(settings: Settings, argv: list[str]) -> None:
    """Runs every trial that OUT does not hold yet; raises UserError before anything is written or compiled."""
    out = out_folder(settings)
    trials = make_trials(settings)
    if writes():
        _check_claim(out, settings)
    done = set() if settings.base.overwrite else _finished(out, trials)
    plans = make_plans(trial for trial in trials if trial.number not in done)
    if settings.base.dry_run:
        say("\n".join(plan_lines(plans)))
        return
    throughput = None
    if plans:
        if writes():
            _begin(out, settings, argv, plans)
        throughput = _train(out, plans, tuple(settings.grid), len(trials), len(done)).totals()
    if not writes():
        return
    write_arm_curves(out / TENSORBOARD, load(out))
    arms = _summarise(out, throughput)
    show_arms(arms)
    say(conclusion(arms))
    say(f"\nResults: {out}   Curves: tensorboard --logdir {out / 'tb'}")
    if settings.base.task == "miniature":
        say(NEXT)


def writes() -> bool:
    """Whether this process writes and speaks: the first one, where there are several."""
    return jax.process_index() == 0


def _finished(out: Path, trials: Sequence[Trial]) -> set[int]:
    """Numbers of the trials that OUT holds, as the first process sees it."""
    rows = {row["trial"] for row in read_rows(out)} if writes() else set()
    done = np.array([trial.number in rows for trial in trials])
    if jax.process_count() > 1:
        done = multihost_utils.broadcast_one_to_all(done)
    return {trial.number for trial, finished in zip(trials, done, strict=True) if finished}


def out_folder(settings: Settings) -> Path:
    """`--out`, or a folder under runs/ named after task and model, so that the same command finds it again."""
    base = settings.base
    if base.out is not None:
        return Path(base.out)
    assert base.model is not None
    assert base.task is not None
    name = base.task if base.model == base.task else f"{base.task}-{Path(base.model).name}"
    return Path("runs") / name


def _check_claim(out: Path, settings: Settings) -> None:
    """Refuses a folder with another sweep's results, or, to overwrite, one that holds no sweep."""
    path = out / CONFIG
    if settings.base.overwrite:
        if out.exists() and any(out.iterdir()) and not (out / MANIFEST).exists():
            raise UserError(
                f"{out} is no sweep's folder ({MANIFEST} is missing); give another --out."
            )
        return
    if not path.exists():
        return
    theirs, ours = path.read_text(encoding="utf-8"), settings.as_yaml()
    lines = difflib.unified_diff(theirs.splitlines(), ours.splitlines(), n=0, lineterm="")
    changes = [line for line in lines if line[:1] in "+-" and line[:3] not in ("---", "+++")]
    if changes:
        raise UserError(
            f"{out} holds the results of another config ({'; '.join(changes)}); give another --out, or --overwrite true."
        )


def _begin(out: Path, settings: Settings, argv: list[str], plans: Sequence[ProgramPlan]) -> None:
    """The folder with config and manifest; a continued sweep keeps its first manifest and adds this run to it."""
    if settings.base.overwrite:
        for name in OUTPUTS:
            shutil.rmtree(out / name, ignore_errors=True)
            if (out / name).is_file():
                (out / name).unlink()
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / CONFIG, settings.as_yaml())
    files = dict.fromkeys(file for plan in plans for file in plan.task.files)
    run = describe(argv, settings.base.precision, files)
    run["groups"] = [plan.describe() for plan in plans]
    path = out / MANIFEST
    first = json.loads(path.read_text(encoding="utf-8")) if path.exists() else run
    if first is not run:
        first.setdefault("continued", []).append(run)
    write_json(path, first)


def _train(
    out: Path, plans: Sequence[ProgramPlan], swept: tuple[str, ...], num_trials: int, num_done: int
) -> Meter:
    """All groups of all programs; each leaves its results before the next begins."""
    meter = Meter()
    total_steps = sum(plan.num_steps * len(plan.trials) for plan in plans)
    with SweepProgress(num_trials, num_done, total_steps) as progress:
        for plan in plans:
            pending, size = plan.trials, plan.group_size
            program = plan.compile(size)
            tables = put_on_devices(program, plan.task)
            while pending:
                group = pending[:size]
                try:
                    with meter.measuring(len(group)) as count:
                        count.tokens += _run_group(
                            out, plan, program, tables, group, swept, progress
                        )
                except jax.errors.JaxRuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    if size == len(plan.devices):
                        raise UserError(
                            "One trial does not fit in a device's memory; give a smaller batch_size or max_length, "
                            "--remat true, or --precision bfloat16."
                        ) from error
                    size = max(1, size // len(plan.devices) // 2) * len(plan.devices)
                    say(f"Out of memory: going on with groups of {size} trials.")
                    program = plan.compile(size)
                else:
                    pending = pending[size:]
    return meter


def _run_group(
    out: Path,
    plan: ProgramPlan,
    program: GroupProgram,
    tables: OnDevice,
    group: Sequence[Trial],
    swept: tuple[str, ...],
    progress: SweepProgress,
) -> int:
    """Trains one group and keeps what it leaves; returns the real tokens it trained on."""
    if not writes():
        run = GroupRun(program, plan.task, tables, group, plan.shape, [])
        _save_params(out, plan, run.run())
        return run.num_tokens
    primary, log_every = plan.task.metrics[0], plan.config.log_every
    history = History(log_every)
    shown = {trial.number: _shown(trial, swept) for trial in group}
    runs = TrialRuns(out / TENSORBOARD, shown, primary, log_every)
    run = GroupRun(program, plan.task, tables, group, plan.shape, [history, runs, progress])
    try:
        results = run.run()
    finally:
        runs.close()
    _save_params(out, plan, results)
    history.write(out / HISTORY)
    _keep(out, plan, results, program.group_size)
    scores = [result.final[primary] for result in results]
    progress.finished(scores, sum(result.failed for result in results))
    return run.num_tokens


def _shown(trial: Trial, swept: tuple[str, ...]) -> Run:
    """A trial's place in TensorBoard."""
    names = dict.fromkeys((*swept, *RECIPE_FIELDS))
    return Run(trial.arm, trial.seeds.seed, {name: trial.settings[name] for name in names})


def _save_params(out: Path, plan: ProgramPlan, results: Sequence[TrialResult]) -> None:
    """What `save_params` asked for; every process takes part, as orbax wants it, and the first one writes."""
    for result in results:
        for kind, model in result.params.items():
            params = plan.full_params(result, kind, model)
            save_params(out / "params" / f"{result.trial.number:05d}" / kind, params)


def _keep(out: Path, plan: ProgramPlan, results: Sequence[TrialResult], group_size: int) -> None:
    """A group's rows come last: a trial that has a row has everything else too."""
    for result in results:
        write_predictions(out, result.trial.number, result.logits)
    metric, num_steps = plan.task.metrics[0], plan.num_steps
    append_rows(out, [trial_row(r, metric, num_steps, group_size) for r in results])


def trial_row(result: TrialResult, metric: str, num_steps: int, group_size: int) -> dict[str, Any]:
    """One line of trials.jsonl."""
    trial, seeds = result.trial, result.trial.seeds
    return {
        "trial": trial.number,
        "arm": trial.arm,
        "seed": seeds.seed,
        "init_seed": seeds.init_seed,
        "order_seed": seeds.order_seed,
        "dropout_seed": seeds.dropout_seed,
        "model": trial.config.model,
        "task": trial.config.task,
        "metric": metric,
        "final": result.final[metric],
        "best": result.best,
        "best_step": result.best_step,
        "train_loss": result.train_loss,
        "trivial": result.trivial,
        "failed": result.failed,
        "diverged": result.diverged,
        "constant_prediction": result.constant_prediction,
        "num_steps": num_steps,
        "seconds": round(result.seconds, 3),
        "group_size": group_size,
    } | trial.settings


def _summarise(out: Path, throughput: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Writes summary.json over every row that OUT holds; without new trials the throughput stays as it was."""
    path = out / SUMMARY
    if throughput is None and path.exists():
        throughput = json.loads(path.read_text(encoding="utf-8"))["throughput"]
    summaries = {arm: summarise(rows) for arm, rows in by_arm(read_rows(out)).items()}
    write_json(path, {"arms": summaries, "throughput": throughput})
    return summaries
