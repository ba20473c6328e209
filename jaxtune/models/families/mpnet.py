"""MPNet (Song et al., 2020): RoBERTa's positions and head, no token types, and a number per head
and distance added to the scores of all blocks.
"""

from jaxtune.models.families.family import BERT_ABSENT, BERT_EMBEDDINGS, BERT_KEYS, Family, blocks
from jaxtune.models.families.roberta import ROBERTA

_BLOCK = {
    "query": "attention.attn.q",
    "key": "attention.attn.k",
    "value": "attention.attn.v",
    "attention_output": "attention.attn.o",
    "attention_norm": "attention.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
_NO_KEYS = ("type_vocab_size", "classifier_dropout")
BUCKETS = 32  # transformers takes so many, whatever the table holds

MPNET = Family(
    model_type="mpnet",
    title="MPNet",
    transformers="MPNet",
    prefix="mpnet.",
    encoder={path: name for path, name in BERT_EMBEDDINGS.items() if "token_type" not in path}
    | {"encoder/distance": "encoder.relative_attention_bias"}
    | blocks("encoder.layer.{layer}.", _BLOCK),
    classifier=ROBERTA.classifier,
    masked_lm=ROBERTA.masked_lm,
    decoder=ROBERTA.decoder,
    keys={field: key for field, key in BERT_KEYS.items() if field not in _NO_KEYS},
    absent=BERT_ABSENT | {"pad_token_id": 1},
    facts=dict(ROBERTA.facts)
    | {"type_vocab_size": 0, "distance": "bias", "distance_buckets": BUCKETS},
    # Padding is word 1 in its code, too, whatever config.json says.
    only={"pad_token_id": 1, "relative_attention_num_buckets": BUCKETS},
    types_in_pretraining=0,
)
