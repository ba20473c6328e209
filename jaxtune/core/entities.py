"""Entities that the tags of words spell, and their F1: the strict one of conlleval, which is also
what seqeval's `f1_score` gives by default.

Tags are IOB1, IOB2 or IOBES (such as B-PER, I-PER, O); BILOU's L and U mean E and S.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

OUTSIDE = "O"
_TAG = re.compile(r"O|([BIESLU])(?:-(.+))?")
# As people spell them who are no readers of CoNLL: b-per, B_PER, PER-B.
_NEARLY = re.compile(r"O|[BIESLU][-_].+|.+[-_][BIESLU]", re.IGNORECASE)
_OF_BILOU = {"L": "E", "U": "S"}
_LETTERS = "OBIES"
_O, _B, _I, _E, _S = range(len(_LETTERS))


class Sentences(NamedTuple):
    """What entities are read from beside the words' tags: their names, and sentences."""

    tags: tuple[str, ...]  # in the order of the logits
    lengths: Int[np.ndarray, " sentence"]  # in words that have a tag

    @property
    def of_words(self) -> Int[np.ndarray, " word"]:
        """The sentence that each word is of."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def same_lengths(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether two dev sets part their words alike; None is of one whose words have no tags."""
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


class Counts(NamedTuple):
    """Entities by sentence, each `[sentence]`."""

    hits: np.ndarray  # given and right: the same words and the same type
    given: np.ndarray
    right: np.ndarray


def are_entities(tags: Sequence[str]) -> bool:
    """Whether tags spell entities: all are O, or B, I, E, S, L or U with a type after a dash, or
    without one, and some are not O.
    """
    return all(map(_TAG.fullmatch, tags)) and any(tag != OUTSIDE for tag in tags)


def are_nearly_entities(tags: Sequence[str]) -> bool:
    """Whether tags would spell entities if they were written otherwise."""
    return all(map(_NEARLY.fullmatch, tags)) and any(tag.upper() != OUTSIDE for tag in tags)


def no_entities(tags: Sequence[str]) -> list[str]:
    """The tags that keep the others, of which more have a type, from spelling entities."""
    odd = [tag for tag in tags if not _TAG.fullmatch(tag)]
    typed = sum(bool((found := _TAG.fullmatch(tag)) and found[2]) for tag in tags)
    return odd if typed > len(odd) else []


def entity_f1(counts: Counts) -> float:
    """Micro F1 over all entities; 0 where there are none on either side."""
    total = counts.given.sum() + counts.right.sum()
    return float(2 * counts.hits.sum() / total) if total else 0.0


def count_entities(
    given: Int[np.ndarray, " word"], right: Int[np.ndarray, " word"], sentences: Sentences
) -> Counts:
    """Entities of two ways to tag the same words.

    Args:
        given: tags by number, those that a model gives.
        right: those that are right.
    """
    letters, types = _table(sentences.tags)
    of_words, size = sentences.of_words, len(sentences.lengths)
    first = np.diff(of_words, prepend=-1) != 0

    def spans(tags: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _spans(letters[tags], types[tags], first)

    (starts, ends, kinds), (starts_r, ends_r, kinds_r) = spans(given), spans(right)
    # Both are in the order of the words, and in each a word begins one entity at most.
    _, at, at_r = np.intersect1d(starts, starts_r, assume_unique=True, return_indices=True)
    same = (ends[at] == ends_r[at_r]) & (kinds[at] == kinds_r[at_r])
    found = (starts[at[same]], starts, starts_r)
    return Counts(*(np.bincount(of_words[each], minlength=size) for each in found))


def _table(tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Letter and type of each tag, as numbers."""
    letters, names = [], []
    for tag in tags:
        found = _TAG.fullmatch(tag)
        assert found is not None, f"{tag} is no entity's tag"
        letter = found[1] or OUTSIDE
        letters.append(_LETTERS.index(_OF_BILOU.get(letter, letter)))
        names.append(found[2] or "")
    return np.array(letters), np.unique(names, return_inverse=True)[1]


def _spans(
    letters: np.ndarray, types: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First and last word and type of every entity, by conlleval's rules for ill-formed tags too.

    A word that is not O begins one if it is a B or S, if the word before is an O, E or S or of
    another type, or if it is the first of its sentence; the entity goes on to the word before the
    next beginning or O.
    """
    before = np.roll(letters, 1)
    before[first] = _O
    other_type = types != np.roll(types, 1)
    inside = letters != _O
    begins = inside & (np.isin(letters, (_B, _S)) | np.isin(before, (_O, _E, _S)) | other_type)
    goes_on = inside & ~begins
    starts = np.flatnonzero(begins)
    ends = np.flatnonzero(inside & ~np.append(goes_on[1:], False))
    return starts, ends, types[starts]
