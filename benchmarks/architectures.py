"""Model folders of published sizes, without weights: config.json and a tokenizer's files.

Each config.json holds what transformers' own config class of the family has by default, which is
the published base model, but for what is named here. A tokenizer of another family stands in where
its own is not at hand: of the words only those in use are trained, so that it decides little.
CamemBERT, whose tables are smaller than any tokenizer here, is RoBERTa to a compiler.
"""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

LARGE = {
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
BASE = LARGE | {
    "num_hidden_layers": 12,
    "hidden_size": 768,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}


class Architecture(NamedTuple):
    """A family's tokenizer folder and what its config.json has beside the sizes, as published."""

    tokenizer: str
    own: dict


ROBERTA = {
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "max_position_embeddings": 514,
    "layer_norm_eps": 1e-5,
}
DEBERTA_V3 = {
    "vocab_size": 128100,
    "relative_attention": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "layer_norm_eps": 1e-7,
    "max_relative_positions": -1,
    "position_biased_input": False,
    "type_vocab_size": 0,
    "pad_token_id": 0,
}
MPNET = {
    "vocab_size": 50265,  # of the tokenizer here, which has its padding at 1; published are 30,527
    "pad_token_id": 1,
    "max_position_embeddings": 514,
    "layer_norm_eps": 1e-5,
}
ARCHITECTURES = {
    "bert": Architecture("bert-uncased", {"vocab_size": 30522, "type_vocab_size": 2}),
    "roberta": Architecture("roberta", ROBERTA | {"vocab_size": 50265}),
    "xlm-roberta": Architecture("roberta", ROBERTA | {"vocab_size": 250002}),
    "albert": Architecture(
        "albert-v2",
        {
            "vocab_size": 30000,
            "embedding_size": 128,
            "hidden_act": "gelu_new",
            "type_vocab_size": 2,
        },
    ),
    "distilbert": Architecture("bert-uncased", {"vocab_size": 30522}),
    "electra": Architecture(
        "bert-uncased", {"vocab_size": 30522, "embedding_size": 768, "type_vocab_size": 2}
    ),
    "mpnet": Architecture("roberta", MPNET),
    "modernbert": Architecture("roberta", {"vocab_size": 50368, "pad_token_id": 1}),
    "deberta-v2": Architecture("bert-uncased", DEBERTA_V3),
}
# DistilBERT has names of its own, and half the blocks; ModernBERT's published base is its default.
OWN_BASE = {
    "distilbert": {"n_layers": 6, "dim": 768, "n_heads": 12, "hidden_dim": 3072},
    "modernbert": {
        "num_hidden_layers": 22,
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 1152,
    },
}


def write_architecture(family: str, tokenizers: Path, folder: Path, sizes: dict) -> Path:
    """A model folder of a family, with `sizes` in its config.json."""
    tokenizer, own = ARCHITECTURES[family]
    shutil.copytree(tokenizers / tokenizer, folder, dirs_exist_ok=True)
    config = {"model_type": family, "max_position_embeddings": 512} | own | sizes
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if not (folder / "tokenizer_config.json").exists():
        # Or transformers takes the class that belongs to config.json's family.
        kind = {"roberta": "RobertaTokenizer", "albert-v2": "AlbertTokenizer"}[tokenizer]
        text = json.dumps({"tokenizer_class": kind})
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    return folder


def base_sizes(family: str) -> dict:
    """Those of the published base model."""
    return OWN_BASE.get(family, BASE)
