"""Examples to token tables: cut by the checkpoint's own tokenizer, laid end to end, compacted."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.files import check_no_pointer
from jaxtune.core.shapes import Array, Float, Int
from jaxtune.core.words import plural
from jaxtune.data.examples import Examples

# Words of a SentencePiece model: ALBERT's, XLM-RoBERTa's and CamemBERT's, DeBERTa's.
SENTENCE_PIECES = ("spiece.model", "sentencepiece.bpe.model", "spm.model")
VOCABULARY_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", *SENTENCE_PIECES)
MERGES = "merges.txt"
# What transformers 5 makes of the words of tokenizer.json alone, without the file's normaliser, so
# that "\ufb01sh" is no longer "fish"; the file itself is read in their place.
_MADE_ANEW = ("DebertaV2Tokenizer",)
SPECIAL_TOKENS = {
    "pad_token": ("[PAD]", "<pad>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
    "unk_token": ("[UNK]", "<unk>"),
}


class Tokens(NamedTuple):
    """A split as compiled programs read it: flat token arrays, and the labels of each example."""

    ids: Int[Array, " token"]
    token_types: Int[Array, " token"]
    positions: Int[Array, " token"]
    labels: Int[Array, " example"] | Float[Array, " example"] | Int[Array, "example label"]


@dataclasses.dataclass(frozen=True)
class TokenTable:
    """The tokens of a split, end to end; index 0 is a padding token, for plans to point at."""

    ids: np.ndarray  # int32 [token]
    token_types: np.ndarray  # int32 [token]
    positions: np.ndarray  # int32 [token], from 0 in every sequence
    starts: np.ndarray  # int32 [example], index of each first token
    lengths: np.ndarray  # int32 [example]
    labels: np.ndarray  # int32 classes or float32 scores [example], or int32 [example, label]

    def __len__(self) -> int:
        return len(self.lengths)

    def as_tokens(self) -> Tokens:
        """The part that a plan points into."""
        arrays = (self.ids, self.token_types, self.positions, self.labels)
        return Tokens._make(jnp.asarray(array) for array in arrays)

    def take(self, examples: np.ndarray) -> "TokenTable":
        """The table of some examples, in the order given, without the tokens of the others."""
        lengths = self.lengths[examples]
        starts = _starts(lengths)
        tokens = np.repeat(self.starts[examples] - starts, lengths) + np.arange(lengths.sum()) + 1
        tokens = np.concatenate([[0], tokens])
        return TokenTable(
            ids=self.ids[tokens],
            token_types=self.token_types[tokens],
            positions=self.positions[tokens],
            starts=starts,
            lengths=lengths,
            labels=self.labels[examples],
        )

    def followed_by(self, other: "TokenTable") -> "TokenTable":
        """The examples of both, these first."""
        moved = other.starts + np.int32(len(self.ids) - 1)
        return TokenTable(  # with a single padding token
            ids=np.concatenate([self.ids, other.ids[1:]]),
            token_types=np.concatenate([self.token_types, other.token_types[1:]]),
            positions=np.concatenate([self.positions, other.positions[1:]]),
            starts=np.concatenate([self.starts, moved]),
            lengths=np.concatenate([self.lengths, other.lengths]),
            labels=np.concatenate([self.labels, other.labels]),
        )


def load_tokenizer(folder: Path) -> Any:
    """The checkpoint's tokenizer; raises UserError without one, or without a padding token."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    _check_files(folder)
    with _foreign_code(f"{folder} has no tokenizer that transformers can load"):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        if type(tokenizer).__name__ in _MADE_ANEW and (folder / "tokenizer.json").is_file():
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        _name_special_tokens(tokenizer)
    if tokenizer.pad_token_id is None:
        raise UserError(
            f"The tokenizer in {folder} has no padding token; add one (pad_token) to it."
        )
    return tokenizer


