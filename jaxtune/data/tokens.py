"""Examples to token tables: cut by the checkpoint's own tokenizer and laid end to end."""

import contextlib
import dataclasses
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.files import check_no_pointer, read_json
from jaxtune.core.words import plural
from jaxtune.data.examples import Examples
from jaxtune.data.token_table import TokenTable, starts_of

# Words of a SentencePiece model: ALBERT's, XLM-RoBERTa's and CamemBERT's, DeBERTa's.
SENTENCE_PIECES = ("spiece.model", "sentencepiece.bpe.model", "spm.model")
VOCABULARY_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", *SENTENCE_PIECES)
MERGES = "merges.txt"
# Of tokenizer.json: transformers 5 has classes that take its words alone and cut texts in a way of
# their own, so that "\ufb01sh" is no longer "fish", or a cased text becomes a lower-cased one.
# What tokenizer_config.json may set in place of it: which part of which kind is the class's then.
_SET_APART = {
    "do_lower_case": ("BertNormalizer", "lowercase"),
    "strip_accents": ("BertNormalizer", "strip_accents"),
    "tokenize_chinese_chars": ("BertNormalizer", "handle_chinese_chars"),
    "add_prefix_space": ("ByteLevel", "add_prefix_space"),
}
SPECIAL_TOKENS = {
    "pad_token": ("[PAD]", "<pad>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
    "unk_token": ("[UNK]", "<unk>"),
}


def load_tokenizer(folder: Path, of_words: bool = False) -> Any:
    """The checkpoint's tokenizer; raises UserError without one, or without a padding token.

    Args:
        of_words: whether it is to cut texts that are words already; then byte-level BPE reads
            every word as one after a space, the first one too.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    _check_files(folder)
    with _foreign_code(f"{folder} has no tokenizer that transformers can load"):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        if _cuts_otherwise(folder, tokenizer):
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        _name_special_tokens(tokenizer)
        if of_words:
            _put_spaces_before(tokenizer)
    if tokenizer.pad_token_id is None:
        raise UserError(
            f"The tokenizer in {folder} has no padding token; add one (pad_token) to it."
        )
    return tokenizer


def _cuts_otherwise(folder: Path, tokenizer: Any) -> bool:
    """Whether texts are cut in another way than the folder's tokenizer.json says."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.is_file() or not getattr(tokenizer, "is_fast", False):
        return False
    whole, own = Tokenizer.from_file(str(file)), tokenizer.backend_tokenizer
    if type(whole.model) is not type(own.model):
        return True
    settings = folder / "tokenizer_config.json"
    given = read_json(settings) if settings.is_file() else {}
    given = given if isinstance(given, dict) else {}
    apart = [part for name, part in _SET_APART.items() if given.get(name) is not None]
    return any(
        _without(getattr(whole, part), apart) != _without(getattr(own, part), apart)
        for part in ("normalizer", "pre_tokenizer")
    )


def _without(part: Any, apart: list[tuple[str, str]]) -> Any:
    """A normaliser or pre-tokenizer in JSON, without what is set elsewhere."""

    def reduced(found: Any) -> Any:
        if isinstance(found, list):
            return [reduced(each) for each in found]
        if not isinstance(found, dict):
            return found
        kind = found.get("type")
        return {k: reduced(v) for k, v in found.items() if (kind, k) not in apart}

    return None if part is None else reduced(json.loads(part.__getstate__()))


def _put_spaces_before(tokenizer: Any) -> None:
    """Sets `add_prefix_space` of byte-level BPE, as transformers wants it of RoBERTa's tokenizer
    where texts are words: without it all words but those after a space are read as parts of one.
    """
    from tokenizers import pre_tokenizers

    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            f"The tokenizer in {tokenizer.name_or_path} does not say which word a token is of; give"
            " a folder with a tokenizer.json."
        )
    first: Any = tokenizer.backend_tokenizer.pre_tokenizer
    try:
        parts = list(first)
    except TypeError:  # one alone, and no sequence of them
        parts = [first]
    for part in parts:
        if isinstance(part, pre_tokenizers.ByteLevel):
            part.add_prefix_space = True
            # What is saved, and what some classes build themselves anew from.
            tokenizer.add_prefix_space = tokenizer.init_kwargs["add_prefix_space"] = True


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
    token_types: int = 2,
) -> TokenTable:
    """Cuts every example, longest sentence first, at `max_length` tokens, special ones included.

    Where words have labels, a word's is at its first token, and a word without any is left out.

    Raises UserError where the tokenizer gives an id, or a token type, that the model's embedding
    does not have.

    Args:
        token_types: that the model tells apart; with 0 or 1 every token has type 0.
    """
    _check_room(tokenizer, max_length, len(examples.texts))
    encoded = _encode(
        tokenizer,
        *examples.texts,
        is_split_into_words=examples.words is not None,
        truncation="longest_first",
        max_length=max_length,
        return_token_type_ids=True,
        return_attention_mask=False,
        verbose=False,
    )
    types = encoded["token_type_ids"] if token_types > 1 else None
    table = _table(encoded["input_ids"], types, tokenizer.pad_token_id, examples.labels)
    if examples.words is not None:
        table = _with_words(table, encoded, examples)
    if (most := int(table.token_types.max())) >= max(token_types, 1):
        raise UserError(
            f"The tokenizer in {tokenizer.name_or_path} gives the token type {most}, but the model"
            f" has {plural(token_types, 'type')}; give --use_token_types false, or a model and"
            " tokenizer that belong together."
        )
    # Also where the examples do not use it: such a tokenizer was made for another model.
    largest = max(table.ids.max(), largest_id(tokenizer))
    if largest >= vocab_size:
        raise UserError(
            f"The tokenizer in {tokenizer.name_or_path} gives id {largest}, but the model has"
            f" {plural(vocab_size, 'embedding row')}; give a model and tokenizer that belong"
            " together."
        )
    return table


