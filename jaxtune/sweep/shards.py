"""A sweep that runs one shard of its trials, and what it says of that."""

from collections.abc import Sequence
from pathlib import Path

from jaxtune.config.parse import Settings
from jaxtune.config.text_values import shard_of
from jaxtune.config.trials import Trial, trials_of
from jaxtune.core.console import say
from jaxtune.core.words import as_typed, plural


def own_trials(settings: Settings, trials: Sequence[Trial]) -> Sequence[Trial]:
    """Those that this command is to run."""
    shard = settings.base.shard
    return trials if shard is None else trials_of(trials, shard_of(shard))


def say_which(shard: str, trials: Sequence[Trial], own: Sequence[Trial], out: Path) -> None:
    """Which trials this command runs, and where they go."""
    first, last = own[0].number, own[-1].number
    which = f"trial {first}" if first == last else f"trials {first} to {last}"
    say(f"Shard {shard}: {len(own)} of {plural(len(trials), 'trial')} ({which}), into {out}.")


def say_next(shard: str, done: int, num_trials: int, out: Path) -> None:
    """That there is no verdict on a part, and what gives one."""
    # Quoted for a shell, but for the star.
    parent = "" if out.parent == Path() else f"{as_typed(out.parent)}/"
    every = f"{parent}shard-*-of-{shard_of(shard).count}"
    say(
        f"{out} holds {done} of {plural(num_trials, 'trial')}: there is no verdict on a part."
        f" `jaxtune merge {every} --out JOINED` joins the shards when all have ended."
    )
