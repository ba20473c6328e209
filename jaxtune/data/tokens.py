"""Examples to token tables: tokenised once with the checkpoint's own tokenizer, laid end to end, vocabulary compacted."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxtune.data.tasks import Examples
from jaxtune.errors import UserError


@dataclasses.dataclass(frozen=True)
class TokenTable:
    """The tokens of a split, end to end; index 0 is one padding token, so that a plan may point at it."""

    ids: np.ndarray  # int32 [token]
    token_types: np.ndarray  # int32 [token]
    positions: np.ndarray  # int32 [token], from 0 in every sequence
    starts: np.ndarray  # int32 [example], index of each first token
    lengths: np.ndarray  # int32 [example]
    labels: np.ndarray  # int32 classes or float32 scores [example]

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, examples: np.ndarray) -> "TokenTable":
        """The table restricted to some examples (the tokens of the others stay in the flat arrays)."""
        return dataclasses.replace(
            self,
            starts=self.starts[examples],
            lengths=self.lengths[examples],
            labels=self.labels[examples],
        )


class Vocabulary(NamedTuple):
    """The word ids in use, ascending: row i of a compacted embedding is word `kept[i]`."""

    kept: np.ndarray


def load_tokenizer(folder: Path) -> Any:
    """The checkpoint's tokenizer; raises UserError where the folder has none or it lacks a padding token."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} has no tokenizer that transformers can load ({error}).") from error
    if tokenizer.pad_token_id is None:
        raise UserError(f"The tokenizer in {folder} has no padding token; add one (pad_token) to it.")
    return tokenizer


def tokenizer_files(folder: Path) -> list[Path]:
    """The files of a folder that decide how text is cut."""
    names = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model")
    return [folder / name for name in names if (folder / name).exists()]


def tokenize(
    tokenizer: Any, examples: Examples, max_length: int, vocab_size: int, use_token_types: bool = True
) -> TokenTable:
    """Cuts every example (longest-first truncation at `max_length` tokens, special tokens included).

    Raises UserError where the tokenizer gives an id that the model's embedding does not have.
    """
    encoded = tokenizer(
        examples.first,
        examples.second,
        truncation="longest_first",
        max_length=max_length,
        return_token_type_ids=True,
        return_attention_mask=False,
        verbose=False,
    )
    sequences = encoded["input_ids"]
    lengths = np.array([len(ids) for ids in sequences], np.int32)
    ids = _flat(sequences, tokenizer.pad_token_id)
    if ids.max() >= vocab_size:
        raise UserError(
            f"The tokenizer gives id {ids.max()}, but the model has {vocab_size} embedding rows; "
            "give a model and tokenizer that belong together."
        )
    types = _flat(encoded["token_type_ids"], 0)
    starts = 1 + np.cumsum(lengths, dtype=np.int32) - lengths
    positions = np.arange(len(ids), dtype=np.int32) - np.concatenate([[0], np.repeat(starts, lengths)])
    return TokenTable(
        ids=ids,
        token_types=types if use_token_types else np.zeros_like(types),
        positions=positions.astype(np.int32),
        starts=starts,
        lengths=lengths,
        labels=examples.labels,
    )


def _flat(sequences: list[list[int]], padding: int) -> np.ndarray:
    return np.concatenate([[padding], *sequences]).astype(np.int32)


def compact(tables: list[TokenTable]) -> tuple[list[TokenTable], Vocabulary]:
    """Renumbers word ids so that only words some table uses keep an embedding row (DESIGN 4.6)."""
    kept = np.unique(np.concatenate([table.ids for table in tables]))
    renumbered = [
        dataclasses.replace(table, ids=np.searchsorted(kept, table.ids).astype(np.int32))
        for table in tables
    ]
    return renumbered, Vocabulary(kept.astype(np.int32))
