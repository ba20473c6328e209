"""Examples to token tables: cut by the checkpoint's own tokenizer and laid end to end."""

import dataclasses
from typing import Any

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.words import plural
from jaxtune.data.examples import Examples
from jaxtune.data.token_table import TokenTable, starts_of
from jaxtune.data.tokenizer_folder import foreign_code


def tokenize(
    tokenizer: Any,
    examples: Examples,
    max_length: int,
    vocab_size: int,
    token_types: int = 2,
) -> TokenTable:
    """Cuts every example, longest sentence first, at `max_length` tokens, special ones included.

    Where words have labels, a word's is at its first token, and a word without any is left out.

    Raises UserError where the tokenizer gives an id, or a token type, that the model's embedding
    does not have.

    Args:
        token_types: that the model tells apart; with 0 or 1 every token has type 0.
    """
    _check_room(tokenizer, max_length, len(examples.texts))
    encoded = _encode(
        tokenizer,
        *examples.texts,
        is_split_into_words=examples.words is not None,
        truncation="longest_first",
        max_length=max_length,
        return_token_type_ids=True,
    )
    types = encoded["token_type_ids"] if token_types > 1 else None
    table = _table(encoded["input_ids"], types, tokenizer.pad_token_id, examples.labels)
    if examples.words is not None:
        table = _with_words(table, encoded, examples)
    if (most := int(table.token_types.max())) >= max(token_types, 1):
        raise UserError(
            f"The tokenizer in {tokenizer.name_or_path} gives the token type {most}, but the model"
            f" has {plural(token_types, 'type')}; give --use_token_types false, or a model and"
            " tokenizer that belong together."
        )
    # Also where the examples do not use it: such a tokenizer was made for another model.
    largest = max(table.ids.max(), largest_id(tokenizer))
    if largest >= vocab_size:
        raise UserError(
            f"The tokenizer in {tokenizer.name_or_path} gives id {largest}, but the model has"
            f" {plural(vocab_size, 'embedding row')}; give a model and tokenizer that belong"
            " together."
        )
    return table


def _with_words(table: TokenTable, encoded: Any, examples: Examples) -> TokenTable:
    """The table with labels at the first tokens of words."""
    assert examples.words is not None
    begins, found, before = [np.array([-1])], [], 0  # the padding token's
    for number, words in enumerate(examples.words):
        of_word = np.array([-1 if w is None else w for w in encoded.word_ids(number)], np.int64)
        first = (of_word >= 0) & (np.diff(of_word, prepend=-1) != 0)
        begins.append(np.where(first, of_word, -1))
        found.append(before + of_word[first])
        before += len(words)
    labels = examples.labels[np.concatenate(found)]
    return dataclasses.replace(table, labels=labels, begins=np.concatenate(begins).astype(np.int32))


def were_cut(
    tokenizer: Any, examples: Examples, lengths: np.ndarray, max_length: int
) -> np.ndarray:
    """Which examples lost tokens at `max_length`, bool `[example]`; `lengths` are those kept.

    Only what fills the length can have been longer, so only that is cut into tokens again.
    """
    cut = lengths >= max_length
    full = np.flatnonzero(cut)
    if len(full):
        texts = [[column[i] for i in full] for column in examples.texts]
        of_words = examples.words is not None
        whole = _encode(tokenizer, *texts, is_split_into_words=of_words, truncation=False)
        cut[full] = [len(ids) > max_length for ids in whole["input_ids"]]
    return cut


def largest_id(tokenizer: Any) -> int:
    """The largest id of the vocabulary, added tokens included."""
    return max(tokenizer.get_vocab().values())


def tokenize_chunks(tokenizer: Any, texts: list[str], max_length: int) -> TokenTable:
    """Unlabelled texts, cut into pieces of at most `max_length` tokens; nothing is dropped."""
    _check_room(tokenizer, max_length, 1)
    if not getattr(tokenizer, "is_fast", False):  # the rest of a long text would be lost
        raise UserError(
            f"The tokenizer in {tokenizer.name_or_path} cannot cut a long text into pieces; give a"
            " folder with a tokenizer.json."
        )
    sequences = _encode(
        tokenizer,
        texts,
        truncation=True,
        max_length=max_length,
        return_overflowing_tokens=True,
    )["input_ids"]
    return _table(sequences, None, tokenizer.pad_token_id, np.zeros(len(sequences), np.int32))


def _encode(tokenizer: Any, *texts: Any, return_token_type_ids: bool = False, **how: Any) -> Any:
    how |= {"return_attention_mask": False, "verbose": False}
    # Some defects show only here, such as a missing [UNK].
    with foreign_code(f"The tokenizer in {tokenizer.name_or_path} cannot cut the sentences"):
        return tokenizer(*texts, return_token_type_ids=return_token_type_ids, **how)


def _check_room(tokenizer: Any, max_length: int, sentences: int) -> None:
    """Without room for special tokens tokenizers do not cut at all, silently."""
    least = tokenizer.num_special_tokens_to_add(pair=sentences == 2) + sentences
    if max_length < least:
        raise UserError(
            f"max_length is {max_length}; this tokenizer needs at least {least}: its special tokens"
            " and a word of every sentence."
        )


def _table(
    sequences: list[list[int]],
    token_types: list[list[int]] | None,
    padding: int,
    labels: np.ndarray,
) -> TokenTable:
    lengths = np.array([len(ids) for ids in sequences], np.int32)
    ids = _flat(sequences, padding)
    starts = starts_of(lengths)
    positions = np.arange(len(ids)) - np.concatenate([[0], np.repeat(starts, lengths)])
    return TokenTable(
        ids=ids,
        token_types=np.zeros_like(ids) if token_types is None else _flat(token_types, 0),
        positions=positions.astype(np.int32),
        starts=starts,
        lengths=lengths,
        labels=labels,
    )


def _flat(sequences: list[list[int]], padding: int) -> np.ndarray:
    return np.concatenate([[padding], *sequences]).astype(np.int32)
