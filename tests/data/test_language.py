"""The miniature's language: each sentence as an acceptor written apart says, with labels that
counting words does not give.
"""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from transformers import AutoTokenizer

from jaxtune.data.miniature import language

# An acceptor of the language, written apart from the generator: every word becomes one letter,
# upper case for a singular form and lower case for a plural one, and a sentence a pattern.
PAIRS = [
    ("D", "d", [("this", "these"), ("a", "many"), ("every", "two")]),
    ("A", "a", [("is", "are"), ("was", "were")]),
    ("N", "n", [forms[:2] for forms in language.NOUNS]),
    ("T", "t", [forms[:2] for forms in language.TRANSITIVE_VERBS]),
    ("I", "i", [forms[:2] for forms in language.INTRANSITIVE_VERBS]),
]
SINGLES = [
    ("x", ["the"]),
    ("J", language.ADJECTIVES),
    ("g", [forms[2] for forms in language.TRANSITIVE_VERBS]),
    ("h", [forms[2] for forms in language.INTRANSITIVE_VERBS]),
    ("P", language.PREPOSITIONS),
    ("R", ["that"]),
    ("B", language.ADVERBS),
]
LETTER = {word: letter for letter, words in SINGLES for word in words}
for upper, lower, pairs in PAIRS:
    for one, many in pairs:
        LETTER |= {one: upper, many: lower}

NOUN_PHRASE = ("[Dx]J?N", "[dx]J?n")
ANY_NOUN_PHRASE = f"(?:{NOUN_PHRASE[0]}|{NOUN_PHRASE[1]})"
ACTS_ON = ("(?:T|Ag)", "(?:t|ag)")
ACTS = ("(?:I|Ah)", "(?:i|ah)")
OBJECT_CLAUSE = "|".join(f"R{NOUN_PHRASE[i]}{ACTS_ON[i]}" for i in (0, 1))
GRAMMATICAL = re.compile(
    "|".join(
        f"{NOUN_PHRASE[i]}"
        f"(?:P{ANY_NOUN_PHRASE}|R{ACTS_ON[i]}{ANY_NOUN_PHRASE}|{OBJECT_CLAUSE})?"
        f"(?:{ACTS_ON[i]}{ANY_NOUN_PHRASE}|{ACTS[i]})B?"
        for i in (0, 1)
    )
)


def letters(text: str) -> str:
    return "".join(LETTER[word] for word in text.split())


def is_grammatical(text: str) -> bool:
    return GRAMMATICAL.fullmatch(letters(text)) is not None


def is_one_flip_away(text: str) -> bool:
    """Whether giving one determiner, auxiliary or verb the other number mends the sentence."""
    shape = letters(text)
    swaps = (
        shape[:i] + letter.swapcase() + shape[i + 1 :]
        for i, letter in enumerate(shape)
        if letter in "DdAaTtIi"
    )
    return any(GRAMMATICAL.fullmatch(swap) for swap in swaps)


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    return language.corpus(20_000, seed=0)


@pytest.fixture(scope="module")
def train() -> tuple[list[str], np.ndarray]:
    return language.acceptability(1_000, seed=7)


