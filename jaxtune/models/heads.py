"""What sits on the encoder: the sequence classifier and the masked-language-model head."""

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtune.core.shapes import Array, Float, Hidden, Int, Key, Logits
from jaxtune.models.dropout import dropout
from jaxtune.models.encoder import BlockWeights, Encoder, EncoderConfig, Rows
from jaxtune.models.layers import dense, gelu, linear, normalise, product
from jaxtune.models.lookup import look_up


class ClassifierHead(nnx.Module):
    """Dense-tanh on the first token, then a linear map to labels.

    The dense layer is BERT's and ALBERT's pre-trained pooler; RoBERTa's classifier has a fresh one,
    with dropout before it.
    """

    def __init__(self, config: EncoderConfig, num_labels: int, *, rngs: nnx.Rngs):
        self.config = config
        self.pooler = linear(config.init_std, config.hidden_size, config.hidden_size, rngs)
        self.classifier = linear(config.init_std, config.hidden_size, num_labels, rngs)

    def __call__(self, first: Float[Array, "sequence hidden"], key: Key | None) -> Logits:
        rate = self.config.classifier_dropout
        input_key, pooled_key = (None, None) if key is None else jax.random.split(key)
        if self.config.family == "roberta":
            first = dropout(input_key, first, rate)
        pooled = dropout(pooled_key, jnp.tanh(dense(self.pooler, first)), rate)
        # The last product is tiny and decides the loss: float32 whatever the encoder computes in.
        return dense(self.classifier, pooled.astype(jnp.float32))


class SequenceClassifier(nnx.Module):
    """An encoder with a classification (or, with one label, regression) head."""

    def __init__(self, config: EncoderConfig, num_labels: int, *, key: Key):
        encoder_key, head_key = jax.random.split(key)
        self.encoder = Encoder(config, key=encoder_key)
        self.head = ClassifierHead(config, num_labels, rngs=nnx.Rngs(head_key))

    def __call__(
        self, rows: Rows, key: Key | None = None, weights: BlockWeights | None = None
    ) -> Logits:
        """One row of logits for every sequence in `rows.first`; `weights` as the encoder's."""
        encoder_key, head_key = (None, None) if key is None else jax.random.split(key)
        states = self.encoder(rows, encoder_key, weights)
        return self.head(look_up(states, rows.first), head_key)


class MaskedLMHead(nnx.Module):
    """Dense, activation, LayerNorm, then the transposed word embeddings and a bias of its own."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.dense = linear(config.init_std, config.hidden_size, config.embedding_size, rngs)
        self.norm = nnx.LayerNorm(config.embedding_size, epsilon=config.layer_norm_eps, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros(config.vocab_size))

    def __call__(
        self, states: Float[Array, "masked hidden"], embedding: Float[Array, "vocabulary embedding"]
    ) -> Float[Array, "masked vocabulary"]:
        states = gelu(self.config.activation == "gelu_new", dense(self.dense, states))
        states = normalise(self.norm, states)
        logits = product(states, embedding.astype(states.dtype).T)
        return logits.astype(jnp.float32) + self.bias[...]


class MaskedLM(nnx.Module):
    """An encoder with its pre-training head."""

    def __init__(self, config: EncoderConfig, *, key: Key):
        encoder_key, head_key = jax.random.split(key)
        self.encoder = Encoder(config, key=encoder_key)
        self.head = MaskedLMHead(config, rngs=nnx.Rngs(head_key))

    def __call__(
        self, rows: Rows, slots: Int[Array, " masked"], key: Key | None = None
    ) -> Float[Array, "masked vocabulary"]:
        """Logits at these flat slots (row * slots + slot) only: the vocabulary product is dear."""
        states: Hidden = self.encoder(rows, key)
        return self.head(look_up(states, slots), self.encoder.word.embedding[...])
