"""What sits on the encoder: the heads of classifiers and the masked-language-model head."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtune.core.shapes import Array, Float, Hidden, Int, Key, Logits
from jaxtune.models.block import BlockWeights
from jaxtune.models.dropout import dropout
from jaxtune.models.encoder import Encoder, Rows
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.layers import activate, dense, layer_norm, linear, normalise, product
from jaxtune.models.lookup import look_up


class ClassifierHead(nnx.Module):
    """A dense layer with its activation on a sequence's state, then a linear map to labels.

    The dense layer is called `pooler` in every family, also where it is not the encoder's pooler
    but a fresh part of the classifier (`HeadConfig.pretrained_pooler`).
    """

    def __init__(self, config: EncoderConfig, num_labels: int, *, rngs: nnx.Rngs):
        self.config = config
        std, width = config.init_std, config.hidden_size
        self.pooler = linear(std, width, width, rngs, config.head.bias)
        if config.head.norm:
            self.norm = layer_norm(width, config.layer_norm_eps, config.norm_bias, rngs)
        self.classifier = linear(std, width, num_labels, rngs)

    def __call__(self, first: Float[Array, "sequence hidden"], key: Key | None) -> Logits:
        head, rate = self.config.head, self.config.classifier_dropout
        input_key, pooled_key = (None, None) if key is None else jax.random.split(key)
        if head.dropout_before:
            own = self.config.pooler_dropout
            first = dropout(input_key, first, rate if own is None else own)
        pooled = activate(head.activation, dense(self.pooler, first))
        if head.norm:
            pooled = normalise(self.norm, pooled)
        pooled = dropout(pooled_key, pooled, rate)
        # The last product is tiny and decides the loss: float32 whatever the encoder computes in.
        return dense(self.classifier, pooled.astype(jnp.float32))


class TokenHead(nnx.Module):
    """Dropout and a linear map to labels on every token's state, after the dense layer and the
    LayerNorm of pre-training where those are a classifier's, too.
    """

    def __init__(self, config: EncoderConfig, num_labels: int, *, rngs: nnx.Rngs):
        self.config = config
        std, width = config.init_std, config.hidden_size
        if config.head.has_dense:
            self.pooler = linear(std, width, width, rngs, config.head.bias)
            self.norm = layer_norm(width, config.layer_norm_eps, config.norm_bias, rngs)
        self.classifier = linear(std, width, num_labels, rngs)

    def __call__(self, states: Hidden, key: Key | None) -> Float[Array, "token label"]:
        config, head = self.config, self.config.head
        if head.has_dense:
            states = normalise(self.norm, activate(head.activation, dense(self.pooler, states)))
        hidden = head.token_dropout == "hidden"
        rate = config.hidden_dropout if hidden else config.classifier_dropout
        states = dropout(key, states, rate)
        # In float32 for the same reason as a sequence's.
        return dense(self.classifier, states.astype(jnp.float32))


class SequenceClassifier(nnx.Module):
    """An encoder with a classification (or, with one label, regression) head, for sequences or,
    where the head is `of_tokens`, for each of their tokens.
    """

    def __init__(self, config: EncoderConfig, num_labels: int, *, key: Key):
        encoder_key, head_key = jax.random.split(key)
        self.encoder = Encoder(config, key=encoder_key)
        head = TokenHead if config.head.of_tokens else ClassifierHead
        self.head = head(config, num_labels, rngs=nnx.Rngs(head_key))

    def __call__(
        self, rows: Rows, key: Key | None = None, weights: BlockWeights | None = None
    ) -> Logits:
        """A row of logits for every sequence in `rows.first`, or, of tokens, for every flat slot
        (row * slots + slot); `weights` as the encoder's.
        """
        encoder_key, head_key = (None, None) if key is None else jax.random.split(key)
        return self.head(self.states(rows, encoder_key, weights), head_key)

    def states(
        self, rows: Rows, key: Key | None = None, weights: BlockWeights | None = None
    ) -> Float[Array, "place hidden"]:
        """What the head reads of every sequence: its first token's last state, or their mean; of
        tokens every flat slot's.
        """
        states, head = self.encoder(rows, key, weights), self.encoder.config.head
        if head.of_tokens:
            return states
        return _means(states, rows) if head.pooling == "mean" else look_up(states, rows.first)


def classifier_shapes(config: EncoderConfig, num_labels: int) -> Any:
    """A SequenceClassifier that has shapes in place of parameters."""
    return jax.eval_shape(lambda: SequenceClassifier(config, num_labels, key=jax.random.key(0)))


def _means(states: Hidden, rows: Rows) -> Float[Array, "sequence hidden"]:
    """The mean state of each sequence's tokens, padding left out."""
    row = jnp.arange(rows.segments.size) // rows.segments.shape[1]
    segments = rows.segments.reshape(-1)
    own = (row == row[rows.first][:, None]) & (segments == segments[rows.first][:, None])
    # A product with zeros and ones, summed in float32: a scatter's order is not fixed on a GPU.
    share = own.astype(jnp.float32)
    means = product(share, states.astype(jnp.float32)) / jnp.sum(share, axis=1, keepdims=True)
    return means.astype(states.dtype)


class MaskedLMHead(nnx.Module):
    """Dense, activation, LayerNorm, then the transposed word embeddings and a bias of its own."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        self.config = config
        std, width, size = config.init_std, config.hidden_size, config.embedding_size
        self.dense = linear(std, width, size, rngs, config.head.bias)
        self.norm = layer_norm(size, config.layer_norm_eps, config.norm_bias, rngs)
        if config.head.decoder_bias:
            self.bias = nnx.Param(jnp.zeros(config.vocab_size))

    def __call__(
        self, states: Float[Array, "masked hidden"], embedding: Float[Array, "vocabulary embedding"]
    ) -> Float[Array, "masked vocabulary"]:
        activation = self.config.head.lm_activation or self.config.activation
        states = activate(activation, dense(self.dense, states))
        states = normalise(self.norm, states)
        logits = product(states, embedding.astype(states.dtype).T).astype(jnp.float32)
        return logits + self.bias[...] if self.config.head.decoder_bias else logits


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
