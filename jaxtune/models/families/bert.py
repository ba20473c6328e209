"""BERT (Devlin et al., 2019): what the others are told apart from."""

from jaxtune.models.families.family import BERT_BLOCK, BERT_EMBEDDINGS, Family, blocks

BERT = Family(
    model_type="bert",
    title="BERT",
    transformers="Bert",
    prefix="bert.",
    encoder=BERT_EMBEDDINGS | blocks("encoder.layer.{layer}.", BERT_BLOCK),
    classifier={"head/pooler": "bert.pooler.dense", "head/classifier": "classifier"},
    masked_lm={
        "head/dense": "cls.predictions.transform.dense",
        "head/norm": "cls.predictions.transform.LayerNorm",
        "head": "cls.predictions",
    },
    decoder="cls.predictions.decoder",
    only={"position_embedding_type": "absolute"},
)
