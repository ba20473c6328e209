"""Whether a tokenizer suits the texts and the model, as far as its tokens show it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxtune.data.token_table import TokenTable

# From this share of unknown tokens on a model reads too little of its texts.
MANY_UNKNOWN = 0.05


def unknown_share(tokenizer: Any, table: TokenTable) -> float:
    """Of all tokens of a split those that stand for something the tokenizer has no words for."""
    if tokenizer.unk_token_id is None:
        return 0.0
    return float(np.mean(table.ids[1:] == tokenizer.unk_token_id))


def fit_sentences(tokenizer: Any, tables: Mapping[str, TokenTable]) -> tuple[str, ...]:
    """Warnings of tokens that are missing or mean nothing; none where all is well."""
    found = []
    if tokenizer.num_special_tokens_to_add() == 0:
        found.append(
            "Warning: the tokenizer puts no special tokens such as [CLS] and [SEP] around a text"
            " (its tokenizer.json has no post_processor for that), and the model was trained with"
            " them."
        )
    shares = {split: unknown_share(tokenizer, table) for split, table in tables.items()}
    if max(shares.values()) >= MANY_UNKNOWN:
        of = " and ".join(f"{share:.1%} of the {split}" for split, share in shares.items())
        found.append(
            f"Warning: the tokenizer does not know {of} tokens: it may be of another language."
        )
    return tuple(found)
