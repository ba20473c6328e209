"""Tokenizers are read as their folder's files say; what is missing or cannot be used is said."""

import json
import shutil

import numpy as np
import pytest
from tokenizer_folders import LABELS, MADE, PAIRS, REAL, VOCAB_SIZE, examples_of
from tokenizers import Tokenizer

from jaxtune.core.errors import UserError
from jaxtune.data.examples import Examples
from jaxtune.data.miniature.language import write_tokenizer
from jaxtune.data.tokenizer_folder import load_tokenizer, tokenizer_files
from jaxtune.data.tokens import tokenize


@pytest.mark.parametrize("name", MADE)
def test_sentence_pieces_are_those_of_the_file(folder_of, name):
    """As the tokenizers library cuts by tokenizer.json, a text's own padding too; of DeBERTa, whose
    class in transformers 5 has another one, with the file's normaliser ("\ufb01" is "fi").
    """
    folder = folder_of(name)
    tokenizer, plain = load_tokenizer(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    padding, unknown = ("[PAD]", "[UNK]") if name == "deberta-v2" else ("<pad>", "<unk>")
    pad_id = plain.token_to_id(padding)
    assert tokenizer.pad_token_id == pad_id
    assert tokenizer.unk_token_id == plain.token_to_id(unknown)
    pair = Examples(
        [f"the dog {padding} na\u00efve"],
        ["3.14% \ufb01" if name == "deberta-v2" else "3.14%"],
        LABELS[:1],
    )
    table = tokenize(tokenizer, pair, 128, VOCAB_SIZE)
    assert examples_of(table, table.ids) == [plain.encode(pair.first[0], pair.second[0]).ids]
    assert np.count_nonzero(table.ids[1:] == pad_id) == 1
    assert len(np.unique(table.ids)) > 8


@pytest.mark.parametrize("name", REAL)
def test_a_bare_tokenizer_json_loads(tmp_path, folder_of, name):
    full = tmp_path / "full"
    shutil.copytree(folder_of(name), full)
    model_type = name.split("-")[0]
    (full / "config.json").write_text(json.dumps({"model_type": model_type}))
    shutil.copy(full / "tokenizer.json", tmp_path)
    bare, whole = load_tokenizer(tmp_path), load_tokenizer(full)
    for role in ("pad", "cls", "sep", "mask", "unk"):
        assert getattr(bare, f"{role}_token_id") == getattr(whole, f"{role}_token_id")
    assert len(bare) == len(whole)
    tables = [tokenize(one, PAIRS, 128, VOCAB_SIZE) for one in (bare, whole)]
    np.testing.assert_array_equal(tables[0].ids, tables[1].ids)
    np.testing.assert_array_equal(tables[0].token_types, tables[1].token_types)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no tokenizer; put one of tokenizer.json"),
        ({"config.json": '{"model_type": "bert"}'}, "has no tokenizer; put one of tokenizer.json"),
        ({"tokenizer.json": "{"}, "has no tokenizer that transformers can load"),
        ({"tokenizer.json": "{}"}, "has no tokenizer that transformers can load"),
        ({"tokenizer.json": "\0"}, "has no tokenizer that transformers can load"),
    ],
)
def test_folders_without_a_usable_tokenizer_are_refused(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_refused_without_asking_the_hub(tmp_path):
    with pytest.raises(UserError, match="nowhere has no tokenizer"):
        load_tokenizer(tmp_path / "nowhere")


def test_a_tokenizer_without_padding_is_refused(tmp_path):
    write_tokenizer(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (tmp_path / name).read_text().replace("[PAD]", "[NIL]")
        (tmp_path / name).write_text(text.replace('"pad_token"', '"some_token"'))
    with pytest.raises(UserError, match="no padding token"):
        load_tokenizer(tmp_path)


def test_tokenizer_files_are_those_of_the_tokenizer(tmp_path):
    write_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "special_tokens_map.json").write_text("{}")
    names = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    assert {file.name for file in tokenizer_files(tmp_path)} == names


def edited(folder, to, model_type, edit, **settings):
    """A folder of another family with a changed tokenizer.json."""
    to.mkdir()
    whole = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    edit(whole)
    (to / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    (to / "config.json").write_text(json.dumps({"model_type": model_type}))
    if settings:
        (to / "tokenizer_config.json").write_text(json.dumps(settings))
    return to


def cased(whole):
    whole["normalizer"]["lowercase"] = False


def digits(whole):
    parts = [whole["pre_tokenizer"], {"type": "Digits", "individual_digits": True}]
    whole["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": parts}


WORDS = {"tokenizer_class": "RobertaTokenizerFast", "add_prefix_space": True}
WORDS |= {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}


@pytest.mark.parametrize(
    ("model_type", "edit", "settings"),
    [
        ("bert", cased, {}),
        ("bert", digits, {}),
        # What is set apart excuses that part alone.
        ("bert", digits, {"tokenize_chinese_chars": True, "do_lower_case": True}),
        ("roberta", lambda whole: None, WORDS),  # as CamemBERT v2: wordpieces in a RoBERTa's folder
    ],
)
def test_texts_are_cut_as_the_file_says(folder_of, tmp_path, model_type, edit, settings):
    """transformers 5 takes the words of tokenizer.json alone, and cuts in the way of its class."""
    from tokenizers import Tokenizer

    folder = edited(folder_of("bert-uncased"), tmp_path / "to", model_type, edit, **settings)
    text = "Hello World, it is 44"
    whole = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert load_tokenizer(folder)(text)["input_ids"] == whole.encode(text).ids


def test_debertas_normaliser_is_the_files_whatever_is_set_apart(folder_of, tmp_path):
    """As in the published v3, whose tokenizer_config.json has do_lower_case."""
    folder = folder_of("deberta-v2")
    to = edited(folder, tmp_path / "to", "deberta-v2", lambda whole: None, do_lower_case=False)
    whole = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = "the \ufb01sh"
    assert load_tokenizer(to)(text)["input_ids"] == whole.encode(text).ids


def test_what_is_set_apart_from_the_file_counts(folder_of, tmp_path):
    folder = edited(
        folder_of("bert-uncased"), tmp_path / "to", "bert", lambda whole: None, do_lower_case=False
    )
    (ids,) = load_tokenizer(folder)(["Hello"])["input_ids"]
    assert ids != load_tokenizer(folder_of("bert-uncased"))(["Hello"])["input_ids"][0]
