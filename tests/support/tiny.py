"""A model folder that trains in a second: two layers, 32 wide, random weights, the miniature's
tokenizer.
"""

import json
from pathlib import Path
from typing import Any

import jax

from jaxtune.data.miniature import language
from jaxtune.models.heads import MaskedLM
from jaxtune.models.pretrained import read_config, write_folder

LAYERS, WIDTH = 2, 32


def write_tiny_model(
    folder: Path, dropout: float = 0.1, family: str = "bert", layers: int = LAYERS
) -> Path:
    """A folder with a masked-LM head, so that pooler and classifier are drawn fresh."""
    roberta = family == "roberta"
    raw: dict[str, Any] = {
        "model_type": family,
        "vocab_size": len(language.VOCABULARY),
        "hidden_size": WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 2 * WIDTH,
        "max_position_embeddings": language.MAX_TOKENS + roberta,  # the first is unused
        "type_vocab_size": 1 if roberta else 2,
        "hidden_act": "gelu",
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "initializer_range": 0.05,
        "pad_token_id": 0,
    }
    if family == "albert":
        raw["embedding_size"] = WIDTH
    if family == "modernbert":  # two tokens on each side
        rates = ("embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout")
        raw |= dict.fromkeys(rates, dropout) | {"local_attention": 4}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(raw))
    config, _ = read_config(folder)
    write_folder(folder, MaskedLM(config, key=jax.random.key(0)), raw)
    language.write_tokenizer(folder)
    return folder
