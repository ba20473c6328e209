"""The tokens of a split, laid end to end, as plans point into them; and the words in use."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxtune.core.shapes import Array, Float, Int


class Tokens(NamedTuple):
    """A split as compiled programs read it: flat token arrays, and the labels of each example."""

    ids: Int[Array, " token"]
    token_types: Int[Array, " token"]
    positions: Int[Array, " token"]
    labels: Int[Array, " example"] | Float[Array, " example"] | Int[Array, "example label"]
    # Where words have labels: the label that the word has whose first token this is, else -1.
    word: Int[Array, " token"] | None = None


@dataclasses.dataclass(frozen=True)
class TokenTable:
    """The tokens of a split, end to end; index 0 is a padding token, for plans to point at."""

    ids: np.ndarray  # int32 [token]
    token_types: np.ndarray  # int32 [token]
    positions: np.ndarray  # int32 [token], from 0 in every sequence
    starts: np.ndarray  # int32 [example], index of each first token
    lengths: np.ndarray  # int32 [example]
    # int32 classes or float32 scores [example], or int32 [example, label]; where words have labels,
    # int32 [word] of those that have a token.
    labels: np.ndarray
    # Int32 [token]: which word of its sentence begins there, from 0 on; -1 where none does.
    begins: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def as_tokens(self) -> Tokens:
        """The part that a plan points into."""
        arrays = [self.ids, self.token_types, self.positions, self.labels]
        if self.begins is not None:
            arrays.append(self.word)
        return Tokens(*map(jnp.asarray, arrays))

    @property
    def word(self) -> np.ndarray:
        """The label of the word that each token begins, int32 [token], -1 where it begins none."""
        assert self.begins is not None
        begins = self.begins >= 0
        return np.where(begins, np.cumsum(begins) - 1, -1).astype(np.int32)

    @property
    def num_words(self) -> np.ndarray:
        """Labelled words of each example, int32 [example]."""
        assert self.begins is not None
        before = np.concatenate([[0], np.cumsum(self.begins >= 0)])
        return (before[self.starts + self.lengths] - before[self.starts]).astype(np.int32)

    @property
    def places_of_words(self) -> list[tuple[int, int]]:
        """The example of each labelled word, and its place there, from 0 on."""
        assert self.begins is not None
        numbers = self.begins[self.begins >= 0].tolist()
        return list(zip(self.example_of_word.tolist(), numbers, strict=True))

    def word_names(self, ids: Sequence[str]) -> list[str]:
        """What tells labelled words apart, such as `12.1` for the first of the sentence `12`."""
        return [f"{ids[example]}.{place + 1}" for example, place in self.places_of_words]

    @property
    def example_of_word(self) -> np.ndarray:
        """The example of each labelled word, [word]."""
        return np.repeat(np.arange(len(self)), self.num_words)

    @property
    def drawn_by(self) -> np.ndarray:
        """The labels by which examples are drawn, an entry for each: of words, which ones occur."""
        if self.begins is None:
            return self.labels
        occur = np.zeros((len(self), self.labels.max(initial=0) + 1), np.int32)
        occur[self.example_of_word, self.labels] = 1
        return occur

    def take(self, examples: np.ndarray) -> "TokenTable":
        """The table of some examples, in the order given, without the tokens of the others."""
        lengths = self.lengths[examples]
        starts = starts_of(lengths)
        tokens = np.repeat(self.starts[examples] - starts, lengths) + np.arange(lengths.sum()) + 1
        tokens = np.concatenate([[0], tokens])
        labels, begins = self.labels[examples], None
        if self.begins is not None:
            begins, word = self.begins[tokens], self.word[tokens]
            labels = self.labels[word[word >= 0]]
        return TokenTable(
            ids=self.ids[tokens],
            token_types=self.token_types[tokens],
            positions=self.positions[tokens],
            starts=starts,
            lengths=lengths,
            labels=labels,
            begins=begins,
        )

    def followed_by(self, other: "TokenTable") -> "TokenTable":
        """The examples of both, these first."""
        moved = other.starts + np.int32(len(self.ids) - 1)
        begins = None
        if self.begins is not None and other.begins is not None:
            begins = np.concatenate([self.begins, other.begins[1:]])
        return TokenTable(  # with a single padding token
            ids=np.concatenate([self.ids, other.ids[1:]]),
            token_types=np.concatenate([self.token_types, other.token_types[1:]]),
            positions=np.concatenate([self.positions, other.positions[1:]]),
            starts=np.concatenate([self.starts, moved]),
            lengths=np.concatenate([self.lengths, other.lengths]),
            labels=np.concatenate([self.labels, other.labels]),
            begins=begins,
        )


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """Where sequences laid end to end begin, after the one padding token."""
    return 1 + np.cumsum(lengths, dtype=np.int32) - lengths


def compact(tables: list[TokenTable], fixed: int = 0) -> tuple[list[TokenTable], np.ndarray]:
    """Renumbers word ids so that only words some table uses keep an embedding row.

    Ids below `fixed` stay as they are, used or not: where positions are counted from the padding
    id, it must not move. The padding token is one of a table's own.

    Returns the tables and the ids kept, ascending: row i of a compacted embedding is word
    `kept[i]`.
    """
    kept = np.unique(np.concatenate([np.arange(fixed), *(table.ids for table in tables)]))
    renumbered = [
        dataclasses.replace(table, ids=np.searchsorted(kept, table.ids).astype(np.int32))
        for table in tables
    ]
    return renumbered, kept.astype(np.int32)


def compact_beside(
    tables: Mapping[str, TokenTable], kept: np.ndarray
) -> tuple[dict[str, TokenTable], np.ndarray]:
    """Renumbers word ids as `compact` did, and words that it did not keep after all of those.

    Returns the tables and the ids that came in addition, ascending: row `len(kept) + i` of an
    embedding with both is word `more[i]`.
    """
    used = np.unique(np.concatenate([np.empty(0, np.int32), *(t.ids for t in tables.values())]))
    more = np.setdiff1d(used, kept).astype(np.int32)
    both = np.concatenate([kept, more])
    order = np.argsort(both)

    def renumbered(ids: np.ndarray) -> np.ndarray:
        return order[np.searchsorted(both, ids, sorter=order)].astype(np.int32)

    return {
        name: dataclasses.replace(table, ids=renumbered(table.ids))
        for name, table in tables.items()
    }, more
