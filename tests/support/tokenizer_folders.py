"""Folders with tokenizers of every kind, and sentences to cut."""

import json
from pathlib import Path

import numpy as np
from vocabularies import write_sentence_pieces

from jaxtune.data.examples import Examples
from jaxtune.data.miniature.language import corpus, write_tokenizer
from jaxtune.data.token_table import TokenTable

REAL = ("bert-uncased", "roberta", "albert-v2")
MADE = ("xlm-roberta", "camembert", "deberta-v2")  # here, from the sentences below
ALL = ("miniature", *REAL, *MADE)
FIRST = [
    "the dog sleeps",
    "two wolves that the chef feeds sing again",
    "a",
    "It's na\u00efve \u2014 don't you think? 3.14%",
]
SECOND = ["a busy baker cooks", "dogs", "these mice near the captain swim quietly today", "No."]
LABELS = np.array([1, 0, 0, 1], np.int32)
PAIRS, SINGLES = Examples(FIRST, SECOND, LABELS), Examples(FIRST, None, LABELS)
VOCAB_SIZE = 60_000


def examples_of(table: TokenTable, values: np.ndarray) -> list[list[int]]:
    """A flat array of the table, cut into its examples."""
    starts, ends = table.starts, table.starts + table.lengths
    return [values[start:end].tolist() for start, end in zip(starts, ends, strict=True)]


def folder_named(name: str, top: Path, real: Path | None) -> Path:
    """Below `top`; a real one is taken from the real data."""
    if name in REAL:
        assert real is not None
        return real / "tokenizers" / name
    folder = top / name
    if name in MADE:
        folder.mkdir()
        write_sentence_pieces(folder, name, [*FIRST, *SECOND, *corpus(40, seed=1)], 50)
        (folder / "config.json").write_text(json.dumps({"model_type": name}))
    else:
        write_tokenizer(folder)
    return folder
