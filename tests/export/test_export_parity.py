"""Exports of every family load in torch transformers and give the saved predictions on a real dev
set.
"""

import json
import shutil

import hf
import numpy as np
import pytest
from exporting import export, torch_logits, word_logits, write_jsonl
from tagged import write_lists
from transformers import AutoTokenizer
from vocabularies import FIRST, write_mpnet_vocabulary, write_sentence_pieces

import jaxtune
from jaxtune.data.glue import read_glue_folder
from jaxtune.sweep.__main__ import main as sweep

# Families whose published tokenizer is among the data; ELECTRA's and DistilBERT's is BERT's.
TOKENIZERS = {
    **dict.fromkeys(("bert", "distilbert", "electra", "modernbert"), "bert-uncased"),
    "roberta": "roberta",
    "albert": "albert-v2",
}
WORDS = {"bert-uncased": 30522, "roberta": 50265, "albert-v2": 30000}


def write_tokenizer(folder, family, real_data):
    """The family's published tokenizer, or a small one of its make; the number of words."""
    tokenizers = real_data / "tokenizers"
    if family == "mpnet":
        return write_mpnet_vocabulary(folder, tokenizers / "bert-uncased")
    if family in FIRST:
        texts = read_glue_folder("rte", real_data / "glue").train.first
        return write_sentence_pieces(folder, family, texts, 20_000)
    name = TOKENIZERS[family]
    for file in (tokenizers / name).iterdir():
        if file.name != "config.json":
            shutil.copyfile(file, folder / file.name)
    return WORDS[name]


def write_real_model(folder, family, real_data):
    """Random weights under such a tokenizer."""
    folder.mkdir()
    words = write_tokenizer(folder, family, real_data)
    sizes = {"max_position_embeddings": 66, "vocab_size": words}
    hf.make_model(family, hf.BARE, **sizes).save_pretrained(folder)
    return str(folder)


def storms_but(*families):
    """All families, all but these for `make storms`."""
    return [
        each if each in families else pytest.param(each, marks=pytest.mark.storm)
        for each in (*hf.FAMILIES, *hf.NAMESAKES)
    ]


