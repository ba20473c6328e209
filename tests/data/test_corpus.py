"""Text to pre-train on: special tokens are never masked; text too short to split is refused."""

import json

import pytest

from jaxtune.core.errors import UserError
from jaxtune.data.corpus import read_corpus
from jaxtune.data.miniature import language


def test_words_are_the_vocabularys_own_where_its_numbering_has_a_hole(tmp_path):
    language.write_tokenizer(tmp_path)
    file = tmp_path / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["vocab"] |= {"zebra": 200}
    file.write_text(json.dumps(content))
    (tmp_path / "text.txt").write_text("the dog sleeps\nthe zebra sings\n")
    read = read_corpus(tmp_path / "text.txt", None, tmp_path, 16)
    assert read.vocab_size == 201
    assert max(read.train.ids.max(), read.held_out.ids.max()) == 200
    assert {199, 0} & set(read.words.tolist()) == set()
    assert len(read.words) == len(language.VOCABULARY) + 1 - 5


def test_a_single_sequence_is_not_split(tmp_path):
    language.write_tokenizer(tmp_path)
    (tmp_path / "text.txt").write_text("the dog sleeps\n")
    with pytest.raises(UserError, match=r"text\.txt has a single sequence; give text to train on"):
        read_corpus(tmp_path / "text.txt", None, tmp_path, 16)
