"""What a sweep says of itself before it trains."""

from collections.abc import Sequence
from pathlib import Path

from jaxtune.config.looks import looks
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import Trial
from jaxtune.core.console import say
from jaxtune.core.words import listed, plural
from jaxtune.data.reading import sentences
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.plan_words import about_the_start, choosing, reading


def say_what_was_read(given: Settings, plans: Sequence[ProgramPlan]) -> None:
    """Examples, classes, texts that were cut, and a max_length without room in the model."""
    if plans:
        say("\n".join(sentences(list(map(reading, plans)))))
    asked = max(given.base.max_length, *given.grid.get("max_length", ()), 0)
    for plan in plans[:1]:
        most = plan.task.model.encoder.config.max_length
        if asked > most and asked != SweepConfig.max_length:  # the default was not asked for
            say(f"max_length {asked} is more than the model's {most} positions: {most} is used.")


def say_shard(shard: str, trials: Sequence[Trial], own: Sequence[Trial], out: Path) -> None:
    """Which trials this command runs, and where they go."""
    first, last = own[0].number, own[-1].number
    which = f"trial {first}" if first == last else f"trials {first} to {last}"
    say(f"Shard {shard}: {len(own)} of {plural(len(trials), 'trial')} ({which}), into {out}.")


def say_looks(config: SweepConfig) -> None:
    if config.until_decided:
        *sooner, last = looks(config)
        say(
            f"The verdict is looked at after {listed(map(str, sooner))} and {last} seeds per arm,"
            " and decides how many are run; plans and times are those of the last."
        )


def say_starts(plans: Sequence[ProgramPlan]) -> None:
    """How each program's trials begin and are chosen; what several share is said once."""
    starts = [(*choosing(plan), *about_the_start(plan)) for plan in plans]
    for sentence in dict.fromkeys(s for each in starts for s in each):
        say(sentence)
