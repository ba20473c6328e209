"""A custom task of entities in the miniature's words: a noun with the adjective before it, whose
type is that of the noun.
"""

import json
from pathlib import Path

import numpy as np

TYPES = {
    "dog": "ANIMAL",
    "wolf": "ANIMAL",
    "mouse": "ANIMAL",
    "baker": "PERSON",
    "captain": "PERSON",
    "singer": "PERSON",
}
ADJECTIVES = ("furry", "loud", "brave", "wild")
VERBS = ("chases", "feeds", "greets")
TAGS = ("B-ANIMAL", "B-PERSON", "I-ANIMAL", "I-PERSON", "O")  # in the order of the logits
STEPS = 40


def phrase(rng):
    noun = rng.choice([*TYPES])
    kind = TYPES[noun]
    if rng.random() < 0.5:
        return ["the", rng.choice(ADJECTIVES), noun], ["O", f"B-{kind}", f"I-{kind}"]
    return ["the", noun], ["O", f"B-{kind}"]


def words_and_tags(number, seed):
    """Sentences such as `the loud wolf feeds the captain`, with their tags."""
    rng = np.random.default_rng(seed)
    words, tags = [], []
    for _ in range(number):
        (one, of_one), (other, of_other) = phrase(rng), phrase(rng)
        words.append([*map(str, one), str(rng.choice(VERBS)), *map(str, other)])
        tags.append([*of_one, "O", *of_other])
    return words, tags


def write_columns(path: Path, words, tags) -> Path:
    """As the CoNLL tasks: four columns, of which the last is the tag."""
    blocks = ["-DOCSTART- -X- -X- O\n"]
    for own, of_own in zip(words, tags, strict=True):
        lines = [f"{word} NN B-NP {tag}\n" for word, tag in zip(own, of_own, strict=True)]
        blocks.append("".join(lines))
    path.write_text("\n".join(blocks))
    return path


def write_lists(path: Path, words, tags) -> Path:
    """As JSON lines."""
    pairs = zip(words, tags, strict=True)
    path.write_text("".join(json.dumps({"tokens": w, "tags": t}) + "\n" for w, t in pairs))
    return path


def right(number, seed):
    """The tags of a split as numbers, and how many words each sentence has."""
    tags = words_and_tags(number, seed)[1]
    return np.array([TAGS.index(t) for own in tags for t in own]), np.array([*map(len, tags)])


def command(model, train, dev, out, *flags):
    return [
        *("--model", str(model), "--task", "custom", "--token_classification", "true"),
        *("--text_columns", "tokens", "--label_column", "tags"),
        *("--train_file", str(train), "--dev_file", str(dev), "--out", str(out)),
        *("--max_steps", str(STEPS), "--seeds", "0,1", "--learning_rate", "1e-2"),
        *("--log_every", "10", "--eval_every", "20", *flags),
    ]
