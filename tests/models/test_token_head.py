"""Classifiers of tokens against transformers' ForTokenClassification: logits, loss, every gradient,
one sequence a row and packed; where dropout sits; and what of a folder becomes the head.
"""

import dataclasses
from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hf import deviation
from token_heads import TOKENS, batch_of, labels_of, load_jax, torch_labels

from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.families import FAMILIES
from jaxtune.models.heads import TokenHead
from jaxtune.models.pretrained import (
    draw_fresh,
    load_classifier,
    of_tokens,
    read_config,
    to_tensors,
)
from jaxtune.models.starting_point import drawn_parts
from jaxtune.training.step import gradient_norm_names, gradient_norms, loss_and_gradients

PACKED = {"layout": [[5, 0, 4], [2, 1, 3]], "slots": 26}
# The others have no head, no dropout and no names of their own.
FIRST = ("bert", "roberta", "distilbert", "modernbert", "deberta-v2")
ALL = [
    family if family in FIRST else pytest.param(family, marks=pytest.mark.storm)
    for family in (*hf.FAMILIES, *hf.NAMESAKES)
]
GRADIENTS = jax.jit(loss_and_gradients)


def run_torch(family: str) -> tuple[Any, list[np.ndarray], float, dict[str, np.ndarray]]:
    """The model, its logits of each sequence's tokens, its loss and gradients."""
    model, batch = hf.load_torch(hf.make_folder(family, TOKENS), TOKENS), hf.make_batch(family)
    labels = torch_labels(labels_of(batch))
    output = model(**hf.torch_inputs(batch, family), labels=labels)
    output.loss.backward()
    logits = output.logits.detach().numpy()
    own = [row[: len(ids)] for row, ids in zip(logits, batch.ids, strict=True)]
    return model, own, output.loss.item(), hf.gradients(model)


@pytest.mark.parametrize("family", ALL)
def test_logits_and_every_gradient_agree_with_torch(family: str) -> None:
    """The mean over all labelled tokens of the batch, and not of the sentences' means."""
    model, expected, expected_loss, reference = run_torch(family)
    ours, batch = load_jax(hf.make_folder(family, TOKENS)), hf.make_batch(family)
    labels = labels_of(batch)
    noise = 1e-7 * max(np.abs(gradient).max() for gradient in reference.values())
    for layout in ({}, PACKED):
        packed = batch_of(batch, labels, **layout)
        logits = np.asarray(jax.jit(lambda model, rows: model(rows))(ours, packed.rows))
        for first, own in zip(np.asarray(packed.rows.first), expected, strict=True):
            assert deviation(logits[first : first + len(own)], own) < 1e-5
        loss, gradients = GRADIENTS(ours, packed, None)
        assert float(loss) == pytest.approx(expected_loss, rel=1e-6)
        tensors = to_tensors(gradients)
        assert set(tensors) == {n for n in reference if n not in FAMILIES[family].tied}
        for name, gradient in tensors.items():
            if hf.is_key_bias(name):
                assert max(np.abs(gradient).max(), np.abs(reference[name]).max()) < noise, name
            else:
                assert deviation(gradient, reference[name]) < 1e-5, name
    assert set(to_tensors(ours)) == set(model.state_dict()) - FAMILIES[family].tied.keys()


@pytest.mark.parametrize("family", ALL)
def test_dropout_has_the_rate_that_it_has_in_torch(family: str) -> None:
    """Of the classifier's own rate or the hidden one: transformers' module says which."""
    changes = {"hidden_dropout_prob": 0.1, "classifier_dropout": 0.3}
    folder = hf.make_folder(family, TOKENS, **changes)
    reference = hf.load_torch(folder, TOKENS)
    rate = (reference.drop if family == "modernbert" else reference.dropout).p
    config = of_tokens(read_config(folder)[0])
    width = config.hidden_size
    head = TokenHead(config, width, rngs=nnx.Rngs(0))
    head.classifier.kernel[...] = jnp.eye(width)
    states = jnp.asarray(np.random.default_rng(0).normal(size=(2000, width)), jnp.float32)
    kept = np.asarray(head(states, None))
    dropped = np.asarray(head(states, jax.random.key(0)))
    gone = dropped == 0
    assert gone.mean() == pytest.approx(rate, abs=0.01)
    np.testing.assert_allclose(dropped[~gone], kept[~gone] / (1 - rate), rtol=1e-5)


@pytest.mark.parametrize("family", ALL)
def test_a_trial_draws_the_classifier_alone(family: str) -> None:
    """On a masked-LM checkpoint: there is no pooler to draw, and ModernBERT's dense layer is that
    of pre-training.
    """
    folder = hf.make_folder(family, hf.MASKED_LM)
    config = of_tokens(read_config(folder)[0])
    start = load_classifier(folder, config, hf.NUM_LABELS)
    modern = family == "modernbert"
    assert start.fresh == ("head/classifier",)
    assert "The checkpoint has no pooler." not in start.notes
    assert drawn_parts(start.fresh, config) == ["classifier"]
    again = ["pooler", "its norm"] if modern else []
    assert drawn_parts(start.fresh, config, 1)[: len(again) + 1] == [*again, "classifier"]
    one, two = (draw_fresh(start.model, start.fresh, jax.random.key(i)) for i in (0, 1))
    kernels = [model.head.classifier.kernel[...] for model in (start.model, one, two)]
    assert not np.any(kernels[0])
    assert np.any(kernels[1] != kernels[2])
    names = gradient_norm_names(start.model)
    assert ("pooler" in names) == modern
    assert len(names) == gradient_norms(start.model).size


def test_a_head_of_sequences_is_as_it_was() -> None:
    config = read_config(hf.make_folder("bert"))[0]
    assert config.head.has_dense
    assert not config.head.of_tokens
    head = dataclasses.replace(config.head, of_tokens=True)
    assert of_tokens(config) == dataclasses.replace(config, head=head)
    assert isinstance(config, EncoderConfig)
