"""Sentences whose words have tags: the same ones however a file writes them, labels at the first
token of each word, and what of all that is refused.
"""

import json
import shutil

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tagged import TAGS, right, words_and_tags, write_columns, write_lists
from transformers import AutoTokenizer

from jaxtune.core.errors import UserError
from jaxtune.data.conll import SUFFIXES
from jaxtune.data.examples import Examples
from jaxtune.data.miniature import language
from jaxtune.data.reading import count_words, reading_of, sentences
from jaxtune.data.scoring import scored_by, scoring_words
from jaxtune.data.sentences import read_further_tagged, read_tagged
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import tokenize, were_cut

WORDS, OF_WORDS = words_and_tags(30, 1)


# A word with its tag, sentence by sentence.
PAIRS = [list(zip(*both, strict=True)) for both in zip(WORDS, OF_WORDS, strict=True)]


def in_lines(line, between="\n"):
    """A sentence after the other, in lines of some make from number, word and tag."""
    blocks = (
        "".join(line.format(n=n, w=w, t=t) + "\n" for n, (w, t) in enumerate(pairs, 1))
        for pairs in PAIRS
    )
    return between.join(blocks)


def write(folder, form):
    """The sentences in some form of a file, and what of `read_tagged` goes with it."""
    names, path = {"words": "tokens", "tags": "tags"}, folder / form
    if path.suffix in SUFFIXES:
        names = {"words": "text", "tags": "label"}
    numbers = [[TAGS.index(tag) for tag in own] for own in OF_WORDS]
    if form in ("four.conll", "four.txt"):
        write_columns(path, WORDS, OF_WORDS)
    elif form == "two.tsv":
        path.write_bytes(in_lines("{w}\t{t}").replace("\n", "\r\n").encode())
    elif form == "middle.conll":
        path.write_text(in_lines("{t} x {w} y", "\n \n\n"))
        names = {"words": "3", "tags": "1"}
    elif form == "header.conll":
        path.write_text("POS ner_tags word\n" + in_lines("x {t} {w}"))
        names = {"words": "word", "tags": "ner_tags"}
    elif form == "universal.conllu":
        text = in_lines("{n}\t{w}\t_\t{t}\t_", "\n# text\n1-2\tof both\t_\t_\t_\n")
        path.write_text("# newdoc\n" + text)
    elif form == "lists.jsonl":
        write_lists(path, WORDS, OF_WORDS)
    elif form == "numbers.json":
        rows = [{"tokens": w, "tags": n} for w, n in zip(WORDS, numbers, strict=True)]
        path.write_text(json.dumps({"data": rows}))
        names |= {"classes": TAGS}
    elif form == "lists.parquet":
        pq.write_table(pa.table({"tokens": WORDS, "tags": OF_WORDS}), path)
    else:
        feature = datasets.Sequence(datasets.ClassLabel(names=list(TAGS)))
        made = datasets.Dataset.from_dict({"tokens": WORDS, "tags": numbers})
        made = made.cast_column("tags", feature)
        made.to_parquet(path) if form == "named.parquet" else made.save_to_disk(path)
    return path, names


FORMS = [
    *("four.conll", "four.txt", "two.tsv", "middle.conll", "header.conll"),
    *("universal.conllu", "lists.jsonl", "numbers.json", "lists.parquet", "named.parquet", "saved"),
]


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_are_one(form, tmp_path):
    path, names = write(tmp_path, form)
    found = read_tagged(path, path, **names)
    assert found.task.label_names == TAGS
    assert found.task.metrics == ("entity_f1", "accuracy")
    assert found.train.words == WORDS
    assert found.train.first == [" ".join(own) for own in WORDS]
    np.testing.assert_array_equal(found.train.labels, right(30, 1)[0])
    assert found.train.labels.dtype == np.int32