def _check_files(folder: Path) -> None:
    """Raises UserError where files of a tokenizer are missing, which transformers does not name.

    Without a vocabulary it makes a tokenizer that knows no word. A SentencePiece model alone it
    reads with sentencepiece, but cuts otherwise than the published tokenizer.json does ("44," as
    one piece).
    """
    for file in tokenizer_files(folder):
        with contextlib.suppress(OSError), file.open("rb") as opened:
            check_no_pointer(file, opened.read(100))
    held = {name for name in (*VOCABULARY_FILES, MERGES) if (folder / name).is_file()}
    if held & {"tokenizer.json", "vocab.txt"} or held >= {"vocab.json", MERGES}:
        return
    if pieces := sorted(held & {*SENTENCE_PIECES}):
        raise UserError(
            f"{folder} has {pieces[0]}, but lacks tokenizer.json; download it too, or make it with"
            " transformers 4 (pip install 'transformers<5' sentencepiece):"
            " AutoTokenizer.from_pretrained(folder).save_pretrained(folder)."
        )
    if held:
        (one,) = held
        raise UserError(
            f"{folder} has {one}, but lacks {MERGES if one == 'vocab.json' else 'vocab.json'};"
            " download it too, or tokenizer.json instead of both."
        )
    above = [name for name in VOCABULARY_FILES if (folder.parent / name).is_file()]
    advice = (
        f"copy it from {folder.parent}, which has {', '.join(above)}"
        if above
        else "put one of tokenizer.json, vocab.txt, or vocab.json with merges.txt there"
    )
    raise UserError(f"{folder} has no tokenizer; {advice}.")


def _name_special_tokens(tokenizer: Any) -> None:
    """Names what a bare tokenizer.json leaves open, such as the padding token, by its spelling."""
    vocabulary = tokenizer.get_vocab()
    for role, spellings in SPECIAL_TOKENS.items():
        known = [token for token in spellings if token in vocabulary]
        if known and getattr(tokenizer, role) is None:
            setattr(tokenizer, role, known[0])


def tokenizer_files(folder: Path) -> list[Path]:
    """The files of a folder that decide how text is cut."""
    names = (
        *VOCABULARY_FILES,
        MERGES,
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
    )
    return [folder / name for name in names if (folder / name).exists()]


def tokenize(
    tokenizer: Any,
    examples: Examples,
    max_length: int,
    vocab_size: int,
    use_token_types: bool = True,
) -> TokenTable:
    """Cuts every example, longest sentence first, at `max_length` tokens, special ones included.

    Raises UserError where the tokenizer gives an id that the model's embedding does not have.
    """
    _check_room(tokenizer, max_length, 1 if examples.second is None else 2)
    encoded = _encode(
        tokenizer,
        examples.first,
        examples.second,
        truncation="longest_first",
        max_length=max_length,
        return_token_type_ids=True,
        return_attention_mask=False,
        verbose=False,
    )
    types = encoded["token_type_ids"] if use_token_types else None
    table = _table(encoded["input_ids"], types, tokenizer.pad_token_id, examples.labels)
    # Also where the examples do not use it: such a tokenizer was made for another model.
    largest = max(table.ids.max(), largest_id(tokenizer))
    if largest >= vocab_size:
        raise UserError(
            f"The tokenizer in {tokenizer.name_or_path} gives id {largest}, but the model has"
            f" {plural(vocab_size, 'embedding row')}; give a model and tokenizer that belong"
            " together."
        )
    return table


def were_cut(
    tokenizer: Any, examples: Examples, lengths: np.ndarray, max_length: int
) -> np.ndarray:
    """Which examples lost tokens at `max_length`, bool `[example]`; `lengths` are those kept.

    Only what fills the length can have been longer, so only that is cut into tokens again.
    """
    cut = lengths >= max_length
    full = np.flatnonzero(cut)
    if len(full):
        first, second = (
            None if texts is None else [texts[i] for i in full]
            for texts in (examples.first, examples.second)
        )
        how = {"return_token_type_ids": False, "return_attention_mask": False, "verbose": False}
        whole = _encode(tokenizer, first, second, truncation=False, **how)["input_ids"]
        cut[full] = [len(ids) > max_length for ids in whole]
    return cut


def largest_id(tokenizer: Any) -> int:
    """The largest id of the vocabulary, added tokens included."""
    return max(tokenizer.get_vocab().values())


