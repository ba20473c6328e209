"""A tokenizer's folder is spelled so that transformers 4 and 5 load it, and cuts as the source."""

import json

import pytest
from transformers import AutoTokenizer

from jaxtune.data.miniature import language
from jaxtune.data.tokenizer_folder import load_tokenizer, write_tokenizer

# Of their tokenizer_config.json transformers 4.57 loads neither the class TokenizersBackend nor
# extra_special_tokens in a list, which are what transformers 5 writes.
NAMES = ("input_ids", "token_type_ids", "attention_mask")
TEXTS = ["the dog sleeps quietly [NEW] ", "[EXTRA] the wolf"]


@pytest.fixture(params=["PreTrainedTokenizerFast", "TokenizersBackend", "BertTokenizer"])
def source(request, tmp_path):
    """A tokenizer with a word and a special token of the user's."""
    folder = tmp_path / "source"
    folder.mkdir()
    language.write_tokenizer(folder)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {"tokenizer_class": request.param}
    path.write_text(json.dumps(config))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["[NEW]"])
    tokenizer.add_special_tokens({"extra_special_tokens": ["[EXTRA]"]})
    tokenizer.save_pretrained(folder)
    return folder


def test_the_words_of_transformers_4(source, tmp_path):
    to = tmp_path / "to"
    write_tokenizer(to, source, 9, list(NAMES))
    config = json.loads((to / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] in ("PreTrainedTokenizerFast", "BertTokenizer")
    assert "extra_special_tokens" not in config
    assert config["additional_special_tokens"] == ["[EXTRA]"]


def test_the_same_tokens(source, tmp_path):
    to = tmp_path / "to"
    write_tokenizer(to, source, 9, list(NAMES))
    (to / "config.json").write_text('{"model_type": "bert"}')
    before, after = load_tokenizer(source), AutoTokenizer.from_pretrained(to)
    expected = before(TEXTS, TEXTS[::-1], truncation=True, max_length=9, padding=True)
    found = after(TEXTS, TEXTS[::-1], truncation=True, padding=True)
    assert list(found) == list(NAMES)
    assert {name: found[name] for name in NAMES} == {name: expected[name] for name in NAMES}
    assert after.extra_special_tokens == ["[EXTRA]"]
