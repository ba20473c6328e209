"""Tokenizers that are refused: what is done to that of a good model folder, and what the sentence
says.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bad_data import POINTER
from spoiling import WORDS, Edit, file_of, instead_of, tensors_of, text_of


def words_of(change: Callable[[dict[str, Any]], object]) -> Edit:
    """Changes tokenizer.json as JSON."""

    def changed(data: bytes) -> bytes:
        change(content := json.loads(data))
        return json.dumps(content).encode()

    return file_of("tokenizer.json", changed)


def without_padding(folder: Path) -> None:
    """Renames the padding token everywhere, and its role away."""
    for file in folder.glob("*token*.json"):
        text = file.read_text().replace('"pad_token"', '"other"').replace("[PAD]", "[FILL]")
        file.write_text(text)


def below_the_tokenizer(folder: Path) -> None:
    """The tokenizer a folder higher, and the model's files beside where they should be."""
    for file in folder.glob("tokenizer*"):
        file.rename(folder.parent / file.name)


TOKENIZER = "has no tokenizer that transformers can load ("
BAD_TOKENIZERS: list[tuple[str, Edit, str]] = [
    (
        "gone",
        lambda folder: (folder / "tokenizer.json").unlink(),
        "has no tokenizer; put one of tokenizer.json",
    ),
    (
        "a folder higher",
        below_the_tokenizer,
        "has no tokenizer; copy it from ",
    ),
    (
        "without merges.txt",
        instead_of("tokenizer.json", "vocab.json"),
        "has vocab.json, but lacks merges.txt; download it too",
    ),
    (
        "without vocab.json",
        instead_of("tokenizer.json", "merges.txt"),
        "has merges.txt, but lacks vocab.json; download it too",
    ),
    (
        "a spiece.model alone",
        instead_of("tokenizer.json", "spiece.model"),
        "has spiece.model, but lacks tokenizer.json; download it too, or make it with transformers"
        " 4 (pip install 'transformers<5' sentencepiece)",
    ),
    (
        "a sentencepiece.bpe.model alone",
        instead_of("tokenizer.json", "sentencepiece.bpe.model"),
        "has sentencepiece.bpe.model, but lacks tokenizer.json; download it too, or make it with",
    ),
    (
        "an spm.model alone",
        instead_of("tokenizer.json", "spm.model"),
        "has spm.model, but lacks tokenizer.json; download it too, or make it with transformers 4",
    ),
    ("empty", text_of("tokenizer.json", ""), TOKENIZER),
    ("a pointer", text_of("tokenizer.json", POINTER.decode()), "is a pointer of Git LFS and not"),
    ("cut", file_of("tokenizer.json", lambda b: b[:300]), TOKENIZER),
    ("a list", text_of("tokenizer.json", "[]"), TOKENIZER),
    ("of an unknown kind", words_of(lambda c: c["model"].update(type="New")), TOKENIZER),
    ("settings cut", text_of("tokenizer_config.json", "{"), TOKENIZER),
    ("settings a list", text_of("tokenizer_config.json", "[]"), TOKENIZER),
    ("no padding token", without_padding, "has no padding token; add one (pad_token) to it"),
    (
        "no unknown token",
        words_of(lambda c: (c["model"].update(unk_token="[NEW]"), c["model"]["vocab"].pop("the"))),
        "cannot cut the sentences (",
    ),
    (
        "panicking",
        words_of(lambda c: c["post_processor"]["special_tokens"].clear()),
        "cannot cut the sentences (",
    ),
    (
        "an id beyond the rows",
        words_of(lambda c: c["model"]["vocab"].update(the=5000)),
        "gives id 5000, but the model has 121 embedding rows",
    ),
    (
        "the first id beyond the rows, unused",
        words_of(lambda c: c["model"]["vocab"].update(zebra=121)),
        "gives id 121, but the model has 121",
    ),
    (
        "fewer rows",
        tensors_of(lambda t: t | {WORDS: t[WORDS][:100]}),
        f"{WORDS} has shape (100, 32)",
    ),
]
