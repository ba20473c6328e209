"""The miniature's language: a small English-like agreement grammar, its task and tokenizer."""

import json
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing

T = TypeVar("T")

MAX_TOKENS = 16
MAX_WORDS = MAX_TOKENS - 2  # [CLS] and [SEP]
SPECIAL_TOKENS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")

# Indexed by number: 0 is singular, 1 is plural; verbs have their -ing form at 2.
ING = 2
DETERMINERS = (("a", "this", "every"), ("these", "many", "two"))
AUXILIARIES = (("is", "was"), ("are", "were"))
NEUTRAL_DETERMINER = "the"
RELATIVE = "that"
PREPOSITIONS = ("near", "behind", "beside", "with")
ADVERBS = ("quietly", "happily", "again", "today")

# One column per topic: animals, cooking, music, the sea. Word i is of topic i % NUM_TOPICS.
# Nouns and adjectives begin with a consonant, so that "a" is always right.
NUM_TOPICS = 4
# fmt: off
NOUNS = (
    ("dog", "dogs"), ("chef", "chefs"), ("singer", "singers"), ("sailor", "sailors"),
    ("wolf", "wolves"), ("baker", "bakers"), ("drummer", "drummers"), ("captain", "captains"),
    ("mouse", "mice"), ("waiter", "waiters"), ("pianist", "pianists"), ("whale", "whales"),
    ("horse", "horses"), ("butcher", "butchers"), ("dancer", "dancers"), ("fisherman", "fishermen"),
)
ADJECTIVES = (
    "furry", "hungry", "loud", "brave",
    "wild", "busy", "famous", "wet",
    "tame", "tidy", "graceful", "seasick",
    "shaggy", "thirsty", "talented", "cheerful",
)
TRANSITIVE_VERBS = (
    ("chases", "chase", "chasing"), ("feeds", "feed", "feeding"),
    ("praises", "praise", "praising"), ("rescues", "rescue", "rescuing"),
    ("follows", "follow", "following"), ("serves", "serve", "serving"),
    ("teaches", "teach", "teaching"), ("greets", "greet", "greeting"),
)
INTRANSITIVE_VERBS = (
    ("sleeps", "sleep", "sleeping"), ("cooks", "cook", "cooking"),
    ("sings", "sing", "singing"), ("swims", "swim", "swimming"),
    ("runs", "run", "running"), ("eats", "eat", "eating"),
    ("dances", "dance", "dancing"), ("sails", "sail", "sailing"),
)
# fmt: on

VOCABULARY: tuple[str, ...] = (
    *SPECIAL_TOKENS,
    *chain(*DETERMINERS),
    NEUTRAL_DETERMINER,
    *chain(*AUXILIARIES),
    *chain(*NOUNS),
    *ADJECTIVES,
    *chain(*TRANSITIVE_VERBS),
    *chain(*INTRANSITIVE_VERBS),
    *PREPOSITIONS,
    RELATIVE,
    *ADVERBS,
)


def _opposites() -> dict[str, tuple[str, ...]]:
    """Maps each word a flip may change to the words of the other number that may replace it."""
    singular, plural = DETERMINERS
    opposites: dict[str, tuple[str, ...]] = dict.fromkeys(singular, plural)
    opposites |= dict.fromkeys(plural, singular)
    verbs = [verb[:ING] for verb in (*TRANSITIVE_VERBS, *INTRANSITIVE_VERBS)]
    for one, many in (*zip(*AUXILIARIES, strict=True), *verbs):
        opposites |= {one: (many,), many: (one,)}
    return opposites


_OPPOSITES = _opposites()


@dataclass(frozen=True)
class NounPhrase:
    words: list[str]
    number: int
    topic: int


@dataclass(frozen=True)
class Sentence:
    """Words, and the positions of those that agree in number with a noun.

    `main_site` is the main verb or its auxiliary; `other_sites` are the subject's determiner
    and the verb of a relative clause, where the sentence has them.
    """

    words: list[str]
    main_site: int
    other_sites: list[int]


