"""Entities and their F1 are those of seqeval, whatever the tags; and the floor under them."""

import numpy as np
import pytest

from jaxtune.core.entities import Sentences, are_entities, count_entities, entity_f1
from jaxtune.core.failure import is_constant_prediction, trivial_floor
from jaxtune.core.metrics import evaluate, fitting

SCHEMES = {
    "IOB": ("O", "B-LOC", "I-LOC", "B-PER", "I-PER"),
    "IOBES": ("O", *(f"{letter}-{kind}" for letter in "BIES" for kind in ("LOC", "PER"))),
    "without types": ("O", "B", "I"),
    "types with dashes": ("O", "B-a-b", "I-a-b", "B-a", "I-a"),
    "without O": ("B-LOC", "I-LOC"),
}


def numbered(sequences, tags):
    flat = np.array([tags.index(tag) for own in sequences for tag in own])
    return flat, Sentences(tags, np.array([len(own) for own in sequences]))


def ours(given, true, tags):
    flat, sentences = numbered(given, tags)
    return count_entities(flat, numbered(true, tags)[0], sentences)


def drawn(rng, tags, lengths):
    """Any tag after any other: mostly ill-formed."""
    return [[str(t) for t in rng.choice(tags, n)] for n in lengths]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_tags_are_scored_as_by_seqeval(scheme):
    metrics = pytest.importorskip("seqeval.metrics")
    rng, tags = np.random.default_rng(0), SCHEMES[scheme]
    seen = set()
    for _ in range(200):
        lengths = rng.integers(1, 9, rng.integers(1, 5))
        true = drawn(rng, tags, lengths)
        # Half of the words are right, so that there are hits.
        given = [[t if rng.random() < 0.5 else str(rng.choice(tags)) for t in own] for own in true]
        counts = ours(given, true, tags)
        expected = metrics.f1_score(true, given, zero_division=0)
        assert entity_f1(counts) == pytest.approx(expected, abs=1e-12)
        entities = metrics.sequence_labeling.get_entities
        for i, (a, b) in enumerate(zip(given, true, strict=True)):
            # Alone, for that is how far an entity goes at most.
            found, wanted = set(entities(a)), set(entities(b))
            own = (len(found & wanted), len(found), len(wanted))
            assert own == (counts.hits[i], counts.given[i], counts.right[i])
        seen.add(expected)
    assert len(seen) > 50


# Given, right, and true positives, entities given and right, by the words of conlleval.
KNOWN = [
    ("B-PER I-PER O B-LOC", "B-PER I-PER O B-LOC", (2, 2, 2)),
    ("B-PER O O B-LOC", "B-PER I-PER O B-LOC", (1, 2, 2)),
    ("I-PER I-PER O I-LOC", "B-PER I-PER O B-LOC", (2, 2, 2)),  # IOB1 and IOB2 are one
    ("B-PER I-LOC O O", "B-PER I-PER O O", (0, 2, 1)),
    ("B-PER B-PER O O", "B-PER I-PER O O", (0, 2, 1)),
    ("B-LOC I-LOC O O", "B-PER I-PER O O", (0, 1, 1)),
    ("O O O O", "B-PER I-PER O O", (0, 0, 1)),
    ("O O O O", "O O O O", (0, 0, 0)),
]


@pytest.mark.parametrize(("given", "true", "expected"), KNOWN)
def test_known_tags(given, true, expected):
    counts = ours([given.split()], [true.split()], SCHEMES["IOB"])
    assert tuple(int(each[0]) for each in counts) == expected
    hits, found, wanted = expected
    assert entity_f1(counts) == (2 * hits / (found + wanted) if found + wanted else 0.0)


def test_an_entity_ends_with_its_sentence():
    tags = SCHEMES["IOB"]
    one = ours([["O", "B-PER", "I-PER"]], [["O", "B-PER", "I-PER"]], tags)
    two = ours([["O", "B-PER"], ["I-PER"]], [["O", "B-PER"], ["I-PER"]], tags)
    empty = ours([["O", "B-PER"], [], ["I-PER"]], [["O", "B-PER"], [], ["I-PER"]], tags)
    assert one.hits.tolist() == [1]
    assert two.hits.tolist() == [1, 1]
    assert empty.hits.tolist() == [1, 0, 1]


def test_bilou_is_iobes_by_other_letters():
    iobes, bilou = SCHEMES["IOBES"], ("O", *(f"{x}-{k}" for x in "BILU" for k in ("LOC", "PER")))
    rng = np.random.default_rng(1)
    given, true = (rng.integers(0, len(iobes), 200) for _ in range(2))
    lengths = np.full(40, 5)
    one, other = (count_entities(given, true, Sentences(tags, lengths)) for tags in (iobes, bilou))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.hits.sum() > 10


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        *((tags, True) for tags in SCHEMES.values()),
        (("B-LOC", "L-LOC", "U-LOC", "O"), True),
        (("NN", "VBZ", "O"), False),
        (("X-LOC", "O"), False),
        (("B-", "O"), False),
        (("O",), False),
        (("0", "1"), False),
    ],
)
def test_which_tags_spell_entities(tags, expected):
    assert are_entities(tags) is expected
    assert ("entity_f1" in fitting(2, entities=are_entities(tags))) is expected


def test_the_floor_is_the_best_tag_for_all_words():
    """O for all finds nothing; B-PER for all finds the persons of one word."""
    tags = SCHEMES["IOB"]
    labels, sentences = numbered([["B-PER", "O", "B-PER"], ["B-LOC", "I-LOC", "O"]], tags)
    scores = {}
    for number, tag in enumerate(tags):
        logits = np.tile(np.eye(len(tags))[number], (len(labels), 1))
        scores[tag] = evaluate(["entity_f1"], logits, labels, sentences=sentences)["entity_f1"]
        assert is_constant_prediction(logits)
    assert scores == {"O": 0, "B-PER": 4 / 9, "I-PER": 0, "B-LOC": 0, "I-LOC": 0}
    assert trivial_floor("entity_f1", labels, len(tags), sentences=sentences) == 4 / 9
    assert trivial_floor("accuracy", labels, len(tags), sentences=sentences) == 1 / 3
