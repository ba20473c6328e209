"""What a command asks for: OUT, settings and trials, and which of them OUT holds already."""

import contextlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from jaxtune.config.equal_arms import check_arms_differ
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.config.text_values import shard_of
from jaxtune.config.trials import Trial, make_trials, trials_of
from jaxtune.core.errors import UserError
from jaxtune.core.processes import everyones, in_all, writes
from jaxtune.core.records import AtOnce
from jaxtune.models.pretrained import locate, read_config
from jaxtune.storage.out_folder import finished_trials, out_folder
from jaxtune.storage.same_config import same_places
from jaxtune.sweep.same_command import check_same_command
from jaxtune.training.check_settings import with_length_in_use


class Asked(NamedTuple):
    """A sweep as its command asks for it."""

    out: Path
    settings: Settings
    given: Settings  # before max_length was fitted to the model
    trials: Sequence[Trial]
    own: Sequence[Trial]  # that this command is to run: of a shard a part

    @property
    def elsewhere(self) -> set[int]:
        """The trials of other shards."""
        return {trial.number for trial in self.trials} - {trial.number for trial in self.own}


def asked_for(settings: Settings) -> Asked:
    """Raises UserError in all processes of a run where that is no sweep, or not one for all."""
    asked = in_all(lambda: _asked(settings))
    check_same_command(asked.settings)
    return asked


def finished_of(asked: Asked, claim: Callable[[], None]) -> dict[int, AtOnce]:
    """Trials that OUT holds, and beside how many each ran, as the first process sees it.

    Args:
        claim: raises UserError where OUT is not this sweep's; asked of the first process before it
            reads there.
    """
    base = asked.settings.base

    def held() -> dict[int, AtOnce]:
        if not writes():
            return {}
        claim()
        return {} if base.overwrite else finished_trials(asked.out, asked.trials)

    # As a list: JSON's names are no numbers, and its tuples lists.
    found = everyones([*in_all(held).items()])[0]
    return {number: AtOnce(*at_once) for number, at_once in found}


def check_arms(asked: Asked, finished: Collection[int] = ()) -> None:
    """Raises UserError where two arms would train the same trials; those that OUT holds stay."""
    try:
        check_arms_differ(asked.settings, _unused_by_model(asked.settings))
    except UserError as error:
        if not finished:
            raise
        raise UserError(
            f"{error} What {asked.out} holds stays, and jaxtune report {asked.out} judges it."
        ) from error


def _asked(settings: Settings) -> Asked:
    out = out_folder(settings)
    given, settings = settings, _with_length_in_use(out, settings)
    trials, shard = make_trials(settings), settings.base.shard
    _check_one_process(settings.base)
    own = trials if shard is None else trials_of(trials, shard_of(shard))
    return Asked(out, settings, given, trials, own)


def _unused_by_model(settings: Settings) -> tuple[str, ...]:
    """Swept fields that the model makes no use of; none where it is not there any more."""
    base = settings.base
    if "use_token_types" not in settings.grid or base.model is None:
        return ()
    with contextlib.suppress(UserError):
        encoder, _ = read_config(locate(base.model, base.revision))
        return ("use_token_types",) if encoder.type_vocab_size < 2 else ()
    return ()


def _check_one_process(config: SweepConfig) -> None:
    if config.keep_trials is not None and jax.process_count() > 1:
        raise UserError(
            "keep_trials is given, but several processes cannot agree on a choice; leave it out, or"
            " run one process."
        )


def _with_length_in_use(out: Path, settings: Settings) -> Settings:
    """`with_length_in_use`, but for a finished sweep whose model is not there any more."""
    try:
        return with_length_in_use(settings)
    except UserError:
        if same_places(out, settings):
            return settings
        raise