def tokenize_chunks(tokenizer: Any, texts: list[str], max_length: int) -> TokenTable:
    """Unlabelled texts, cut into pieces of at most `max_length` tokens; nothing is dropped."""
    _check_room(tokenizer, max_length, 1)
    encoded = _encode(
        tokenizer,
        texts,
        truncation=True,
        max_length=max_length,
        return_overflowing_tokens=True,
        return_token_type_ids=False,
        return_attention_mask=False,
        verbose=False,
    )
    sequences = encoded["input_ids"]
    return _table(sequences, None, tokenizer.pad_token_id, np.zeros(len(sequences), np.int32))


def _encode(tokenizer: Any, *texts: list[str] | None, **how: Any) -> Any:
    # Some defects show only here, such as a missing [UNK].
    with _foreign_code(f"The tokenizer in {tokenizer.name_or_path} cannot cut the sentences"):
        return tokenizer(*texts, **how)


@contextlib.contextmanager
def _foreign_code(sentence: str) -> Iterator[None]:
    """Makes a UserError of whatever a tokenizer trips over, a panic of its Rust code too."""
    try:
        yield
    except BaseException as error:
        # A panic is no Exception, but neither is Ctrl-C.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"{sentence} ({reason}).") from error


def _check_room(tokenizer: Any, max_length: int, sentences: int) -> None:
    """Without room for special tokens tokenizers do not cut at all, silently."""
    least = tokenizer.num_special_tokens_to_add(pair=sentences == 2) + sentences
    if max_length < least:
        raise UserError(
            f"max_length is {max_length}; this tokenizer needs at least {least}: its special tokens"
            " and a word of every sentence."
        )


def _table(
    sequences: list[list[int]],
    token_types: list[list[int]] | None,
    padding: int,
    labels: np.ndarray,
) -> TokenTable:
    lengths = np.array([len(ids) for ids in sequences], np.int32)
    ids = _flat(sequences, padding)
    starts = _starts(lengths)
    positions = np.arange(len(ids)) - np.concatenate([[0], np.repeat(starts, lengths)])
    return TokenTable(
        ids=ids,
        token_types=np.zeros_like(ids) if token_types is None else _flat(token_types, 0),
        positions=positions.astype(np.int32),
        starts=starts,
        lengths=lengths,
        labels=labels,
    )


def _starts(lengths: np.ndarray) -> np.ndarray:
    """Where sequences laid end to end begin, after the one padding token."""
    return 1 + np.cumsum(lengths, dtype=np.int32) - lengths


def _flat(sequences: list[list[int]], padding: int) -> np.ndarray:
    return np.concatenate([[padding], *sequences]).astype(np.int32)


def compact(tables: list[TokenTable], fixed: int = 0) -> tuple[list[TokenTable], np.ndarray]:
    """Renumbers word ids so that only words some table uses keep an embedding row (DESIGN 4.6).

    Ids below `fixed` stay as they are, used or not: where positions are counted from the padding
    id, it must not move. The padding token is one of a table's own.

    Returns the tables and the ids kept, ascending: row i of a compacted embedding is word
    `kept[i]`.
    """
    kept = np.unique(np.concatenate([np.arange(fixed), *(table.ids for table in tables)]))
    renumbered = [
        dataclasses.replace(table, ids=np.searchsorted(kept, table.ids).astype(np.int32))
        for table in tables
    ]
    return renumbered, kept.astype(np.int32)


def compact_beside(
    tables: Mapping[str, TokenTable], kept: np.ndarray
) -> tuple[dict[str, TokenTable], np.ndarray]:
    """Renumbers word ids as `compact` did, and words that it did not keep after all of those.

    Returns the tables and the ids that came in addition, ascending: row `len(kept) + i` of an
    embedding with both is word `more[i]`.
    """
    used = np.unique(np.concatenate([np.empty(0, np.int32), *(t.ids for t in tables.values())]))
    more = np.setdiff1d(used, kept).astype(np.int32)
    both = np.concatenate([kept, more])
    order = np.argsort(both)

    def renumbered(ids: np.ndarray) -> np.ndarray:
        return order[np.searchsorted(both, ids, sorter=order)].astype(np.int32)

    return {
        name: dataclasses.replace(table, ids=renumbered(table.ids))
        for name, table in tables.items()
    }, more