def test_parts_of_speech_are_scored_by_accuracy(tmp_path):
    file = tmp_path / "a.conll"
    # Tags of quotes differ in nothing but quotes.
    file.write_text("He PRP\nsaid VBD\n`` ``\nno UH\n'' ''\n. .\n")
    task = scored_by(read_tagged(file, file, "text", "label").task, None, None)
    assert task.label_names == ("''", ".", "PRP", "UH", "VBD", "``")
    assert task.metrics == ("accuracy", "macro_f1", "matthews")
    with pytest.raises(UserError, match="'entity_f1' does not fit task custom, which predicts one"):
        scored_by(task, "entity_f1", None)


def test_a_test_file_may_do_without_tags(tmp_path):
    layout = read_tagged(*[write(tmp_path, "lists.jsonl")[0]] * 2, "tokens", "tags").task.layout
    tagged, bare = tmp_path / "a.conll", tmp_path / "b.conll"
    tagged.write_text("the O\nloud B-PERSON\nsinger I-PERSON\n\nthe O\n")
    bare.write_text("the\nloud\nsinger\n\nthe\n")
    lists = tmp_path / "c.jsonl"
    lists.write_text('{"id": "x", "tokens": ["the"]}\n{"id": 7, "tokens": ["loud", "dog"]}\n')
    found = [read_further_tagged(file, layout) for file in (tagged, bare, lists)]
    assert [each.labelled for each in found] == [True, False, False]
    assert (
        found[0].examples.words == found[1].examples.words == [["the", "loud", "singer"], ["the"]]
    )
    assert found[0].examples.labels.tolist() == [4, 1, 3, 4]
    assert [each.ids for each in found] == [("0", "1"), ("0", "1"), ("x", "7")]
    with pytest.raises(UserError, match="line 1 has 1 column: write a word and its tag"):
        read_further_tagged(bare, layout, labelled=True)


ODD = ["electroencephalography", "U.N.", "\u200b", "New York", "co-operates", "\u4e2d\u56fd"]


@pytest.fixture(params=["bert-uncased", "roberta", "albert-v2"])
def published(request, real_data, tmp_path):
    """A published tokenizer, with the little config.json that names its class."""
    folder = tmp_path / "tokenizer"
    shutil.copytree(real_data / "tokenizers" / request.param, folder)
    kind = request.param.split("-")[0]
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    return folder


def test_labels_are_at_first_tokens_as_transformers_aligns_them(published):
    """The alignment of transformers' run_ner, by its own tokenizer; words without a token go."""
    words = [["He", "likes", *ODD, "today"], ["EEG"], ODD[::-1]]
    labels = np.arange(sum(map(len, words)), dtype=np.int32)
    examples = Examples([" ".join(own) for own in words], None, labels, words)
    tokenizer = load_tokenizer(published, of_words=True)
    theirs = AutoTokenizer.from_pretrained(published, add_prefix_space=True)
    for length in (128, 12, 3):
        table = tokenize(tokenizer, examples, length, 60_000)
        encoded = theirs(words, is_split_into_words=True, truncation=True, max_length=length)
        ids, begins, expected, before = [], [], [], 0
        for i, own in enumerate(words):
            ids += encoded["input_ids"][i]
            last = None
            for word in encoded.word_ids(i):
                first = word is not None and word != last
                begins.append(word if first else -1)
                expected += [before + word] if first else []
                last = word
            before += len(own)
        np.testing.assert_array_equal(table.ids[1:], ids)
        np.testing.assert_array_equal(table.begins[1:], begins)
        np.testing.assert_array_equal(table.labels, expected)
        cut = were_cut(tokenizer, examples, table.lengths, length)
        lost = count_words(examples, table.num_words, cut)
        assert lost["words"] == len(labels)
        assert lost["cut"] + lost["without_token"] == len(labels) - len(expected)
        assert (lost["cut"] > 0) == (length < 128)


