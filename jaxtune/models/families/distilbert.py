"""DistilBERT (Sanh et al., 2019): half of BERT's blocks, no token types, and no pooler."""

from jaxtune.models.encoder_config import HeadConfig
from jaxtune.models.families.family import BERT_EMBEDDINGS, Family, blocks

_BLOCK = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "attention_output": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "intermediate": "ffn.lin1",
    "output": "ffn.lin2",
    "output_norm": "output_layer_norm",
}

DISTILBERT = Family(
    model_type="distilbert",
    title="DistilBERT",
    transformers="DistilBert",
    prefix="distilbert.",
    encoder={path: name for path, name in BERT_EMBEDDINGS.items() if "token_type" not in path}
    | blocks("transformer.layer.{layer}.", _BLOCK),
    classifier={"head/pooler": "pre_classifier", "head/classifier": "classifier"},
    masked_lm={
        "head/dense": "vocab_transform",
        "head/norm": "vocab_layer_norm",
        "head": "vocab_projector",
    },
    decoder="vocab_projector",
    keys={
        "vocab_size": "vocab_size",
        "hidden_size": "dim",
        "num_layers": "n_layers",
        "num_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "activation": "activation",
        "hidden_dropout": "dropout",
        "attention_dropout": "attention_dropout",
        "max_positions": "max_position_embeddings",
        "init_std": "initializer_range",
        "pad_token_id": "pad_token_id",
        "classifier_dropout": "seq_classif_dropout",
    },
    absent={
        "activation": "gelu",
        "hidden_dropout": 0.1,
        "attention_dropout": 0.1,
        "classifier_dropout": 0.2,
        "pad_token_id": 0,
        "init_std": 0.02,
    },
    facts={
        "type_vocab_size": 0,
        "layer_norm_eps": 1e-12,
        "attention_output_dropout": False,
        "head": HeadConfig(activation="relu", pretrained_pooler=False, token_dropout="hidden"),
    },
    # A table of sines is not trained.
    only={"sinusoidal_pos_embds": False},
    types_in_pretraining=0,
    other_keys={
        "hidden_size": "hidden_size",
        "num_layers": "num_hidden_layers",
        "num_heads": "num_attention_heads",
    },
)
