"""What a family of encoders is: a table of names and values, read in both directions."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxtune.models.encoder_config import EncoderConfig

Names = Mapping[str, str]

# Field of EncoderConfig -> key of config.json, as BERT has them and most others too; `head.` begins
# those of HeadConfig.
BERT_KEYS: dict[str, str] = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "activation": "hidden_act",
    "hidden_dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "max_positions": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
    "layer_norm_eps": "layer_norm_eps",
    "init_std": "initializer_range",
    "pad_token_id": "pad_token_id",
    "classifier_dropout": "classifier_dropout",
}
# What transformers' config classes take where a key is absent; sizes must be there.
BERT_ABSENT: dict[str, Any] = {
    "activation": "gelu",
    "layer_norm_eps": 1e-12,
    "hidden_dropout": 0.1,
    "attention_dropout": 0.1,
    "classifier_dropout": None,  # the hidden one's
    "pad_token_id": 0,
    "init_std": 0.02,
}
# Module of our tree -> module in a Hugging Face file; `{layer}` is the block's number, and [1/3]
# after a name the second third of that module's outputs.
BERT_EMBEDDINGS: dict[str, str] = {
    "encoder/word": "embeddings.word_embeddings",
    "encoder/position": "embeddings.position_embeddings",
    "encoder/token_type": "embeddings.token_type_embeddings",
    "encoder/norm": "embeddings.LayerNorm",
}
BERT_BLOCK: dict[str, str] = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}


@dataclasses.dataclass(frozen=True)
class Family:
    """One family: how its config.json reads, what its tensors are called, its class for export."""

    model_type: str  # in config.json
    title: str  # as its papers spell it
    transformers: str  # the beginning of its classes there, such as `Bert` of BertModel
    prefix: str  # before the encoder's tensors where a head lies beside them
    encoder: Names  # module of our tree -> Hugging Face module, without the prefix
    classifier: Names  # the same for the two layers of the classifier, with it
    masked_lm: Names  # the same for the masked-LM head
    decoder: str  # the module there that is tied to the word embeddings
    # The same for the classifier of tokens.
    token_classifier: Names = dataclasses.field(
        default_factory=lambda: {"head/classifier": "classifier"}
    )
    keys: Names = dataclasses.field(default_factory=lambda: BERT_KEYS)
    # Names of other families, which transformers reads, too, and which win over `keys` there.
    other_keys: Names = dataclasses.field(default_factory=dict)
    absent: Mapping[str, Any] = dataclasses.field(default_factory=lambda: BERT_ABSENT)
    # Fields of EncoderConfig that no key of config.json decides.
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    # Keys of other mathematics, each with the one value that is computed here.
    only: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    # Makes of a config.json the one that `keys` and `only` speak of, or raises UserError.
    spelled: Callable[[Path, Mapping[str, Any]], dict[str, Any]] | None = None
    # Modules, without the prefix, that a file has not though other blocks have them.
    lacking: tuple[str, ...] = ()
    types_in_pretraining: int = 2  # token types of a model that is pre-trained here
    # Fields that several keys decide together, from a config.json and its path; raises UserError.
    read: Callable[[Path, Mapping[str, Any]], dict[str, Any]] = lambda path, raw: {}
    # The keys that `read` reads, of a model that is pre-trained here.
    write: Callable[[EncoderConfig], dict[str, Any]] = lambda config: {}
    # Other names of modules, where config.json has this value under this key.
    other_names: Names = dataclasses.field(default_factory=dict)
    other_names_where: tuple[str, Any] = ("", None)

    def as_spelled(self, raw: Mapping[str, Any]) -> "Family":
        """The family with the keys that a config.json has, by which messages name them."""
        other = {f: key for f, key in self.other_keys.items() if raw.get(key) is not None}
        return dataclasses.replace(self, keys=dict(self.keys) | other)

    @property
    def encoder_modules(self) -> dict[str, str]:
        """Module of our tree -> Hugging Face module as a file with a head names it."""
        return {path: self.prefix + name for path, name in self.encoder.items()}

    @property
    def bare_roots(self) -> tuple[str, ...]:
        """The first parts of tensor names in a file without a head, which lack the prefix."""
        roots = {name.split(".")[0] for name in self.encoder.values()} | {"pooler"}
        # A head of its own may have one of these names in a file with a head.
        roots -= {name.split(".")[0] for name in self.classifier.values()}
        return tuple(f"{root}." for root in sorted(roots))

    @property
    def anchor(self) -> str:
        """A tensor that every file of the encoder holds once: what stands before it stands before
        all names. The word embeddings may lie there under the decoder's name.
        """
        modules = ("encoder/distance", "encoder/position", "encoder/word")
        return (
            f"{next(self.encoder[module] for module in modules if module in self.encoder)}.weight"
        )

    @property
    def tied(self) -> dict[str, str]:
        """A masked-LM head decodes with the word embeddings: one array under two names, of which a
        file may hold either.
        """
        word, head = self.encoder_modules["encoder/word"], self.masked_lm["head"]
        names = {f"{self.decoder}.weight": f"{word}.weight"}
        if self.decoder != head:
            names[f"{self.decoder}.bias"] = f"{head}.bias"
        return names


def blocks(before: str, names: Names) -> dict[str, str]:
    """The modules of a block, whose names in a file begin with `before`."""
    return {f"encoder/layers/{path}": before + name for path, name in names.items()}
