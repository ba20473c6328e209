"""`python -m jaxtune.sweep`: plans a sweep, runs its groups, keeps what each leaves, and says what came out."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtune.config import Settings, parse
from jaxtune.errors import UserError

if TYPE_CHECKING:
    from jaxtune.engine import TrialResult
    from jaxtune.plan import ProgramPlan
    from jaxtune.trials import Trial


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status (DESIGN 2.1)."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        settings = parse(argv)
        _use_all_cores()
        return run_sweep(settings, list(argv))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run_sweep(settings: Settings, argv: list[str]) -> int:
    """Runs every trial that OUT does not hold yet."""
    # Imported late: `--help` and usage errors answer before JAX loads.
    from jaxtune.logs import read_rows
    from jaxtune.plan import make_plans, plan_lines
    from jaxtune.trials import make_trials

    out = out_folder(settings)
    trials = make_trials(settings)
    _claim(out, settings)
    done = {row["trial"] for row in read_rows(out)}
    plans = make_plans(tuple(trial for trial in trials if trial.number not in done))
    if settings.base.dry_run:
        print("\n".join(plan_lines(plans)))
        return 0
    out.mkdir(parents=True, exist_ok=True)
    _write_provenance(out, settings, argv, plans)
    throughput = _train(out, plans, len(trials), len(done))
    _close(out, settings, throughput)
    return 0


def out_folder(settings: Settings) -> Path:
    """`--out`, or a folder under runs/ named after task and model, so that the same command finds it again."""
    base = settings.base
    if base.out is not None:
        return Path(base.out)
    assert base.model is not None
    assert base.task is not None
    name = base.task if base.model == base.task else f"{base.task}-{Path(base.model).name}"
    return Path("runs") / name


def _use_all_cores() -> None:
    """One CPU device per core, where JAX runs on CPU: two trials side by side beat one on two cores."""
    import jax

    if jax.config.jax_num_cpu_devices < 0:  # unset, by the environment too
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))


def _claim(out: Path, settings: Settings) -> None:
    """Refuses a folder with another sweep's results; `overwrite` removes them."""
    import difflib

    path = out / "config.yaml"
    if not path.exists():
        return
    if settings.base.overwrite:
        if not settings.base.dry_run:
            shutil.rmtree(out)
        return
    theirs, ours = path.read_text(encoding="utf-8"), settings.as_yaml()
    changes = [
        line
        for line in difflib.unified_diff(theirs.splitlines(), ours.splitlines(), n=0, lineterm="")
        if line[:1] in "+-" and line[:3] not in ("---", "+++")
    ]
    if changes:
        raise UserError(
            f"{out} holds the results of another config ({'; '.join(changes)}); give another --out, or --overwrite true."
        )


def _write_provenance(
    out: Path, settings: Settings, argv: list[str], plans: "Sequence[ProgramPlan]"
) -> None:
    from jaxtune.logs import write_json, write_text
    from jaxtune.manifest import describe

    write_text(out / "config.yaml", settings.as_yaml())
    files = {file: None for plan in plans for file in plan.task.files}
    manifest = describe(argv, settings.base.precision, files)
    write_json(out / "manifest.json", manifest | {"groups": [plan.describe() for plan in plans]})


def _train(
    out: Path, plans: "Sequence[ProgramPlan]", num_trials: int, num_done: int
) -> dict[str, Any]:
    """All groups of all programs; each leaves its results before the next begins. Returns the throughput."""
    from jaxtune.engine import GroupRun, put_on_devices
    from jaxtune.logs import History
    from jaxtune.progress import SweepProgress
    from jaxtune.tensorboard import ArmCurves, TrialRuns
    from jaxtune.throughput import Meter

    meter = Meter()
    total_steps = sum(plan.num_steps * len(plan.trials) for plan in plans)
    with SweepProgress(num_trials, num_done, total_steps) as progress:
        for plan in plans:
            program = plan.compile()
            tables = put_on_devices(program, plan.task)
            primary, log_every = plan.task.metrics[0], plan.config.log_every
            arms = {trial.number: trial.arm for trial in plan.trials}
            curves = ArmCurves(arms, primary, plan.trivial, log_every)
            for group in plan.groups:
                history = History(log_every)
                shown = {trial.number: (trial.arm, trial.settings) for trial in group}
                runs = TrialRuns(out / "tb", shown, primary, log_every)
                recorders = [history, runs, curves, progress]
                run = GroupRun(program, plan.task, tables, group, plan.shape, recorders)
                with meter.measuring(run.num_tokens, len(group)):
                    results = run.run()
                runs.close()
                history.write(out / "history" / f"{group[0].number:05d}.parquet")
                _keep(out, plan, results)
                progress.finished(
                    [result.final[primary] for result in results], sum(r.failed for r in results)
                )
            curves.write(out / "tb")
    return meter.totals()


def _keep(out: Path, plan: "ProgramPlan", results: "list[TrialResult]") -> None:
    """A group's rows come last: a trial that has a row has everything else too."""
    from jaxtune.checkpoint import save_params
    from jaxtune.logs import append_rows, write_predictions

    for result in results:
        write_predictions(out, result.trial.number, result.logits)
        for kind, model in result.params.items():
            folder = out / "params" / f"{result.trial.number:05d}" / kind
            save_params(folder, plan.full_params(result, kind, model))
    append_rows(
        out, [trial_row(result, plan.task.metrics[0], plan.num_steps) for result in results]
    )


def trial_row(result: "TrialResult", metric: str, num_steps: int) -> dict[str, Any]:
    """One line of trials.jsonl."""
    trial: Trial = result.trial
    return {
        "trial": trial.number,
        "arm": trial.arm,
        "seed": trial.seeds.seed,
        "init_seed": trial.seeds.init_seed,
        "order_seed": trial.seeds.order_seed,
        "dropout_seed": trial.seeds.dropout_seed,
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
    } | trial.settings


def _close(out: Path, settings: Settings, throughput: dict[str, Any]) -> None:
    """summary.json, the table per arm, one sentence, and what to do next."""
    from jaxtune.logs import read_rows, write_json
    from jaxtune.progress import say, show_arms
    from jaxtune.stats import by_arm, conclusion, summarise

    summaries = {arm: summarise(rows) for arm, rows in by_arm(read_rows(out)).items()}
    write_json(out / "summary.json", {"arms": summaries, "throughput": throughput})
    show_arms(summaries)
    say(conclusion(summaries))
    say(f"\nResults: {out}   Curves: tensorboard --logdir {out / 'tb'}")
    if settings.base.task == "miniature":
        say(
            "Next, your own recipe: python -m jaxtune.sweep --model FOLDER_OR_HUB_ID --task rte "
            "--grid.bias_correction true false --num_seeds 8"
        )


if __name__ == "__main__":
    sys.exit(main())
