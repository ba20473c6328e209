"""Text to pre-train on: tokenised, a part held out, and the words that may be masked."""

import lzma
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.files import decode
from jaxtune.data.token_table import TokenTable
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import largest_id, tokenize_chunks

SUFFIXES = (".txt", ".txt.xz", ".raw")
HELD_OUT_SHARE, HELD_OUT_MOST = 0.01, 1000
MINIATURE_SENTENCES, MINIATURE_HELD_OUT_SEED = 100_000, 99


class Corpus(NamedTuple):
    """Tokenised text and what masking needs to know of the vocabulary."""

    train: TokenTable
    held_out: TokenTable
    words: np.ndarray  # ids that may be masked and drawn as replacements
    mask_token: int
    vocab_size: int
    pad_token: int


def miniature_corpus(folder: Path, seed: int, max_length: int, pad_token_id: int = 0) -> Corpus:
    """Sentences of the miniature's language by seed; its tokenizer is written into `folder`."""
    from jaxtune.data.miniature import language

    folder.mkdir(parents=True, exist_ok=True)
    language.write_tokenizer(folder, pad_token_id)
    tokenizer = load_tokenizer(folder)
    train = language.corpus(MINIATURE_SENTENCES, 100 + seed)
    return _corpus(
        tokenize_chunks(tokenizer, train, max_length),
        tokenize_chunks(tokenizer, miniature_held_out(), max_length),
        tokenizer,
        folder,
    )


def miniature_held_out() -> list[str]:
    """The sentences that the packaged miniature's pre-training was validated on."""
    from jaxtune.data.miniature import language

    return language.corpus(HELD_OUT_MOST, MINIATURE_HELD_OUT_SEED)


def read_corpus(
    data: Path, held_out_file: Path | None, tokenizer_folder: Path, max_length: int
) -> Corpus:
    """Text files; without a held-out file a random 1% of the sequences, at most 1,000, is."""
    tokenizer = load_tokenizer(tokenizer_folder)
    train = tokenize_chunks(tokenizer, read_texts(data), max_length)
    if held_out_file is None:
        if len(train) < 2:
            raise UserError(f"{data} has a single sequence; give text to train on and to hold out.")
        mixed = np.random.default_rng(0).permutation(len(train))
        size = min(HELD_OUT_MOST, max(1, int(len(train) * HELD_OUT_SHARE)))
        held_out, train = train.take(mixed[:size]), train.take(mixed[size:])
    else:
        held_out = tokenize_chunks(tokenizer, read_texts(held_out_file), max_length)
        held_out = held_out.take(np.arange(min(len(held_out), HELD_OUT_MOST)))
    return _corpus(train, held_out, tokenizer, tokenizer_folder)


def _corpus(train: TokenTable, held_out: TokenTable, tokenizer: Any, folder: Path) -> Corpus:
    return Corpus(
        train=train,
        held_out=held_out,
        words=maskable_words(tokenizer),
        mask_token=mask_token_of(tokenizer, folder),
        # Not len(tokenizer): the numbering may have holes.
        vocab_size=largest_id(tokenizer) + 1,
        pad_token=tokenizer.pad_token_id,
    )


def mask_token_of(tokenizer: Any, folder: Path) -> int:
    """Raises UserError where the tokenizer has none."""
    if tokenizer.mask_token_id is None:
        raise UserError(f"The tokenizer in {folder} has no mask token; add one (mask_token) to it.")
    return tokenizer.mask_token_id


def maskable_words(tokenizer: Any) -> np.ndarray:
    """Ids that may be masked and drawn as replacements: all but the special tokens."""
    words = np.fromiter(tokenizer.get_vocab().values(), np.int32)
    return np.setdiff1d(words, tokenizer.all_special_ids).astype(np.int32)


def read_texts(path: Path) -> list[str]:
    """The non-empty lines of a .txt, .raw or .txt.xz file, or of all such files of a folder."""
    lines = [line.strip() for file in text_files(path) for line in _read(file).split("\n")]
    lines = list(filter(None, lines))
    if not lines:
        raise UserError(
            f"{path} holds no text; give a file or folder with {', '.join(SUFFIXES)} files."
        )
    return lines


def text_files(path: Path) -> list[Path]:
    """The file, or the text files of a folder."""
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.name.endswith(SUFFIXES) and p.is_file())


def _read(file: Path) -> str:
    try:
        data = file.read_bytes()
        if file.suffix == ".xz":
            data = lzma.decompress(data)
    except (OSError, lzma.LZMAError) as error:
        raise UserError(f"{file} cannot be read ({error}); give an intact text file.") from error
    return decode(file, data)
