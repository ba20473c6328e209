"""Parameters of a sweep's finished trials, checked against what the sweep left of them."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp

from jaxtune.export.members import DevSet, Member, Params, read_sweep
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.vocabulary import compact_embedding
from jaxtune.training.prepare import Prepared


class KeptTrials:
    """The trials of a sweep whose final parameters it kept; raises UserError where some are missing
    or damaged.
    """

    def __init__(self, out: Path, numbers: Iterable[int]):
        self.sweep = read_sweep(out, "final")
        by_number = {member.number: member for member in self.sweep.members}
        self.members = {number: by_number[number] for number in numbers}

    @cached_property
    def _dev(self) -> DevSet:
        return DevSet(next(iter(self.members.values())).trial)

    @property
    def task(self) -> Prepared:
        """What the trials were trained on."""
        return self._dev.task

    def member(self, number: int) -> Member:
        """The trial and its row."""
        return self.members[number]

    def params(self, number: int) -> Params:
        """By path, every word's embedding among them; they give the logits that the sweep left."""
        member = self.members[number]
        params = self.sweep.params(member)
        self._dev.check(self.sweep, member, params)
        return params

    def model(self, number: int) -> SequenceClassifier:
        """With the embedding rows of words in use alone, as it was trained."""
        model = self._dev.model(self.params(number), self.members[number].folder)
        return jax.tree.map(jnp.asarray, compact_embedding(model, self.task.kept_words))
