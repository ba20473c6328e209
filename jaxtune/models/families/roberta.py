"""RoBERTa (Liu et al., 2019): positions that are counted, one token type, a head of its own."""

from jaxtune.models.encoder_config import HeadConfig
from jaxtune.models.families.family import BERT_ABSENT, BERT_BLOCK, BERT_EMBEDDINGS, Family, blocks

ROBERTA = Family(
    model_type="roberta",
    title="RoBERTa",
    transformers="Roberta",
    prefix="roberta.",
    encoder=BERT_EMBEDDINGS | blocks("encoder.layer.{layer}.", BERT_BLOCK),
    classifier={"head/pooler": "classifier.dense", "head/classifier": "classifier.out_proj"},
    masked_lm={
        "head/dense": "lm_head.dense",
        "head/norm": "lm_head.layer_norm",
        "head": "lm_head",
    },
    decoder="lm_head.decoder",
    absent=BERT_ABSENT | {"pad_token_id": 1},
    facts={
        "positions": "counted",
        "head": HeadConfig(dropout_before=True, pretrained_pooler=False, lm_activation="gelu"),
    },
    only={"position_embedding_type": "absolute"},
    types_in_pretraining=1,
)
