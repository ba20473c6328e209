"""Runs a sweep: plans it, says what was read, trains what OUT does not hold, and concludes."""

import contextlib
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxtune.config.looks import looks
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import Trial, make_trials
from jaxtune.core.accelerators import Accelerator, accelerator
from jaxtune.core.console import ProgressLine, say
from jaxtune.core.entities import same_lengths
from jaxtune.core.errors import UserError
from jaxtune.core.processes import writes
from jaxtune.core.words import listed, plural
from jaxtune.data.reading import readings_in, sentences
from jaxtune.storage.claim import check_claim
from jaxtune.storage.curves import write_asked, write_labels
from jaxtune.storage.inputs import Inputs, read_inputs
from jaxtune.storage.manifest import describe
from jaxtune.storage.out_folder import (
    begin,
    check_inputs,
    check_labels,
    drop_begun,
    finished_trials,
    locked,
    out_folder,
)
from jaxtune.storage.same_config import same_places
from jaxtune.storage.trial_rows import read_rows
from jaxtune.sweep.cluster.on_cluster import facts_of, for_workers, groups_on, workers_of
from jaxtune.sweep.conclude import conclude
from jaxtune.sweep.device_table import show_devices
from jaxtune.sweep.shards import own_trials, say_next, say_which
from jaxtune.sweep.tracking import track
from jaxtune.sweep.train import is_done, train
from jaxtune.training.ahead import check_compiler
from jaxtune.training.check_settings import with_length_in_use
from jaxtune.training.device_plan import Outlook, outlooks
from jaxtune.training.dry_run import plan_lines, seen_of
from jaxtune.training.group_size import how_sized, sized
from jaxtune.training.plan import ProgramPlan, make_plans
from jaxtune.training.plan_words import choosing, reading
from jaxtune.training.prepared import Prepared
from jaxtune.training.sizes import Probe


def run_sweep(settings: Settings, argv: Sequence[str]) -> Path:
    """Runs every trial that OUT does not hold yet; returns OUT.

    Raises UserError before anything is written or compiled. After SIGTERM or SIGINT it leaves a
    checkpoint and raises InterruptedRunError.

    Args:
        argv: the settings as flags, for the manifest.
    """
    out = out_folder(settings)
    given, settings = settings, _with_length_in_use(out, settings)
    trials = make_trials(settings)
    _check_one_process(settings.base)
    own = own_trials(settings, trials)
    elsewhere = {trial.number for trial in trials} - {trial.number for trial in own}
    if settings.base.dry_run:
        _dry_run(out, settings, given, trials, elsewhere)
        return out
    with contextlib.ExitStack() as stack:
        if writes():
            stack.enter_context(locked(out))
            check_claim(out, settings, given)
        finished = _finished(out, settings, trials)
        done = is_done(out, settings, finished)
        left = not done and any(trial.number not in finished for trial in own)
        workers = None
        if left and settings.base.cluster:
            workers = stack.enter_context(workers_of(settings.base))
        platform = workers.platform if workers else None
        plans = make_plans(trials, finished, platform, elsewhere) if left else []
        inputs = _inputs(out, settings, bool(plans)) if writes() else {}
        throughput = None
        if plans:
            _check_one_dev_set(plans)
            plans = _sized(plans) if platform is None else for_workers(plans, platform)
            elsewhere_groups = None
            if workers:  # before anything is written
                workers.until_one_is_ready()
                elsewhere_groups = groups_on(workers, settings, inputs)
            if writes():
                task = plans[0].task
                check_labels(out, settings, task.classes, task.dev.labels, task.sentence_lengths)
                about = _provenance(settings, argv, plans, inputs)
                begin(out, settings, about | (facts_of(plans, workers) if workers else {}))
                _write_asked(out, task)
                _say_what_was_read(given, plans)
                if settings.base.shard is not None:
                    say_which(settings.base.shard, trials, own, out)
                say(task.scoring)
                _say_looks(settings.base)
                _say_starts(plans)
            throughput = train(out, plans, settings, len(own), elsewhere_groups).totals()
        if writes():
            if not plans:  # what a process that was killed at its end has left
                drop_begun(out)
            _conclude(out, settings, throughput, trials)
    return out


def _check_one_process(config: SweepConfig) -> None:
    if config.keep_trials is not None and jax.process_count() > 1:
        raise UserError(
            "keep_trials is given, but several processes cannot agree on a choice; leave it out, or"
            " run one process."
        )


def _say_starts(plans: Sequence[ProgramPlan]) -> None:
    """How each program's trials begin and are chosen; what several share is said once."""
    starts = [(*choosing(plan), *plan.about_the_start) for plan in plans]
    for sentence in dict.fromkeys(s for each in starts for s in each):
        say(sentence)


def _write_asked(out: Path, task: Prepared) -> None:
    """What every trial answers: labels and classes of the dev set, ids and labels of others."""
    write_labels(out, task.classes, task.dev.labels, task.sentence_lengths)
    for name, asked in task.further.items():
        labels = asked.tokens.labels if asked.labelled else None
        write_asked(out, name, asked.ids, labels)


def _conclude(
    out: Path, settings: Settings, throughput: dict[str, Any] | None, trials: Sequence[Trial]
) -> None:
    """What is written and said over all trials; a shard has no verdict."""
    done, shard = len(read_rows(out)), settings.base.shard
    whole = shard is None or done == len(trials)
    conclude(out, settings.base, throughput, whole)
    if shard is not None and not whole:
        say_next(shard, done, len(trials), out)
    if settings.base.track is not None:
        track(out, settings.base.track)


