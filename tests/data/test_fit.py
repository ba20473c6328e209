"""A tokenizer that does not suit the texts, or puts nothing around them, is said."""

import json

import numpy as np
import pytest

from jaxtune.data.examples import Examples
from jaxtune.data.fit import fit_sentences, unknown_share
from jaxtune.data.miniature.language import write_tokenizer
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import tokenize


def sentences_of(folder, train: str, dev: str) -> tuple[str, ...]:
    tokenizer = load_tokenizer(folder)
    tables = {
        split: tokenize(tokenizer, Examples([text], None, np.zeros(1, np.int32)), 64, 1000)
        for split, text in (("train", train), ("dev", dev))
    }
    return fit_sentences(tokenizer, tables)


@pytest.fixture
def folder(tmp_path):
    write_tokenizer(tmp_path)
    return tmp_path


def test_words_that_it_knows(folder):
    assert sentences_of(folder, "the dog sleeps", "the dog") == ()


def test_another_language_is_said(folder):
    """Of five tokens, the two ends among them, three are unknown."""
    assert sentences_of(folder, "der Hund schl\u00e4ft", "the dog") == (
        "Warning: the tokenizer does not know 60.0% of the train and 0.0% of the dev tokens: it may"
        " be of another language.",
    )


def test_texts_without_ends_are_said(folder):
    file = folder / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"post_processor": None}))
    (sentence,) = sentences_of(folder, "the dog", "the dog")
    assert sentence.startswith("Warning: the tokenizer puts no special tokens such as [CLS] and")


def test_a_tokenizer_without_an_unknown_token_knows_all(folder):
    tokenizer = load_tokenizer(folder)
    table = tokenize(tokenizer, Examples(["xyz"], None, np.zeros(1, np.int32)), 64, 1000)
    assert unknown_share(tokenizer, table) == pytest.approx(1 / 3)
    tokenizer.unk_token = None
    assert unknown_share(tokenizer, table) == 0
