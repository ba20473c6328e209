"""What an encoder is made of, as plain values: the encoder, its blocks and heads read nothing else.

Families differ in these values alone (`jaxtune.models.families`): sizes, and named choices between
the parts that the encoder has. No module asks for a family by name to decide what to compute.
"""

import dataclasses
from typing import Literal

Activation = Literal["gelu", "gelu_new", "relu", "silu", "tanh"]
Remat = Literal["none", "elementwise", "block"]
Attention = Literal["products", "kernel"]
Precision = Literal["float32", "bfloat16"]


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """Of the two layers on a sequence's state: dense, activation, and a map to labels."""

    activation: Activation = "tanh"
    dropout_before: bool = False  # of the state too, and not only before the map to labels
    # Whether the first layer is the encoder's pooler, which pre-training leaves; else it belongs to
    # one task, and every trial draws it anew.
    pretrained_pooler: bool = True
    lm_activation: Activation | None = None  # of the masked-LM head; None: that of the blocks
    # What the layers read: the first token's state, or the mean of all of the sequence.
    pooling: Literal["cls", "mean"] = "cls"
    # Whether pre-training's dense layer and LayerNorm are the classifier's, too.
    norm: bool = False
    bias: bool = True  # of the dense layer, also in the masked-LM head
    decoder_bias: bool = True  # a number per word, added to masked-LM logits
    # The classifier's draw, a normal of std 0.02, or of 1 / sqrt(hidden_size) cut at two of them.
    draw: Literal["narrow", "by_width"] = "narrow"
    of_tokens: bool = False  # labels for every token, and not for a sequence
    # Whose rate dropout has before the labels of tokens.
    token_dropout: Literal["classifier", "hidden"] = "classifier"

    @property
    def has_dense(self) -> bool:
        """Whether there is a layer before the map to labels."""
        return self.norm or not self.of_tokens


@dataclasses.dataclass(frozen=True)
class RelativeConfig:
    """How disentangled attention reads distances: a state for each, in one table for all blocks."""

    span: int  # rows of the table on either side; row `span` is that of distance 0
    farthest: int  # the distance from which on all share the last row
    bucketed: bool = True  # far distances share rows, by the logarithm
    content_to_position: bool = True  # the query of a token against the key of its distance
    position_to_content: bool = True  # the key of a token against the query of its distance
    shared_projections: bool = True  # distances take the query and key layers that tokens take
    normalised: bool = True  # a LayerNorm over the table

    @classmethod
    def for_length(cls, max_length: int) -> "RelativeConfig":
        """As DeBERTa-v3 has it for 512 tokens: half as many buckets on either side."""
        return cls(span=max(max_length // 2, 4), farthest=max(max_length, 8))

    @property
    def terms(self) -> int:
        """How many products a score is the sum of, that of the two tokens included."""
        return 1 + self.content_to_position + self.position_to_content


@dataclasses.dataclass(frozen=True)
class AdapterConfig:
    """Low-rank adapters beside dense layers of every block (`jaxtune.models.low_rank`)."""

    rank: int  # the largest of all trials
    targets: tuple[str, ...]  # of `jaxtune.config.settings.ADAPTED`
    dropout: float = 0.0  # of what an adapter reads
    init: Literal["kaiming", "pissa"] = "kaiming"  # drawn, or the layer's principal part


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """The architecture, with the values of a Hugging Face config.json under the project's names."""

    family: str  # its model_type: whose tensor names and class it has
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    max_positions: int  # rows of the position table, unused first ones included
    type_vocab_size: int  # 0: there are no token types
    embedding_size: int  # of the tables; projected to hidden_size where it is another
    activation: Activation
    layer_norm_eps: float
    hidden_dropout: float
    attention_dropout: float
    classifier_dropout: float
    pad_token_id: int
    pooler_dropout: float | None = None  # before the head's first layer; None: the classifier's
    init_std: float = 0.02
    # Places in the sequence: "table" from 0; "counted" from the padding id + 1, padding left out;
    # "rotary" has no table, but turns queries and keys by their places from 0; "none": only
    # attention knows of them.
    positions: Literal["table", "counted", "rotary", "none"] = "table"
    rotary_base: float = 0.0  # of the slowest turn, of blocks that see the whole sequence
    local_rotary_base: float = 0.0  # of blocks that see a window
    # Of how many blocks one sees the whole sequence, the first of them; the others see `window`
    # tokens, half of them on each side.
    global_every: int = 1
    window: int = 0
    # LayerNorms after the sums, or before what is added to them: then there is a last one, and none
    # before the first block's attention.
    norms: Literal["after", "before"] = "after"
    gated: bool = False  # whether a second product multiplies the feed-forward's inner values
    inner_dropout: float | None = None  # of those values; None: there is none, whatever the rates
    attention_bias: bool = True
    feed_forward_bias: bool = True
    norm_bias: bool = True
    # What attention adds to scores for the distance of two tokens: "bias" is a number per head and
    # bucket of distances, in one table for all blocks; "disentangled" is products with the states
    # of distances, as `relative` says.
    distance: Literal["none", "bias", "disentangled"] = "none"
    distance_buckets: int = 0
    relative: RelativeConfig | None = None
    always_projected: bool = False  # between tables and blocks, also where the sizes are equal
    projection_first: bool = False  # before the tables' LayerNorm and without a bias, not after it
    attention_output_dropout: bool = True  # of what attention adds, and not of its weights alone
    shared_block: bool = False  # one block, applied `num_layers` times
    head: HeadConfig = HeadConfig()
    # Of matrix products and what lies between them, not of parameters; and whether the sides of the
    # blocks' dense products are rounded to bfloat16 all the same.
    dtype: Precision = "float32"
    rounded_products: bool = False
    remat: Remat = "none"  # what the backward pass computes again instead of keeping it
    attention: Attention = "products"
    scan_layers: bool = True  # one block in a loop; else every block is written out
    adapters: AdapterConfig | None = None

    @property
    def position_offset(self) -> int:
        """The row of the position table that a sequence's first token takes."""
        return self.pad_token_id + 1 if self.positions == "counted" else 0

    @property
    def max_length(self) -> int:
        """The longest sequence, in tokens, that has positions."""
        return self.max_positions - self.position_offset

    @property
    def plain_scores(self) -> bool:
        """Whether attention is softmax(Q K^T / sqrt(size)) alone, as the kernel computes it."""
        return self.distance == "none" and self.positions != "rotary"

    @property
    def projected(self) -> bool:
        """Whether there is a dense layer between the tables and the blocks."""
        return self.always_projected or self.embedding_size != self.hidden_size


def in_precision(encoder: EncoderConfig, precision: Precision, platform: str) -> EncoderConfig:
    """The encoder with products as the setting of that name has them on a platform.

    A CPU computes everything else fastest in float32, and has memory enough to keep it so.
    """
    rounded = precision == "bfloat16" and platform == "cpu"
    dtype = "float32" if rounded else precision
    return dataclasses.replace(encoder, dtype=dtype, rounded_products=rounded)
