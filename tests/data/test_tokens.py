"""Token tables against the tokenizers' own encodings, truncation, vocabulary compaction, and every
error.
"""

import dataclasses
import re
import types
from typing import Any

import numpy as np
import pytest
from tokenizer_folders import ALL, LABELS, PAIRS, SINGLES, VOCAB_SIZE, examples_of

from jaxtune.core.errors import UserError
from jaxtune.data.examples import Examples
from jaxtune.data.glue import read_glue_folder
from jaxtune.data.miniature.language import corpus
from jaxtune.data.token_table import compact
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import tokenize, tokenize_chunks


class PanicException(BaseException):
    """What Rust code raises, by name."""


def encode(tokenizer: Any, examples: Examples, **how: Any) -> tuple[list, list]:
    """Ids and token types, example by example, straight from the tokenizer."""
    seconds = examples.second or [None] * len(examples)
    encoded = [
        tokenizer(first, second, return_token_type_ids=True, **how)
        for first, second in zip(examples.first, seconds, strict=True)
    ]
    return [e["input_ids"] for e in encoded], [e["token_type_ids"] for e in encoded]


@pytest.mark.parametrize("examples", [PAIRS, SINGLES], ids=["pairs", "singles"])
@pytest.mark.parametrize("name", ALL)
def test_tables_hold_the_tokenizers_own_encoding(folder_of, name, examples):
    tokenizer = load_tokenizer(folder_of(name))
    ids, types = encode(tokenizer, examples)
    table = tokenize(tokenizer, examples, 128, VOCAB_SIZE)
    assert examples_of(table, table.ids) == ids
    assert examples_of(table, table.token_types) == types
    assert examples_of(table, table.positions) == [list(range(len(one))) for one in ids]
    assert (table.ids[0], table.token_types[0], table.positions[0]) == (
        tokenizer.pad_token_id,
        0,
        0,
    )
    assert table.labels is LABELS
    assert len(table) == len(ids)
    arrays = (table.ids, table.token_types, table.positions, table.starts, table.lengths)
    assert all(array.dtype == np.int32 for array in arrays)


@pytest.mark.parametrize("examples", [PAIRS, SINGLES], ids=["pairs", "singles"])
@pytest.mark.parametrize("name", ALL)
def test_truncation_cuts_the_longest_sentence_first(folder_of, name, examples):
    tokenizer = load_tokenizer(folder_of(name))
    whole = encode(tokenizer, examples)[0]
    for max_length in (6, 9):
        table = tokenize(tokenizer, examples, max_length, VOCAB_SIZE)
        how = {"truncation": "longest_first", "max_length": max_length}
        ids, types = encode(tokenizer, examples, **how)
        assert examples_of(table, table.ids) == ids
        assert examples_of(table, table.token_types) == types
        assert table.lengths.tolist() == [min(len(one), max_length) for one in whole]


def test_the_short_sentence_of_a_pair_stays_whole(folder_of):
    tokenizer = load_tokenizer(folder_of("miniature"))
    pair = Examples(["dog " * 9, "dog wolf"], ["wolf sleeps", "mouse " * 9], LABELS[:2])
    table = tokenize(tokenizer, pair, 8, VOCAB_SIZE)
    texts = [
        " ".join(tokenizer.convert_ids_to_tokens(ids)) for ids in examples_of(table, table.ids)
    ]
    assert texts[0] == "[CLS] dog dog dog [SEP] wolf sleeps [SEP]"
    assert texts[1] == "[CLS] dog wolf [SEP] mouse mouse mouse [SEP]"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("bert-uncased", 2),
        ("albert-v2", 2),
        ("deberta-v2", 2),
        *((name, 1) for name in ("roberta", "xlm-roberta", "camembert")),
    ],
)
def test_token_types_tell_sentences_apart_except_in_roberta(folder_of, name, kinds):
    tokenizer = load_tokenizer(folder_of(name))
    table = tokenize(tokenizer, PAIRS, 128, VOCAB_SIZE)
    assert set(table.token_types) == set(range(kinds))
    without = tokenize(tokenizer, PAIRS, 128, VOCAB_SIZE, token_types=0)
    assert not without.token_types.any()
    np.testing.assert_array_equal(without.ids, table.ids)
    # A model with one type reads the first row of its table everywhere: no index leads out of it.
    assert not tokenize(tokenizer, PAIRS, 128, VOCAB_SIZE, token_types=1).token_types.any()


