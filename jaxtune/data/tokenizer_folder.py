"""A tokenizer in a model's folder: read as its files say, and written as transformers reads it."""

import contextlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.files import check_no_pointer, read_json, write_json
from jaxtune.core.words import on_one_line

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
    with foreign_code(f"{folder} has no tokenizer that transformers can load"):
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


@contextlib.contextmanager
def foreign_code(sentence: str) -> Generator[None]:
    """Makes a UserError of whatever a tokenizer trips over, a panic of its Rust code too."""
    try:
        yield
    except BaseException as error:
        # A panic is no Exception, but neither is Ctrl-C.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise UserError(f"{sentence} ({on_one_line(error)}).") from error


def write_tokenizer(
    folder: Path, source: Path, max_length: int, input_names: list[str], of_words: bool = False
) -> None:
    """The tokenizer of `source`, cutting at `max_length`, for transformers 4 and 5.

    Args:
        of_words: whether it gets texts that are words already.
    """
    tokenizer = load_tokenizer(source, of_words)
    tokenizer.model_max_length = max_length
    tokenizer.model_input_names = input_names
    # Saved is the attribute's value, but only of what was given when the tokenizer was made.
    tokenizer.init_kwargs["model_input_names"] = input_names
    for how_it_was_read in ("is_local", "local_files_only", "name_or_path"):
        tokenizer.init_kwargs.pop(how_it_was_read, None)
    tokenizer.save_pretrained(folder)
    _spell_for_transformers_4(folder / "tokenizer_config.json")


def _spell_for_transformers_4(path: Path) -> None:
    """Puts two words of transformers 5 that 4 cannot load in those of 4, which both can."""
    config = read_json(path)
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(config.get("extra_special_tokens"), list):  # 4 has named ones there, as a mapping
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    write_json(path, config)
