"""Runs a planned sweep group by group, keeps what each leaves, and says what came out."""

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxtune.backend import is_out_of_memory
from jaxtune.checkpoint import RunCheckpoints, save_params
from jaxtune.engine import GroupRun, OnDevice, put_on_devices
from jaxtune.errors import UserError
from jaxtune.flags import Settings
from jaxtune.group import GroupProgram
from jaxtune.interruption import Interruption
from jaxtune.ledger import append_rows, read_rows
from jaxtune.logs import HISTORY, PARAMS, History, write_json, write_predictions
from jaxtune.manifest import describe
from jaxtune.outcome import TrialResult
from jaxtune.outdir import (
    CHECKPOINTS,
    SUMMARY,
    TENSORBOARD,
    begin,
    check_claim,
    finished_trials,
    locked,
    out_folder,
)
from jaxtune.plan import ProgramPlan, make_plans
from jaxtune.progress import SweepProgress, say, show_arms
from jaxtune.rehearsal import plan_lines, probe
from jaxtune.results import load
from jaxtune.stats import by_arm, conclusion, summarise
from jaxtune.tensorboard import Run, TrialRuns, write_arm_curves
from jaxtune.throughput import Meter
from jaxtune.trials import Trial, make_trials

# What one looks for first in the HParams table, after what was swept.
RECIPE_FIELDS = ("learning_rate", "bias_correction", "num_epochs", "batch_size", "weight_decay")
NEXT = (
    "Next, your own recipe: python -m jaxtune.sweep --model FOLDER_OR_HUB_ID --task rte "
    "--grid.bias_correction true false --num_seeds 8"
)


def run_sweep(settings: Settings, argv: list[str]) -> None:
    """Runs every trial that OUT does not hold yet; raises UserError before anything is written or compiled.

    After SIGTERM or SIGINT it leaves a checkpoint and raises InterruptedRunError.
    """
    out = out_folder(settings)
    trials = make_trials(settings)
    if settings.base.dry_run:
        check_claim(out, settings)
        plans = make_plans(trials, _finished(out, settings, trials))
        say(f"Trying a few steps of {len(plans)} program{'s' * (len(plans) != 1)} ...")
        say("\n".join(plan_lines(plans, [probe(plan) for plan in plans])))
        return
    with locked(out) if writes() else contextlib.nullcontext():
        if writes():
            check_claim(out, settings)
        plans = make_plans(trials, _finished(out, settings, trials))
        throughput = None
        if plans:
            if writes():
                begin(out, settings, _provenance(settings, argv, plans))
            throughput = _train(out, plans, settings, len(trials)).totals()
        if writes():
            _conclude(out, settings, throughput)


def writes() -> bool:
    """Whether this process writes and speaks: the first one, where there are several."""
    return jax.process_index() == 0


def _finished(out: Path, settings: Settings, trials: Sequence[Trial]) -> dict[int, int]:
    """Trials that OUT holds, with their group sizes, as the first process sees it."""
    if settings.base.overwrite:
        return {}
    repair = not settings.base.dry_run
    held = finished_trials(out, trials, repair) if writes() else {}
    if jax.process_count() > 1:
        sizes = np.array([held.get(trial.number, 0) for trial in trials])
        sizes = multihost_utils.broadcast_one_to_all(sizes)
        held = {t.number: int(size) for t, size in zip(trials, sizes, strict=True) if size}
    return held


def _provenance(
    settings: Settings, argv: list[str], plans: Sequence[ProgramPlan]
) -> dict[str, Any]:
    """The manifest of this run."""
    files = dict.fromkeys(file for plan in plans for file in plan.task.files)
    groups = {"groups": [plan.describe() for plan in plans]}
    return describe(argv, settings.base.precision, files) | groups


def _conclude(out: Path, settings: Settings, throughput: dict[str, Any] | None) -> None:
    """What is written and said over all trials."""
    arms = _summarise(out, throughput)  # before anything reads it: a damaged one is written anew
    write_arm_curves(out / TENSORBOARD, load(out))
    show_arms(arms)
    say(conclusion(arms))
    say(f"\nResults: {out}   Curves: tensorboard --logdir {out / TENSORBOARD}")
    if settings.base.task == "miniature":
        say(NEXT)