def test_token_types_that_a_model_does_not_tell_apart_are_refused(folder_of):
    tokenizer = load_tokenizer(folder_of("bert-uncased"))
    encode = tokenizer.__call__

    class Third:
        """A tokenizer that gives a third type."""

        def __getattr__(self, name):
            return getattr(tokenizer, name)

        def __call__(self, *texts, **more):
            found = encode(*texts, **more)
            found["token_type_ids"] = [[2] * len(ids) for ids in found["input_ids"]]
            return found

    with pytest.raises(UserError, match="gives the token type 2, but the model has 2 types"):
        tokenize(Third(), PAIRS, 128, VOCAB_SIZE)
    assert tokenize(Third(), PAIRS, 128, VOCAB_SIZE, token_types=3).token_types.max() == 2


def test_sentences_of_any_size_are_cut_to_fit(folder_of):
    tokenizer = load_tokenizer(folder_of("bert-uncased"))
    table = tokenize(
        tokenizer, Examples(["word " * 2000, "word"], None, LABELS[:2]), 128, VOCAB_SIZE
    )
    assert table.lengths.tolist() == [128, 3]
    for ids in examples_of(table, table.ids):
        assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)


@pytest.mark.parametrize(
    ("vocab_size", "examples", "max_length", "message"),
    [
        (100, PAIRS, 128, "the model has 100 embedding rows"),
        (VOCAB_SIZE, PAIRS, 4, "max_length is 4; this tokenizer needs at least 5"),
        (VOCAB_SIZE, SINGLES, 2, "max_length is 2; this tokenizer needs at least 3"),
    ],
)
def test_what_cannot_be_encoded_is_refused(folder_of, vocab_size, examples, max_length, message):
    tokenizer = load_tokenizer(folder_of("miniature"))
    with pytest.raises(UserError, match=re.escape(message)):
        tokenize(tokenizer, examples, max_length, vocab_size)


def test_the_last_embedding_row_may_be_used(folder_of):
    tokenizer = load_tokenizer(folder_of("miniature"))
    most = int(tokenize(tokenizer, PAIRS, 128, VOCAB_SIZE).ids.max())
    tokenize(tokenizer, PAIRS, 128, most + 1)
    with pytest.raises(UserError, match=f"gives id {most}, but the model has {most} embedding"):
        tokenize(tokenizer, PAIRS, 128, most)


@pytest.mark.parametrize(
    ("error", "expected"),
    [(Exception, UserError), (PanicException, UserError), (KeyboardInterrupt, KeyboardInterrupt)],
)
def test_what_a_tokenizer_raises_is_a_user_error_and_ctrl_c_is_not(folder_of, error, expected):
    tokenizer = load_tokenizer(folder_of("miniature"))

    class Failing:
        name_or_path = "folder"
        num_special_tokens_to_add = tokenizer.num_special_tokens_to_add

        def __call__(self, *_: object, **__: object) -> None:
            raise error("no such\n word.")

    message = r"^The tokenizer in folder cannot cut the sentences \(no such word\)\.$"
    with pytest.raises(expected, match=message if expected is UserError else "no such"):
        tokenize(Failing(), PAIRS, 128, VOCAB_SIZE)


def test_take_keeps_examples_in_the_order_given(folder_of):
    table = tokenize(load_tokenizer(folder_of("miniature")), PAIRS, 128, VOCAB_SIZE)
    for chosen in ([2, 0], [3, 3, 1], [], [0, 1, 2, 3]):
        part = table.take(np.array(chosen, int))
        for name in ("ids", "token_types", "positions"):
            whole = examples_of(table, getattr(table, name))
            assert examples_of(part, getattr(part, name)) == [whole[i] for i in chosen]
            assert getattr(part, name)[0] == getattr(table, name)[0]
            assert getattr(part, name).dtype == np.int32
        assert len(part.ids) == 1 + part.lengths.sum()
        np.testing.assert_array_equal(part.labels, LABELS[chosen])
        assert part.starts.dtype == part.lengths.dtype == np.int32


