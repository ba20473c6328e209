"""The families of encoders that jaxtune has: one file each, and this table of them.

To add one, say how it differs from BERT:

| what differs | where it is said |
|---|---|
| keys of config.json, and values where they are absent | its file: `keys`, `absent` |
| fields that several keys decide together | its file: `read`, `write` |
| what no key decides, as fields of EncoderConfig | its file: `facts` |
| keys of other mathematics, which are refused | its file: `only` |
| keys of several spellings | its file: `spelled`, `other_keys` |
| names of tensors, read and written | its file: `encoder` to `decoder`, `lacking` |
| its classes in transformers, for export | its file: `transformers` |
| arithmetic that EncoderConfig has no choice for | a choice there, and the part that reads it |
| - tables, positions, what is shared by all blocks | `models/encoder.py` |
| - norms, feed-forward | `models/apply_block.py` |
| - parameters of a block, what differs between blocks | `models/block.py` |
| - scores and weights of attention | `models/attention.py` |
| - pooling and heads; activations | `models/heads.py`; `models/layers.py` |
| its tiny random model, which tests hold against torch | `tests/support/hf.py`: `FAMILIES` |
"""

from jaxtune.models.families.albert import ALBERT
from jaxtune.models.families.bert import BERT
from jaxtune.models.families.deberta import DEBERTA
from jaxtune.models.families.distilbert import DISTILBERT
from jaxtune.models.families.electra import ELECTRA
from jaxtune.models.families.family import Family
from jaxtune.models.families.modernbert import MODERNBERT
from jaxtune.models.families.mpnet import MPNET
from jaxtune.models.families.roberta import ROBERTA
from jaxtune.models.families.xlm_roberta import CAMEMBERT, XLM_ROBERTA

_ALL = (
    *(BERT, ROBERTA, ALBERT, XLM_ROBERTA, CAMEMBERT),
    *(DISTILBERT, ELECTRA, MPNET, MODERNBERT, DEBERTA),
)
FAMILIES: dict[str, Family] = {family.model_type: family for family in _ALL}