def _of_topic(rng: Generator, words: tuple[T, ...], topic: int) -> T:
    return words[NUM_TOPICS * int(rng.integers(len(words) // NUM_TOPICS)) + topic]


def _any_of(rng: Generator, words: tuple[T, ...]) -> T:
    return words[int(rng.integers(len(words)))]


def _noun_phrase(rng: Generator, theme: int) -> NounPhrase:
    number = int(rng.integers(2))
    topic = theme if rng.random() < 0.85 else int(rng.integers(NUM_TOPICS))
    neutral = rng.random() < 0.3
    words = [NEUTRAL_DETERMINER if neutral else _any_of(rng, DETERMINERS[number])]
    if rng.random() < 0.35:
        words.append(_of_topic(rng, ADJECTIVES, topic))
    words.append(_of_topic(rng, NOUNS, topic)[number])
    return NounPhrase(words, number, topic)


def _verb(
    rng: Generator, verbs: tuple[tuple[str, str, str], ...], subject: NounPhrase
) -> list[str]:
    forms = _of_topic(rng, verbs, subject.topic)
    if rng.random() < 0.5:
        return [_any_of(rng, AUXILIARIES[subject.number]), forms[ING]]
    return [forms[subject.number]]


def _modifier(rng: Generator, theme: int, head: NounPhrase) -> tuple[list[str], int | None]:
    """What follows the subject noun, and where in it the verb of a relative clause stands."""
    draw = rng.random()
    if draw < 0.3:
        return [_any_of(rng, PREPOSITIONS), *_noun_phrase(rng, theme).words], None
    if draw < 0.5:
        verb = _verb(rng, TRANSITIVE_VERBS, head)
        return [RELATIVE, *verb, *_noun_phrase(rng, theme).words], 1
    if draw < 0.6:
        agent = _noun_phrase(rng, theme)
        verb = _verb(rng, TRANSITIVE_VERBS, agent)
        return [RELATIVE, *agent.words, *verb], 1 + len(agent.words)
    return [], None


def _predicate(rng: Generator, theme: int, subject: NounPhrase) -> list[str]:
    if rng.random() < 0.5:
        verb = _verb(rng, TRANSITIVE_VERBS, subject)
        return verb + _noun_phrase(rng, theme).words
    return _verb(rng, INTRANSITIVE_VERBS, subject)


def sentence(rng: Generator) -> Sentence:
    """Draws one grammatical sentence of at most MAX_WORDS words."""
    theme = int(rng.integers(NUM_TOPICS))
    subject = _noun_phrase(rng, theme)
    modifier, clause_verb = _modifier(rng, theme, subject)
    other_sites = [0] if subject.words[0] != NEUTRAL_DETERMINER else []
    if clause_verb is not None:
        other_sites.append(len(subject.words) + clause_verb)
    main_site = len(subject.words) + len(modifier)
    words = subject.words + modifier + _predicate(rng, theme, subject)
    # The longest sentence without an adverb has exactly MAX_WORDS words.
    if len(words) < MAX_WORDS and rng.random() < 0.2:
        words.append(_any_of(rng, ADVERBS))
    return Sentence(words, main_site, other_sites)


def flip(rng: Generator, grammatical: Sentence) -> Sentence:
    """Gives one agreeing word the other number: the main verb in at least 60% of draws."""
    site = grammatical.main_site
    if grammatical.other_sites and rng.random() >= 0.6:
        site = _any_of(rng, tuple(grammatical.other_sites))
    words = list(grammatical.words)
    words[site] = _any_of(rng, _OPPOSITES[words[site]])
    return replace(grammatical, words=words)


def corpus(count: int, seed: int) -> list[str]:
    """Returns grammatical sentences to pre-train on."""
    rng = np.random.default_rng(seed)
    return [" ".join(sentence(rng).words) for _ in range(count)]


def acceptability(
    count: int, seed: int, acceptable_share: float = 0.6
) -> tuple[list[str], np.ndarray]:
    """Returns shuffled sentences and int32 labels: 1 acceptable, 0 with one agreement flip.

    The number of acceptable sentences is exact: `round(count * acceptable_share)`.
    """
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) < round(count * acceptable_share)).astype(np.int32)
    sentences = []
    for acceptable in labels:
        drawn = sentence(rng)
        sentences.append(" ".join((drawn if acceptable else flip(rng, drawn)).words))
    order = rng.permutation(count)
    return [sentences[i] for i in order], labels[order]


def _tokenizer(pad_token_id: int) -> Tokenizer:
    padding, *others = VOCABULARY
    words = [*others[:pad_token_id], padding, *others[pad_token_id:]]
    ids = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, ids[token]) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return tokenizer


def write_tokenizer(folder: str | Path, pad_token_id: int = 0) -> None:
    """Writes the word-level tokenizer as files that `AutoTokenizer.from_pretrained` loads.

    Args:
        pad_token_id: where the padding stands among the words; MPNet's code wants it at 1.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        # Named, so that a BERT config.json beside it does not make it a WordPiece tokenizer.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": MAX_TOKENS,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }
    config |= {f"{token[1:-1].lower()}_token": token for token in SPECIAL_TOKENS}
    texts = {
        "tokenizer.json": _tokenizer(pad_token_id).to_str(pretty=True),
        "tokenizer_config.json": json.dumps(config, indent=2),
    }
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
