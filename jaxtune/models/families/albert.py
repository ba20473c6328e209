"""ALBERT (Lan et al., 2020): one block used again and again, and narrow embeddings, projected."""

from jaxtune.models.families.family import BERT_ABSENT, BERT_EMBEDDINGS, BERT_KEYS, Family, blocks

_BLOCK = {
    "query": "attention.query",
    "key": "attention.key",
    "value": "attention.value",
    "attention_output": "attention.dense",
    "attention_norm": "attention.LayerNorm",
    "intermediate": "ffn",
    "output": "ffn_output",
    "output_norm": "full_layer_layer_norm",
}
_PROJECTION = {"encoder/projection": "encoder.embedding_hidden_mapping_in"}

ALBERT = Family(
    model_type="albert",
    title="ALBERT",
    transformers="Albert",
    prefix="albert.",
    encoder=BERT_EMBEDDINGS
    | _PROJECTION
    | blocks("encoder.albert_layer_groups.0.albert_layers.0.", _BLOCK),
    classifier={"head/pooler": "albert.pooler", "head/classifier": "classifier"},
    masked_lm={
        "head/dense": "predictions.dense",
        "head/norm": "predictions.LayerNorm",
        "head": "predictions",
    },
    decoder="predictions.decoder",
    keys=BERT_KEYS
    | {"embedding_size": "embedding_size", "classifier_dropout": "classifier_dropout_prob"},
    absent=BERT_ABSENT
    | {
        "activation": "gelu_new",
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "classifier_dropout": 0.1,
    },
    facts={"always_projected": True, "shared_block": True},
    only={"position_embedding_type": "absolute", "num_hidden_groups": 1, "inner_group_num": 1},
)
