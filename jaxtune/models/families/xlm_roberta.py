"""XLM-RoBERTa (Conneau et al., 2020) and CamemBERT (Martin et al., 2020): RoBERTa with a
SentencePiece vocabulary, of a hundred languages and of French.
"""

import dataclasses

from jaxtune.models.families.roberta import ROBERTA

XLM_ROBERTA = dataclasses.replace(
    ROBERTA, model_type="xlm-roberta", title="XLM-RoBERTa", transformers="XLMRoberta"
)
CAMEMBERT = dataclasses.replace(
    ROBERTA, model_type="camembert", title="CamemBERT", transformers="Camembert"
)
