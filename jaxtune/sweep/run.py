"""Runs a sweep: plans it, says what was read, trains what OUT does not hold, and concludes."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtune.config.parse import Settings
from jaxtune.core.console import say
from jaxtune.core.files import write_json
from jaxtune.core.processes import in_all, writes
from jaxtune.core.records import AtOnce
from jaxtune.data.reading import readings_in
from jaxtune.storage.claim import check_claim
from jaxtune.storage.curves import write_asked, write_labels
from jaxtune.storage.inputs import Inputs
from jaxtune.storage.manifest import describe, read_manifest
from jaxtune.storage.out_folder import begin, check_held, check_labels, drop_begun, locked
from jaxtune.storage.paths import MANIFEST
from jaxtune.storage.trial_rows import mend_rows, read_rows
from jaxtune.sweep.asked import Asked, asked_for, check_arms, finished_of
from jaxtune.sweep.cluster.on_cluster import facts_of, for_workers, groups_on, workers_of
from jaxtune.sweep.cluster.workers import Workers
from jaxtune.sweep.conclude import conclude, say_next
from jaxtune.sweep.dry_run import dry_run
from jaxtune.sweep.opening_words import say_looks, say_shard, say_starts, say_what_was_read
from jaxtune.sweep.reading import check_one_dev_set, inputs_of, with_sizes
from jaxtune.sweep.same_command import check_same_reading
from jaxtune.sweep.tracking import track
from jaxtune.sweep.train import is_done, train
from jaxtune.training.plan import ProgramPlan, make_plans
from jaxtune.training.plan_facts import plan_facts
from jaxtune.training.plan_words import reading
from jaxtune.training.prepared import Prepared


def run_sweep(settings: Settings, argv: Sequence[str]) -> Path:
    """Runs every trial that OUT does not hold yet; returns OUT.

    Raises UserError before anything is written or compiled. After SIGTERM or SIGINT it leaves a
    checkpoint and raises InterruptedRunError.

    Several processes go through this in step: what one of them does alone is done `in_all`, so that
    none waits for one that has given up, or goes ahead of the first one's end.

    Args:
        argv: the settings as flags, for the manifest.
    """
    asked = asked_for(settings)
    if asked.settings.base.dry_run:
        in_all(lambda: check_arms(asked))
        dry_run(asked)
        return asked.out
    with contextlib.ExitStack() as stack:
        finished = finished_of(asked, lambda: _claim(asked, stack))
        throughput = _train_left(asked, argv, finished, stack)
        in_all(lambda: _conclude(asked, throughput))
    return asked.out


def _claim(asked: Asked, stack: contextlib.ExitStack) -> None:
    """OUT is this sweep's, and for the stack's time nobody else's."""
    stack.enter_context(locked(asked.out))
    check_claim(asked.out, asked.settings, asked.given)


def _train_left(
    asked: Asked, argv: Sequence[str], finished: Mapping[int, AtOnce], stack: contextlib.ExitStack
) -> dict[str, Any] | None:
    """Trains what OUT does not hold; how fast that went, None where nothing was left."""
    settings, workers = asked.settings, None
    done = is_done(asked.out, settings, finished)
    left = not done and any(trial.number not in finished for trial in asked.own)
    if left:
        in_all(lambda: check_arms(asked, finished))
    if left and settings.base.cluster:
        workers = stack.enter_context(workers_of(settings.base))
    platform = workers.platform if workers else None
    plans, inputs = in_all(lambda: _read(asked, finished if left else None, platform))
    if not plans:
        in_all(lambda: _mend(asked, finished))
        in_all(lambda: _describe_again(asked, argv, inputs))
        return None
    check_same_reading(plans, inputs)
    plans = with_sizes(asked, plans) if platform is None else for_workers(plans, platform)
    elsewhere = None
    if workers:  # before anything is written
        workers.until_one_is_ready()
        elsewhere = groups_on(workers, settings, inputs)
    in_all(lambda: _begin(asked, argv, plans, inputs, workers))
    in_all(lambda: _mend(asked, finished))
    return train(asked.out, plans, settings, len(asked.own), elsewhere).totals()