def _train(out: Path, plans: Sequence[ProgramPlan], settings: Settings, num_trials: int) -> Meter:
    """All groups of all programs; each leaves its results before the next begins."""
    meter = Meter()
    total_steps = sum(plan.num_steps * len(plan.pending) for plan in plans)
    num_done = num_trials - sum(len(plan.pending) for plan in plans)
    # Several processes could not agree on when to save or to stop: there finished groups are what stays.
    alone = jax.process_count() == 1
    checkpoints = RunCheckpoints(out / CHECKPOINTS, say, settings.base.checkpoint_every)
    asked = Interruption(watch=alone)
    with SweepProgress(num_trials, num_done, total_steps) as progress, asked:
        sweep = _Sweep(
            out, tuple(settings.grid), progress, meter, checkpoints if alone else None, asked
        )
        for plan in plans:
            sweep.run(plan)
    if writes():
        checkpoints.discard()
    return meter


@dataclasses.dataclass
class _Sweep:
    """What the groups of a sweep share."""

    out: Path
    swept: tuple[str, ...]
    progress: SweepProgress
    meter: Meter
    checkpoints: RunCheckpoints | None
    asked: Interruption

    def run(self, plan: ProgramPlan) -> None:
        """The groups of one program; without the memory for one, it goes on with groups of half the size."""
        pending, size = plan.pending, plan.group_size
        program = plan.compile(size)
        tables = put_on_devices(program, plan.task)
        compiled_before: float | None = self.meter.compile_seconds
        while pending:
            self.asked.stop_here()
            group = pending[:size]
            try:
                with self.meter.measuring(len(group)) as count:
                    count.tokens += self._run_group(plan, program, tables, group)
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
                compiled_before = self.meter.compile_seconds
            else:
                pending = pending[size:]
                if compiled_before is not None:
                    self._say_compiled(plan, size, self.meter.compile_seconds - compiled_before)
                    compiled_before = None

    def _say_compiled(self, plan: ProgramPlan, size: int, seconds: float) -> None:
        if writes():
            rows = ", ".join(map(str, plan.shape.ladder))
            say(
                f"Compiled in {seconds:.1f} s: {size} trials at once, {rows} rows of {plan.shape.slots} slots."
            )

    def _run_group(
        self, plan: ProgramPlan, program: GroupProgram, tables: OnDevice, group: Sequence[Trial]
    ) -> int:
        """Trains one group and keeps what it leaves; returns the real tokens it trained on."""
        out, primary, log_every = self.out, plan.task.metrics[0], plan.config.log_every
        if not writes():
            run = GroupRun(program, plan.task, tables, group, plan.shape, [])
            _save_params(out, plan, run.run())
            return run.num_tokens
        history = History(log_every)
        shown = {trial.number: _shown(trial, self.swept) for trial in group}
        curves = TrialRuns(out / TENSORBOARD, shown, primary, log_every)
        recorders = [history, curves, self.progress]
        run = GroupRun(program, plan.task, tables, group, plan.shape, recorders)
        try:
            results = run.run(self.checkpoints, self.asked)
        finally:
            curves.close()
        _save_params(out, plan, results)
        history.write(out / HISTORY)
        _keep(out, plan, results, program.group_size)
        if self.checkpoints:
            self.checkpoints.discard()
        scores = [result.final[primary] for result in results]
        self.progress.finished(scores, sum(result.failed for result in results))
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
            save_params(out / PARAMS / f"{result.trial.number:05d}" / kind, params)


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
        with contextlib.suppress(ValueError, KeyError, TypeError):
            throughput = json.loads(path.read_text(encoding="utf-8"))["throughput"]
    summaries = {arm: summarise(rows) for arm, rows in by_arm(read_rows(out)).items()}
    write_json(path, {"arms": summaries, "throughput": throughput})
    return summaries
