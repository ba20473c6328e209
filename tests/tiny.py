"""A model folder that trains in a second: two layers, 32 wide, random weights, the miniature's tokenizer."""

from pathlib import Path

import jax

from jaxtune.miniature import language
from jaxtune.models.encoder import EncoderConfig
from jaxtune.models.heads import MaskedLM
from jaxtune.models.pretrained import write_folder

LAYERS, WIDTH = 2, 32


def write_tiny_model(folder: Path, dropout: float = 0.1) -> Path:
    """A BERT folder with a masked-LM head, so that pooler and classifier are drawn fresh."""
    raw = {
        "model_type": "bert",
        "vocab_size": len(language.VOCABULARY),
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "intermediate_size": 2 * WIDTH,
        "max_position_embeddings": language.MAX_TOKENS,
        "type_vocab_size": 2,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "initializer_range": 0.05,
    }
    config = EncoderConfig(
        family="bert",
        vocab_size=len(language.VOCABULARY),
        hidden_size=WIDTH,
        num_layers=LAYERS,
        num_heads=4,
        intermediate_size=2 * WIDTH,
        max_positions=language.MAX_TOKENS,
        type_vocab_size=2,
        embedding_size=WIDTH,
        activation="gelu",
        layer_norm_eps=1e-12,
        hidden_dropout=dropout,
        attention_dropout=dropout,
        classifier_dropout=dropout,
        pad_token_id=0,
        init_std=0.05,
    )
    write_folder(folder, MaskedLM(config, key=jax.random.key(0)), raw)
    language.write_tokenizer(folder)
    return folder