def _read(
    asked: Asked, finished: Mapping[int, AtOnce] | None, platform: str | None
) -> tuple[list[ProgramPlan], Inputs]:
    """The programs that are left to run, none where nothing is (None), and the files."""
    plans = []
    if finished is not None:
        plans = make_plans(asked.trials, finished, platform, asked.elsewhere)
    inputs = inputs_of(asked, bool(plans))
    check_one_dev_set(plans)
    return plans, inputs


def _begin(
    asked: Asked,
    argv: Sequence[str],
    plans: Sequence[ProgramPlan],
    inputs: Inputs,
    workers: Workers | None,
) -> None:
    """What is written and said before the first trial."""
    if not writes():
        return
    check_held(asked.out)
    out, settings, task = asked.out, asked.settings, plans[0].task
    check_labels(out, settings, task.classes, task.dev.labels, task.sentence_lengths)
    about = _provenance(settings, argv, plans, inputs)
    begin(out, settings, about | (facts_of(plans, workers) if workers else {}))
    _write_asked(out, task)
    say_what_was_read(asked.given, plans)
    if settings.base.shard is not None:
        say_shard(settings.base.shard, asked.trials, asked.own, out)
    say(task.scoring)
    say_looks(settings.base)
    say_starts(plans)


def _mend(asked: Asked, finished: Mapping[int, AtOnce]) -> None:
    """Takes damaged lines out of trials.jsonl, when nothing is refused any more."""
    if writes():
        check_held(asked.out)
        mend_rows(asked.out, len(finished))


def _describe_again(asked: Asked, argv: Sequence[str], inputs: Inputs) -> None:
    """Writes the manifest of a finished sweep that has none, or a damaged one; what only its first
    run knew is not in it.
    """
    path = asked.out / MANIFEST
    if not writes() or read_manifest(path) is not None:
        return
    if not inputs:
        say(f"{path} cannot be written anew: model and data are not where they were.")
        return
    about = describe(argv, _precisions(asked.settings), inputs)
    write_json(path, about | {"written_anew": True})
    say(
        f"{path} has been written anew. Whether model and data are as the trials read them is not"
        " known."
    )


def _write_asked(out: Path, task: Prepared) -> None:
    """What every trial answers: labels and classes of the dev set, ids and labels of others."""
    write_labels(out, task.classes, task.dev.labels, task.sentence_lengths)
    for name, asked in task.further.items():
        labels = asked.tokens.labels if asked.labelled else None
        write_asked(out, name, asked.ids, labels)


def _conclude(asked: Asked, throughput: dict[str, Any] | None) -> None:
    """What is written and said over all trials; a shard has no verdict."""
    if not writes():
        return
    check_held(asked.out)
    out, config, total = asked.out, asked.settings.base, len(asked.trials)
    if throughput is None:  # what a process that was killed at its end has left
        drop_begun(out)
    done, shard = len(read_rows(out)), config.shard
    whole = shard is None or done == total
    conclude(out, asked.settings, throughput, whole)
    if shard is not None and not whole:
        say_next(shard, done, total, out)
    if config.track is not None:
        track(out, config.track)


def _provenance(
    settings: Settings, argv: Sequence[str], plans: Sequence[ProgramPlan], inputs: Inputs
) -> dict[str, Any]:
    """The manifest of this run."""
    readings = readings_in({"data": list(map(reading, plans))})
    about = {"data": readings, "groups": [plan_facts(plan) for plan in plans]}
    return describe(argv, _precisions(settings), inputs) | about


def _precisions(settings: Settings) -> str:
    return " and ".join(dict.fromkeys(arm.precision for arm in settings.arms))
