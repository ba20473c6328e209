"""ELECTRA (Clark et al., 2020), its discriminator: narrow embeddings, projected where the sizes
differ, and a head of its own. The generator's masked-LM head is read, too.
"""

from jaxtune.models.encoder_config import HeadConfig
from jaxtune.models.families.family import BERT_BLOCK, BERT_EMBEDDINGS, BERT_KEYS, Family, blocks

ELECTRA = Family(
    model_type="electra",
    title="ELECTRA",
    transformers="Electra",
    prefix="electra.",
    encoder=BERT_EMBEDDINGS
    | {"encoder/projection": "embeddings_project"}
    | blocks("encoder.layer.{layer}.", BERT_BLOCK),
    classifier={"head/pooler": "classifier.dense", "head/classifier": "classifier.out_proj"},
    masked_lm={
        "head/dense": "generator_predictions.dense",
        "head/norm": "generator_predictions.LayerNorm",
        "head": "generator_lm_head",
    },
    decoder="generator_lm_head",
    keys=BERT_KEYS | {"embedding_size": "embedding_size"},
    facts={
        "head": HeadConfig(
            activation="gelu", dropout_before=True, pretrained_pooler=False, lm_activation="gelu"
        ),
    },
    only={"position_embedding_type": "absolute"},
)