def real_sweep(family, tmp_path, real_data, *flags):
    model = write_real_model(tmp_path / "model", family, real_data)
    out = tmp_path / "out"
    small = ["--num_seeds", "1", "--max_steps", "3", "--train_examples", "32", "--max_length", "60"]
    # Two trials a device: batches of one shape only, and a quarter of the compile time.
    how = ["--learning_rate", "3e-3", "--save_params", "final", "--trials_per_device", "2"]
    assert sweep(["--model", model, *small, *how, *flags, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("family", storms_but("bert"))
@pytest.mark.slow
def test_classifier_on_the_real_dev_set(family, tmp_path, real_data):
    """RTE's 277 pairs, some cut, through torch: the logits in predictions/ to 1e-4, and to a
    fiftieth of what they differ by between examples.
    """
    glue = real_data / "glue"
    out = real_sweep(family, tmp_path, real_data, "--task", "rte", "--data_dir", str(glue))
    assert export(out, 0, tmp_path / "hf") == 0
    dev = read_glue_folder("rte", glue).dev
    logits = torch_logits(tmp_path / "hf", dev.first, dev.second)
    expected = jaxtune.load_results(out).predictions[0]
    least = min(1e-4, np.ptp(expected, axis=0).min() / 50)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=least)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["id2label"] == {"0": "entailment", "1": "not_entailment"}
    assert config["problem_type"] == "single_label_classification"
    assert config["architectures"][0].endswith("ForSequenceClassification")


@pytest.mark.parametrize("family", storms_but())
def test_regression_on_real_sentences(family, tmp_path, real_data):
    """One text instead of two, and a number: its length, which is as good as any."""
    data = read_glue_folder("rte", real_data / "glue")
    files = [
        write_jsonl(tmp_path / name, part.second, [len(text) / 100 for text in part.second])
        for name, part in (("train.jsonl", data.train), ("dev.jsonl", data.dev))
    ]
    flags = ["--task", "custom", "--regression", "true"]
    flags += ["--train_file", files[0], "--dev_file", files[1]]
    out = real_sweep(family, tmp_path, real_data, *flags)
    assert export(out, 0, tmp_path / "hf") == 0
    logits = torch_logits(tmp_path / "hf", data.dev.second)
    expected = jaxtune.load_results(out).predictions[0]
    assert expected.shape == (277, 1)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["problem_type"] == "regression"
    assert "head for regression" in (tmp_path / "hf" / "README.md").read_text()


@pytest.mark.parametrize("family", storms_but())
def test_words_of_real_sentences(family, tmp_path, real_data):
    """A tag for each: whether it begins with a capital. Some sentences are cut; the tokenizer of
    the folder cuts words as the sweep's did, RoBERTa's with a space before each.
    """
    data = read_glue_folder("rte", real_data / "glue")
    files = []
    for name, part in (("train.jsonl", data.train), ("dev.jsonl", data.dev)):
        words = [text.split() for text in part.first]
        tags = [["C" if word[0].isupper() else "x" for word in own] for own in words]
        files.append(str(write_lists(tmp_path / name, words, tags)))
    flags = ["--task", "custom", "--token_classification", "true"]
    flags += ["--text_columns", "tokens", "--label_column", "tags"]
    flags += ["--train_file", files[0], "--dev_file", files[1]]
    out = real_sweep(family, tmp_path, real_data, *flags)
    assert export(out, 0, tmp_path / "hf") == 0
    logits = word_logits(tmp_path / "hf", [text.split() for text in data.dev.first])
    results = jaxtune.load_results(out)
    expected = results.predictions[0]
    assert len(expected) == results.sentences.sum() > 5000
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
    assert np.ptp(expected, axis=0).min() > 50 * 1e-4
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["architectures"][0].endswith("ForTokenClassification")


@pytest.mark.parametrize("family", storms_but("xlm-roberta"))
@pytest.mark.slow
def test_texts_that_spell_the_padding_token(family, tmp_path, real_data):
    """In a third of them, in training and dev: the logits of transformers for all. RoBERTa's
    positions skip such a token.
    """
    data = read_glue_folder("rte", real_data / "glue")
    bracketed = family == "deberta-v2" or TOKENIZERS.get(family) == "bert-uncased"
    padding = "[PAD]" if bracketed else "<pad>"

    def spelled(part):
        halves = [text[: len(text) // 2] + f" {padding} " + text[-30:] for text in part.second]
        return [half if i % 3 == 0 else part.second[i] for i, half in enumerate(halves)]

    files = [
        write_jsonl(tmp_path / name, spelled(part), part.labels.tolist())
        for name, part in (("train.jsonl", data.train), ("dev.jsonl", data.dev))
    ]
    flags = ["--task", "custom", "--train_file", files[0], "--dev_file", files[1]]
    out = real_sweep(family, tmp_path, real_data, *flags)
    assert export(out, 0, tmp_path / "hf") == 0
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hf")
    ids = tokenizer(spelled(data.dev), truncation=True)["input_ids"]
    assert sum(tokenizer.pad_token_id in one for one in ids) == 93  # of 277
    logits = torch_logits(tmp_path / "hf", spelled(data.dev))
    expected = jaxtune.load_results(out).predictions[0]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_model_without_token_types_gets_a_tokenizer_without_them(tmp_path, real_data):
    glue = real_data / "glue"
    flags = ["--task", "rte", "--data_dir", str(glue), "--use_token_types", "false"]
    out = real_sweep("bert", tmp_path, real_data, *flags)
    assert export(out, 0, tmp_path / "hf") == 0
    dev = read_glue_folder("rte", glue).dev
    logits = torch_logits(tmp_path / "hf", dev.first, dev.second)
    expected = jaxtune.load_results(out).predictions[0]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)