def _dry_run(
    out: Path,
    settings: Settings,
    given: Settings,
    trials: Sequence[Trial],
    elsewhere: Container[int],
) -> None:
    """Says what the sweep would be, here or on the devices that are named."""
    check_claim(out, settings, given)
    devices = [accelerator(name) for name in dict.fromkeys(settings.base.device)]
    for device in devices:
        check_compiler(device)
    finished = _finished(out, settings, trials)
    platforms = dict.fromkeys(device.platform for device in devices) or {None: None}
    # Programs differ by platform: trials are stacked on an accelerator, on CPU they are not.
    by_platform: dict[str | None, list[ProgramPlan]] = {
        each: make_plans(trials, finished, each, elsewhere) for each in platforms
    }
    plans = next(iter(by_platform.values()))
    _inputs(out, settings, bool(plans))
    _check_one_dev_set(plans)
    _say_what_was_read(given, plans)
    if plans:
        say(plans[0].task.scoring)
        _say_looks(settings.base)
        for sentence in dict.fromkeys(s for plan in plans for s in choosing(plan)):
            say(sentence)
    if devices and plans:
        show_devices(plans, _compile_ahead(by_platform, devices))
    else:
        plans = _sized(plans)
        say("\n".join(plan_lines(plans, _try_steps(plans))))


def _compile_ahead(
    by_platform: Mapping[str | None, Sequence[ProgramPlan]], devices: Sequence[Accelerator]
) -> list[Outlook]:
    """Every program on every device, by its compiler."""
    total = sum(len(by_platform[device.platform]) for device in devices)
    say(f"Compiling for {', '.join(device.name for device in devices)} ...")
    with ProgressLine("programs", total) as line:
        return outlooks(by_platform, devices, line.update)


def _check_one_dev_set(plans: Sequence[ProgramPlan]) -> None:
    """Raises UserError for arms whose scores would not compare, nor share a file of labels."""
    first = plans[0].task if plans else None
    for task in (plan.task for plan in plans[1:]):
        assert first is not None
        same = np.array_equal(task.dev.labels, first.dev.labels)
        same = same and same_lengths(task.sentence_lengths, first.sentence_lengths)
        if task.classes != first.classes or not same:
            cut = "" if task.sentences is None else ", or other words are cut away"
            raise UserError(
                f"The arms have different classes or dev labels{cut}, and their scores do not"
                " compare; give them one --dev_file and the same --classes, or run them into"
                " folders of their own."
            )


def _say_what_was_read(given: Settings, plans: Sequence[ProgramPlan]) -> None:
    """Examples, classes, texts that were cut, and a max_length without room in the model."""
    if plans:
        say("\n".join(sentences(list(map(reading, plans)))))
    asked = max(given.base.max_length, *given.grid.get("max_length", ()), 0)
    for plan in plans[:1]:
        most = plan.task.model.encoder.config.max_length
        if asked > most and asked != SweepConfig.max_length:  # the default was not asked for
            say(f"max_length {asked} is more than the model's {most} positions: {most} is used.")


def _say_looks(config: SweepConfig) -> None:
    if config.until_decided:
        *sooner, last = looks(config)
        say(
            f"The verdict is looked at after {listed(map(str, sooner))} and {last} seeds per arm,"
            " and decides how many are run; plans and times are those of the last."
        )


def _try_steps(plans: Sequence[ProgramPlan]) -> list[Probe]:
    """What every program was seen to take."""
    say(f"Trying a few steps of {plural(len(plans), 'program')} ...")
    probes = []
    with ProgressLine("programs", len(plans)) as line:
        for number, plan in enumerate(plans, 1):
            trials = plural(plan.group_size, "trial")
            line.update(number - 1, f"trying number {number}, {trials} at once")
            probes.append(seen_of(plan))
    return probes


def _sized(plans: Sequence[ProgramPlan]) -> list[ProgramPlan]:
    """Every program with the trials that it runs at once; how they were chosen is said."""
    if writes() and any(plan.chosen is None for plan in plans):
        say("Choosing how many trials run at once ...")
    chosen = [sized(plan) for plan in plans]
    if writes():
        for sentence in filter(None, map(how_sized, chosen)):
            say(sentence)
    return chosen


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


def _with_length_in_use(out: Path, settings: Settings) -> Settings:
    """`with_length_in_use`, but for a finished sweep whose model is not there any more."""
    try:
        return with_length_in_use(settings)
    except UserError:
        if same_places(out, settings):
            return settings
        raise


def _inputs(out: Path, settings: Settings, pending: bool) -> Inputs:
    """The files of model and data, which are those that OUT was begun with.

    A finished sweep reads them no more: it can be shown where they no longer lie, say on another
    machine.
    """
    if settings.base.overwrite:
        return read_inputs(settings)
    needed = pending or not same_places(out, settings)
    try:
        inputs = read_inputs(settings)
    except UserError:
        if needed:
            raise
        return {}
    check_inputs(out, inputs, needed)
    return inputs


def _provenance(
    settings: Settings, argv: Sequence[str], plans: Sequence[ProgramPlan], inputs: Inputs
) -> dict[str, Any]:
    """The manifest of this run."""
    readings = readings_in({"data": list(map(reading, plans))})
    about = {"data": readings, "groups": [plan.describe() for plan in plans]}
    return describe(argv, settings.base.precision, inputs) | about