def test_tables_follow_one_another(folder_of):
    table = tokenize(load_tokenizer(folder_of("miniature")), PAIRS, 128, VOCAB_SIZE)
    both = table.take(np.array([2, 0])).followed_by(table.take(np.array([1, 3, 1])))
    again = table.take(np.array([2, 0, 1, 3, 1]))
    for field in dataclasses.fields(table):
        found, expected = getattr(both, field.name), getattr(again, field.name)
        np.testing.assert_array_equal(found, expected)
        assert (found is None) == (field.name == "begins")  # where words begin that have labels
        assert found is None or found.dtype == expected.dtype


def test_compaction_changes_no_lookup(folder_of):
    tokenizer = load_tokenizer(folder_of("miniature"))
    whole = tokenize(tokenizer, SINGLES, 128, VOCAB_SIZE)
    tables = [whole.take(np.array([0])), whole.take(np.array([1, 2]))]
    compacted, kept = compact(tables)
    used = set(tables[0].ids) | set(tables[1].ids)
    assert kept.tolist() == sorted(used)
    assert kept.dtype == np.int32
    assert tokenizer.pad_token_id in kept
    embedding = np.random.default_rng(0).normal(size=(len(tokenizer), 3))
    for before, after in zip(tables, compacted, strict=True):
        assert after.ids.dtype == np.int32
        np.testing.assert_array_equal(embedding[kept][after.ids], embedding[before.ids])
        assert after.positions is before.positions


def test_compaction_can_leave_ids_alone(folder_of):
    """Up to padding's, where a model counts positions from it; else it is a word like others."""
    whole = tokenize(load_tokenizer(folder_of("miniature")), SINGLES, 128, VOCAB_SIZE)
    moved = dataclasses.replace(whole, ids=np.where(whole.ids == 0, 7, whole.ids + 8))
    used = sorted(set(whole.ids[1:] + 8))
    for fixed, first in ((7, [*range(8)]), (0, [7])):
        (after,), kept = compact([moved], fixed)
        assert kept.tolist() == [*first, *used]
        assert after.ids[0] == first.index(7)
        np.testing.assert_array_equal(kept[after.ids], moved.ids)


def test_examples_that_are_left_out_keep_no_embedding_row(folder_of):
    whole = tokenize(load_tokenizer(folder_of("miniature")), SINGLES, 128, VOCAB_SIZE)
    assert len(compact([whole.take(np.array([2]))])[1]) == 4  # [PAD] [CLS] a [SEP]


def test_rte_uses_less_than_half_of_the_vocabulary(folder_of, real_data):
    tokenizer = load_tokenizer(folder_of("bert-uncased"))
    data = read_glue_folder("rte", real_data / "glue")
    tables = [tokenize(tokenizer, part, 128, len(tokenizer)) for part in (data.train, data.dev)]
    (train, _), kept = compact(tables)
    assert (len(kept), len(tokenizer)) == (14_069, 30_522)
    assert train.ids.max() < len(kept)
    np.testing.assert_array_equal(kept[train.ids], tables[0].ids)


@pytest.mark.parametrize("name", ALL)
def test_long_paragraphs_are_cut_into_pieces_that_lose_nothing(folder_of, name):
    tokenizer = load_tokenizer(folder_of(name))
    texts = [" ".join(corpus(40, seed=1)), "dog", "the wolf sleeps"]
    table = tokenize_chunks(tokenizer, texts, 12)
    assert table.lengths.max() == 12
    assert not table.token_types.any()
    assert len(table.labels) == len(table) > 20
    words = []
    for ids, positions in zip(
        examples_of(table, table.ids), examples_of(table, table.positions), strict=True
    ):
        assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
        assert positions == list(range(len(ids)))
        words += ids[1:-1]
    whole = tokenizer(texts, add_special_tokens=False)["input_ids"]
    assert words == [word for text in whole for word in text]


def test_pieces_need_room_for_a_word(folder_of):
    with pytest.raises(UserError, match="max_length is 2; this tokenizer needs at least 3"):
        tokenize_chunks(load_tokenizer(folder_of("miniature")), ["dog"], 2)


def test_a_tokenizer_that_would_lose_text_is_refused(folder_of):
    tokenizer = load_tokenizer(folder_of("miniature"))
    slow = types.SimpleNamespace(
        name_or_path="slow", num_special_tokens_to_add=tokenizer.num_special_tokens_to_add
    )
    with pytest.raises(UserError, match="cannot cut a long text into pieces"):
        tokenize_chunks(slow, ["dog " * 40], 16)