@pytest.fixture(scope="module")
def dev() -> tuple[list[str], np.ndarray]:
    return language.acceptability(300, seed=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    language.write_tokenizer(folder)
    return folder


def test_vocabulary_has_121_distinct_words():
    assert len(language.VOCABULARY) == len(set(language.VOCABULARY)) == 121
    assert language.VOCABULARY[:5] == ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")
    assert set(language.VOCABULARY[5:]) == set(LETTER)


def test_words_fit_the_article_a():
    followers = [*language.ADJECTIVES, *(singular for singular, _ in language.NOUNS)]
    assert not [word for word in followers if word[0] in "aeiou"]


def test_corpus_depends_only_on_its_seed(sentences):
    assert language.corpus(50, seed=0) == sentences[:50]
    assert language.corpus(50, seed=1) != sentences[:50]


def test_corpus_is_grammatical_and_fits(sentences):
    assert all(is_grammatical(text) for text in sentences)
    assert max(len(text.split()) for text in sentences) <= language.MAX_WORDS == 14


def test_corpus_uses_every_word(sentences):
    used = {word for text in sentences for word in text.split()}
    assert used == set(language.VOCABULARY[5:])


def test_corpus_has_the_prototypes_length(sentences):
    mean_tokens = np.mean([len(text.split()) + 2 for text in sentences])
    print(f"mean tokens {mean_tokens:.3f}")
    assert mean_tokens == pytest.approx(9.7, abs=0.1)


def test_modifiers_have_their_shares(sentences):
    shapes = [letters(text) for text in sentences]
    prepositional = np.mean(["P" in shape for shape in shapes])
    subject_clause = np.mean([re.search("R[TtAa]", shape) is not None for shape in shapes])
    object_clause = np.mean([re.search("R[Ddx]", shape) is not None for shape in shapes])
    measured = [prepositional, subject_clause, object_clause]
    np.testing.assert_allclose(measured, [0.3, 0.2, 0.1], atol=0.015)


def test_flip_changes_one_word_to_the_other_number():
    rng = np.random.default_rng(3)
    on_main_verb = []
    for _ in range(3_000):
        drawn = language.sentence(rng)
        flipped = language.flip(rng, drawn)
        pairs = zip(drawn.words, flipped.words, strict=True)
        changed = [(i, old, new) for i, (old, new) in enumerate(pairs) if old != new]
        [(site, old, new)] = changed
        assert LETTER[new] == LETTER[old].swapcase()
        assert not is_grammatical(" ".join(flipped.words))
        if drawn.other_sites:
            on_main_verb.append(site == drawn.main_site)
    assert np.mean(on_main_verb) == pytest.approx(0.6, abs=0.03)


def test_acceptability_labels_tell_grammatical_sentences(train):
    texts, labels = train
    np.testing.assert_array_equal([is_grammatical(text) for text in texts], labels == 1)
    assert all(
        is_one_flip_away(text) for text, label in zip(texts, labels, strict=True) if label == 0
    )


def test_acceptability_depends_only_on_its_seed(dev):
    texts, labels = language.acceptability(300, seed=8)
    assert texts == dev[0]
    np.testing.assert_array_equal(labels, dev[1])
    assert language.acceptability(300, seed=9)[0] != texts


@pytest.mark.parametrize(("count", "share", "accepted"), [(300, 0.6, 180), (101, 0.5, 50)])
def test_acceptability_share_is_exact_and_shuffled(count, share, accepted):
    texts, labels = language.acceptability(count, seed=1, acceptable_share=share)
    assert labels.dtype == np.int32
    assert (len(texts), len(labels), labels.sum()) == (count, count, accepted)
    assert 0 < labels[:accepted].mean() < 1


def test_word_counts_do_not_solve_the_task(train, dev):
    counts = CountVectorizer(token_pattern=r"\S+")
    model = LogisticRegression(max_iter=1_000).fit(counts.fit_transform(train[0]), train[1])
    accuracy = model.score(counts.transform(dev[0]), dev[1])
    print(f"bag of words dev accuracy {accuracy:.3f}")
    assert accuracy < 0.62


def test_few_dev_sentences_are_in_train(train, dev):
    shared = sum(text in set(train[0]) for text in dev[0])
    print(f"dev sentences also in train {shared}")
    assert shared <= 15


def test_tokenizer_round_trip(folder, sentences):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer(sentences[:200])
    longest = max(len(ids) for ids in encoded["input_ids"])
    assert longest <= tokenizer.model_max_length == 16
    assert tokenizer.batch_decode(encoded["input_ids"], skip_special_tokens=True) == sentences[:200]
    assert tokenizer.get_vocab() == {word: i for i, word in enumerate(language.VOCABULARY)}


@pytest.mark.parametrize("beside_a_bert_config", [False, True])
def test_tokenizer_encodes_pairs_as_bert(tmp_path, beside_a_bert_config):
    if beside_a_bert_config:
        config = {"model_type": "bert", "architectures": ["BertForMaskedLM"], "vocab_size": 121}
        (tmp_path / "config.json").write_text(json.dumps(config))
    language.write_tokenizer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    encoded = tokenizer("the dog sleeps", "the [MASK] Xyzzy")
    words = ["[CLS]", "the", "dog", "sleeps", "[SEP]", "the", "[MASK]", "[UNK]", "[SEP]"]
    assert tokenizer.convert_ids_to_tokens(encoded["input_ids"]) == words
    assert encoded["token_type_ids"] == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    padded = tokenizer(["the dog sleeps", "a chef cooks quietly"], padding=True)
    assert padded["input_ids"][0][-1] == tokenizer.pad_token_id == 0
    specials = [getattr(tokenizer, f"{name}_token_id") for name in ("cls", "sep", "mask", "unk")]
    assert specials == [1, 2, 3, 4]


def test_tokenizer_files_are_the_same_everywhere(folder, tmp_path):
    code = (
        "import sys; from jaxtune.data.miniature import language;"
        " language.write_tokenizer(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "again")], check=True)
    names = ["tokenizer.json", "tokenizer_config.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        text = (folder / name).read_text()
        assert text == (tmp_path / "again" / name).read_text()
        assert str(folder.parent) not in text