def _with_words(table: TokenTable, encoded: Any, examples: Examples) -> TokenTable:
    """The table with labels at the first tokens of words."""
    assert examples.words is not None
    begins, found, before = [np.array([-1])], [], 0  # the padding token's
    for number, words in enumerate(examples.words):
        of_word = np.array([-1 if w is None else w for w in encoded.word_ids(number)], np.int64)
        first = (of_word >= 0) & (np.diff(of_word, prepend=-1) != 0)
        begins.append(np.where(first, of_word, -1))
        found.append(before + of_word[first])
        before += len(words)
    labels = examples.labels[np.concatenate(found)]
    return dataclasses.replace(table, labels=labels, begins=np.concatenate(begins).astype(np.int32))


def were_cut(
    tokenizer: Any, examples: Examples, lengths: np.ndarray, max_length: int
) -> np.ndarray:
    """Which examples lost tokens at `max_length`, bool `[example]`; `lengths` are those kept.

    Only what fills the length can have been longer, so only that is cut into tokens again.
    """
    cut = lengths >= max_length
    full = np.flatnonzero(cut)
    if len(full):
        texts = [[column[i] for i in full] for column in examples.texts]
        how = {"return_token_type_ids": False, "return_attention_mask": False, "verbose": False}
        how["is_split_into_words"] = examples.words is not None
        whole = _encode(tokenizer, *texts, truncation=False, **how)["input_ids"]
        cut[full] = [len(ids) > max_length for ids in whole]
    return cut


def largest_id(tokenizer: Any) -> int:
    """The largest id of the vocabulary, added tokens included."""
    return max(tokenizer.get_vocab().values())


def tokenize_chunks(tokenizer: Any, texts: list[str], max_length: int) -> TokenTable:
    """Unlabelled texts, cut into pieces of at most `max_length` tokens; nothing is dropped."""
    _check_room(tokenizer, max_length, 1)
    if not getattr(tokenizer, "is_fast", False):  # the rest of a long text would be lost
        raise UserError(
            f"The tokenizer in {tokenizer.name_or_path} cannot cut a long text into pieces; give a"
            " folder with a tokenizer.json."
        )
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


def _encode(tokenizer: Any, *texts: Any, **how: Any) -> Any:
    # Some defects show only here, such as a missing [UNK].
    with _foreign_code(f"The tokenizer in {tokenizer.name_or_path} cannot cut the sentences"):
        return tokenizer(*texts, **how)


@contextlib.contextmanager
def _foreign_code(sentence: str) -> Generator[None]:
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
    starts = starts_of(lengths)
    positions = np.arange(len(ids)) - np.concatenate([[0], np.repeat(starts, lengths)])
    return TokenTable(
        ids=ids,
        token_types=np.zeros_like(ids) if token_types is None else _flat(token_types, 0),
        positions=positions.astype(np.int32),
        starts=starts,
        lengths=lengths,
        labels=labels,
    )


def _flat(sequences: list[list[int]], padding: int) -> np.ndarray:
    return np.concatenate([[padding], *sequences]).astype(np.int32)
