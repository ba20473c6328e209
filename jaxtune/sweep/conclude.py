"""What is written and said over all trials, and whether more seeds are needed for a verdict."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.config.looks import looks, times_at
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.config.text_values import shard_of
from jaxtune.core.console import say, say_whole
from jaxtune.core.errors import UserError
from jaxtune.core.files import read_json, write_json
from jaxtune.core.words import as_typed, plural
from jaxtune.data.reading import readings_in
from jaxtune.stats.arms import Arm, by_arm, make_arms
from jaxtune.stats.describe import summarise
from jaxtune.stats.equal_answers import equal_answers
from jaxtune.stats.intervals import share
from jaxtune.stats.verdict import Verdict, judge
from jaxtune.storage.paths import MANIFEST, SUMMARY, TENSORBOARD
from jaxtune.storage.results import read_history
from jaxtune.storage.tensorboard import names_of_arms, write_arm_curves
from jaxtune.storage.trial_rows import intact_rows, read_rows
from jaxtune.sweep.answers import write_answers
from jaxtune.sweep.progress import show_arms

MOST = 0.5  # of the trials
MANY_ARMS = 4  # from which on all pairs of them take seconds to compare


def conclude(
    out: Path,
    settings: Settings,
    throughput: dict[str, Any] | None,
    whole: bool = True,
    called: Path | None = None,
) -> None:
    """Writes summary.json, the arms' curves and their answers; says what came out.

    Args:
        throughput: of this run; None where nothing ran.
        whole: whether all trials of the sweep are there; there is no verdict on a part.
        called: what OUT is called when where things lie is said, if not by its path.
    """
    called = called or out
    arms = _summarise(out, throughput)  # before anything reads it: a damaged one is written anew
    rows = read_rows(out)
    history = read_history(out, [row["trial"] for row in rows])
    write_arm_curves(out / TENSORBOARD, rows, history, names_of_arms(settings))
    show_arms(arms)
    write_answers(out, rows, called)
    if whole:
        if len(arms) > MANY_ARMS:
            say(f"Comparing {len(arms)} arms ...")
        compared = make_arms(by_arm(rows))
        verdict = _verdict(compared, settings.base)
        say("\n".join([*equal_answers(compared), *verdict.sentences]))
    say_whole(f"\nResults: {called}")
    say_whole(f"Curves: tensorboard --logdir {as_typed(called / TENSORBOARD)}")


def say_next(shard: str, done: int, num_trials: int, out: Path) -> None:
    """That there is no verdict on a part, and what gives one."""
    # Quoted for a shell, but for the star.
    parent = "" if out.parent == Path() else f"{as_typed(out.parent)}/"
    every = f"{parent}shard-*-of-{shard_of(shard).count}"
    say(
        f"{out} holds {done} of {plural(num_trials, 'trial')}: there is no verdict on a part."
        f" `jaxtune merge {every} --out JOINED` joins the shards when all have ended."
    )


def is_decided(out: Path, config: SweepConfig, num_trials: int) -> bool:
    """Whether the first trials of OUT need none beside them: one arm was shown to be more stable
    than all others, or every trial failed, of so many that it is no bad luck.
    """
    if not config.until_decided:
        return False
    # Asked before damaged rows are taken out, of trials whose rows are sound.
    rows = [row for row in intact_rows(out) if row["trial"] < num_trials]
    failed = share(np.array([bool(row["failed"]) for row in rows]))
    # Recipes that fail in half of their trials fail in 4 of 4 in 6 of 100 cases, and there the low
    # end of Wilson's 95% interval is 51%; that of the exact one asks for 6 (1.6 of 100).
    nothing_learnt = failed.count == failed.n and failed.exact_low > MOST
    return nothing_learnt or _verdict(make_arms(by_arm(rows)), config).decided


def _verdict(arms: Sequence[Arm], config: SweepConfig) -> Verdict:
    """The report's own: a second test here would be another answer to the same question."""
    return judge(arms, times=times_at(looks(config), max(map(len, arms))))


def _summarise(out: Path, throughput: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Writes summary.json over every row of OUT; without new trials the throughput stays."""
    before: dict[str, Any] = {}
    with contextlib.suppress(UserError, TypeError, ValueError):
        before = dict(read_json(out / SUMMARY))
    summaries = {arm: summarise(rows) for arm, rows in by_arm(read_rows(out)).items()}
    readings = before.get("data", [])  # which stay where the manifest is damaged
    with contextlib.suppress(UserError, AttributeError, TypeError):
        readings = readings_in(read_json(out / MANIFEST)) or readings
    throughput = throughput or before.get("throughput")
    whole = {"arms": summaries, "data": readings, "throughput": throughput}
    write_json(out / SUMMARY, whole)
    return summaries
