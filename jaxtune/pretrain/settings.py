"""Every setting of a pre-training run: its name, type, default and help."""

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Literal

from jaxtune.core.errors import UserError
from jaxtune.core.fields import check_between, check_least


@dataclasses.dataclass(frozen=True)
class PretrainConfig:
    """Pre-trains a small encoder by masked-language modelling and writes a Hugging Face folder with
    its MLM head.

    The stages grow the depth: `--layers 4 12 24 --steps 2500 500 700` trains 4 layers, repeats them
    to 12, then to 24. The same command goes on where it stopped.
    """

    data: str
    """`miniature`, a text file (.txt or .txt.xz), or a folder of them; one paragraph per line."""
    out: Path
    """Folder to write."""
    tokenizer: Path | None = None
    """Folder with tokenizer files; not needed for the miniature."""
    held_out: Path | None = None
    """Text file to validate on; without it, 1% of the sequences (at most 1,000)."""
    family: Literal[
        "bert",
        "roberta",
        "albert",
        "distilbert",
        "electra",
        "xlm-roberta",
        "camembert",
        "mpnet",
        "modernbert",
        "deberta-v2",
    ] = "bert"
    """Architecture: RoBERTa counts positions from after its padding index and has one token type,
    ALBERT repeats one block, DistilBERT has no token types, MPNet adds a number for each distance
    and learns masked words alone (published ones learn permuted text), ModernBERT normalises before
    and sees a window of half a sequence in two of three blocks, DeBERTa (v2 and v3) reads distances
    in half as many buckets as max_length.
    """
    layers: tuple[int, ...] = (4, 12, 24)
    """Depth of each stage; every one a multiple of the one before. An ALBERT repeats its one block
    more often.
    """
    steps: tuple[int, ...] = (2500, 500, 700)
    """Optimiser steps of each stage."""
    learning_rates: tuple[float, ...] = (2.4e-3, 7e-4, 5e-4)
    """Peak learning rate of each stage; constant after the warm-up, decaying in the last stage."""
    hidden_size: int = 64
    """Width; the feed-forward layer is four times as wide, with a gate 8/3 times."""
    num_heads: int = 4
    """Attention heads."""
    max_length: int = 16
    """Longest sequence; longer paragraphs are cut into pieces."""
    batch_size: int = 64
    """Sequences per step."""
    warmup_steps: int = 100
    """Of each stage, and at most half of it."""
    mask_rate: float = 0.15
    """Share of the words to predict: 80% masked, 10% replaced, 10% kept."""
    adam_b2: float = 0.99
    """Decay of the second moment."""
    weight_decay: float = 0.01
    """Decoupled."""
    max_grad_norm: float = 1.0
    """Clip gradients to this norm."""
    init_std: float = 0.05
    """Standard deviation of fresh weights."""
    dropout: float = 0.1
    """All dropout rates, in training and in the written config."""
    seed: int = 0
    """Weights, order, masks, dropout, and the miniature's sentences."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the matrix products."""


def check(config: PretrainConfig) -> None:
    """Raises UserError for settings that are out of range or contradict each other."""
    check_least(config, 1, ("layers", "steps", "hidden_size", "num_heads", "batch_size"))
    check_least(config, 0, ("warmup_steps", "seed", "weight_decay", "dropout"))
    check_between(config, 0, math.inf, ("learning_rates", "max_grad_norm", "init_std"))
    check_between(config, 0, 1, ("mask_rate", "adam_b2"))
    check_between(config, -1, 1, ("dropout",))
    if config.seed >= 2**32:  # jax would take the rest of a division by it
        raise UserError(f"seed is {config.seed}; the largest is {2**32 - 1}.")
    if not len(config.layers) == len(config.steps) == len(config.learning_rates):
        raise UserError(
            "layers, steps and learning_rates differ in length; give one of each per stage."
        )
    for shallow, deep in itertools.pairwise(config.layers):
        if deep % shallow:
            raise UserError(
                f"{deep} layers are no multiple of {shallow}; each stage repeats the one before."
            )
    if config.hidden_size % config.num_heads:
        raise UserError(
            f"hidden_size {config.hidden_size} is no multiple of num_heads {config.num_heads}."
        )
    if config.data != "miniature" and config.tokenizer is None:
        raise UserError(
            "--tokenizer is not given; name a folder with tokenizer files (any BERT checkpoint's)."
        )