def test_byte_level_words_begin_with_a_space(real_data, tmp_path):
    """RoBERTa's, and those of a bare tokenizer.json such as ModernBERT's: a word is the same token
    wherever it stands, and stays it in a folder that is written.
    """
    source = tmp_path / "source"
    source.mkdir()
    shutil.copyfile(
        real_data / "tokenizers" / "roberta" / "tokenizer.json", source / "tokenizer.json"
    )
    for kind, name in (("roberta", "RobertaTokenizer"), ("modernbert", "PreTrainedTokenizerFast")):
        (source / "config.json").write_text(json.dumps({"model_type": kind}))
        (source / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
        tokenizer, plain = load_tokenizer(source, of_words=True), load_tokenizer(source)
        expected = plain(" the dog the dog")["input_ids"]
        saved = tmp_path / kind
        tokenizer.save_pretrained(saved)
        (saved / "config.json").write_text(json.dumps({"model_type": kind}))
        for each in (tokenizer, AutoTokenizer.from_pretrained(saved)):
            found = each([["the", "dog", "the", "dog"]], is_split_into_words=True)["input_ids"]
            assert found == [expected]


def test_what_was_read_is_said(tmp_path):
    """Words, tags, and words that were cut away; of sentences that stand twice their tags."""
    language.write_tokenizer(tmp_path)
    words = [["the", "dog"], ["the", "loud", "wolf"], ["the", "dog"]]
    file = write_lists(tmp_path / "a.jsonl", words, [["O", "X"], ["O", "O", "X"], ["O", "O"]])
    data = read_tagged(file, file, "tokens", "tags")
    tokenizer, every = load_tokenizer(tmp_path, of_words=True), np.arange(3)
    table = tokenize(tokenizer, data.train, 4, 200)
    cut = were_cut(tokenizer, data.train, table.lengths, 4)
    lost = {split: count_words(data.train, table.num_words, cut) for split in ("train", "dev")}
    counts = {split: int(cut.sum()) for split in lost}
    assert sentences([reading_of(data, every, counts, 4, words=lost)]) == [
        "Read 3 training and 3 dev examples.",
        "2 tags (train, dev): 'O' 5, 5; 'X' 2, 2.",
        "The most frequent tag has 71.4% of the dev words.",
        "Cut at 4 tokens: 1 of 3 train and 1 of 3 dev texts.",
        "Words that were cut away, neither trained on nor scored: 1 of 7 train and 1 of 7 dev.",
        "Warning: 3 of 3 dev examples are training examples too.",
        "Warning: 2 of 3 train and 2 of 3 dev texts stand there again with another label.",
    ]
    metrics, names = ("accuracy",), data.task.label_names
    said = scoring_words(metrics, 1, names, np.repeat([0, 1], [9, 1]), 0.9, of_words=True)
    assert "A prediction is constant where every word gets the same tag." in said
    assert "Of the dev words 90% are 'O'" in said


NUMBERED = '{"tokens": ["the", "loud", "singer"], "tags": [4, 1, 3]}\n'


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("numbers.jsonl", NUMBERED, "has numbers as tags, and the file does not say what"),
        ("digits.jsonl", NUMBERED.replace("[4, 1, 3]", '["4", "1", "3"]'), "has the tag '4': use"),
        ("slip.conll", "the 0\nloud B-PERSON\nsinger I-PERSON\n", "has the tag '0': use one of"),
        ("masked.jsonl", NUMBERED.replace("4", "-100"), "has the tag '-100': such a number masks"),
    ],
)
def test_numbers_are_no_tags_where_nobody_has_given_their_order(tmp_path, name, text, says):
    """They were taken for places in the alphabet: the digit 0 for O became the first tag."""
    (tmp_path / name).write_text(text)
    file = write(tmp_path, "lists.jsonl")[0]
    for further in ({"test": tmp_path / name}, {"more": tmp_path / name}):
        with pytest.raises(UserError, match=says):
            read_tagged(file, file, "tokens", "tags", further_files=further)
    with pytest.raises(UserError, match=says):
        read_tagged(file, tmp_path / name, "tokens", "tags")
    if "masked" not in name:
        (tmp_path / name).write_text(text.replace("4", "0").replace("3", "1"))
        columns = ("1", "2") if "conll" in name else ("tokens", "tags")
        classes = TAGS if "conll" in name else ("B-X", "O")
        found = read_tagged(tmp_path / name, tmp_path / name, *columns, classes)
        assert found.train.labels.tolist() == ([0, 1, 3] if "conll" in name else [0, 1, 1])
