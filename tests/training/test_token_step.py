"""Steps whose labels are of words: eight of the paper's AdamW against torch, and from a table's
tokens to labels and back to the words' logits.
"""

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hf import deviation
from token_heads import TOKENS, batch_of, labels_of, load_jax, torch_labels
from torch_training import NUM_STEPS, WARMUP_STEPS, adamw_2020, batches, named
from whole_step import train_step

from jaxtune.config.trials import Hyper
from jaxtune.data.packing import Shape, make_plan
from jaxtune.data.token_table import TokenTable
from jaxtune.models.pretrained import to_tensors
from jaxtune.training.optimizer import make_optimizer
from jaxtune.training.step import (
    LossTerms,
    StepPlan,
    TrialState,
    gather_batch,
    logits_in_order,
    loss_of_logits,
)

HYPER = Hyper(5e-4, True, 0.9, 0.999, 1e-6, 0.01, 1.0, 0.1)
STEPS = 8


def train_torch(model, family):
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in named(model)}
    losses = []
    for t, batch in enumerate(batches(family)[:STEPS]):
        model.zero_grad()
        labels = torch_labels(labels_of(batch, t))
        loss = model(**hf.torch_inputs(batch, family), labels=labels).loss
        loss.backward()
        losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), HYPER.max_grad_norm)
        rising, falling = t / WARMUP_STEPS, (NUM_STEPS - t) / (NUM_STEPS - WARMUP_STEPS)
        rate = HYPER.learning_rate * min(rising, falling)
        with torch.no_grad():
            for name, parameter in named(model):
                free = name.endswith("bias") or "norm" in name.lower()
                decay = 0.0 if free else HYPER.weight_decay
                adamw_2020(parameter, *moments[name], t + 1, rate, decay, HYPER)
    return losses


STORMS = (pytest.param(family, marks=pytest.mark.storm) for family in ("roberta", "distilbert"))


@pytest.mark.parametrize("family", ["bert", *STORMS])
def test_eight_steps_agree_with_torch(family):
    """Every loss and every parameter after them, as of sequences (test_step.py)."""
    folder = hf.make_folder(family, TOKENS)
    reference, model = hf.load_torch(folder, TOKENS), load_jax(folder)
    expected = train_torch(reference, family)
    state = TrialState(model, make_optimizer(HYPER, NUM_STEPS).init(model))
    step = jax.jit(train_step, static_argnames="num_steps")
    losses = []
    for t, batch in enumerate(batches(family)[:STEPS]):
        own = batch_of(batch, labels_of(batch, t))
        state, loss = step(state, HYPER, own, None, num_steps=NUM_STEPS)
        losses.append(float(loss))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    start, theirs = to_tensors(model), reference.state_dict()
    for name, ours in to_tensors(state.model).items():
        target = theirs[name].numpy()
        assert deviation(ours, target) < 1e-5, name
        if not hf.is_key_bias(name):
            change = np.linalg.norm(target - start[name])
            assert np.linalg.norm(ours - target) < 1e-4 * change, name


@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 3.0]])
@pytest.mark.parametrize("smoothing", [None, 0.1])
def test_the_loss_is_torchs_with_ignored_tokens(weights, smoothing):
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(20, 3)).astype(np.float32), rng.integers(0, 3, 20)
    there = rng.random(20) < 0.6
    terms = LossTerms(
        None if weights is None else jnp.array(weights), smoothing and jnp.float32(smoothing)
    )
    loss = loss_of_logits(
        jnp.asarray(logits), jnp.asarray(labels, jnp.int32), jnp.asarray(there, jnp.float32), terms
    )
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(logits),
        torch.tensor(np.where(there, labels, hf.IGNORED)),
        None if weights is None else torch.tensor(weights),
        label_smoothing=smoothing or 0.0,
    )
    assert float(loss) == pytest.approx(expected.item(), rel=1e-6)


def table(lengths, seed=0):
    """Random tokens, of which the first and last begin no word and half of the others do."""
    rng = np.random.default_rng(seed)
    lengths = np.array(lengths, np.int32)
    starts = (1 + np.cumsum(lengths) - lengths).astype(np.int32)
    begins = np.full(1 + lengths.sum(), -1, np.int32)
    for start, length in zip(starts, lengths, strict=True):
        has = np.flatnonzero(rng.random(length - 2) < 0.5)
        begins[start + 1 + has] = np.arange(len(has))
    size = len(begins)
    return TokenTable(
        ids=np.append(0, rng.integers(3, 50, size - 1)).astype(np.int32),
        token_types=np.zeros(size, np.int32),
        positions=np.append(0, np.concatenate([*map(np.arange, lengths)])).astype(np.int32),
        starts=starts,
        lengths=lengths,
        labels=rng.integers(0, 3, (begins >= 0).sum()).astype(np.int32),
        begins=begins,
    )


LENGTHS = (7, 12, 5, 9, 3, 10, 4)


def test_slots_have_the_labels_of_the_words_that_begin_there():
    made, batches = table(LENGTHS), np.array([[5, 0, 4], [2, 6, -1]])
    plan = make_plan(made, batches, Shape(16, (2,), packed=True))
    words = np.split(made.labels, np.cumsum(made.num_words)[:-1])
    for step, examples in enumerate(batches):
        batch = gather_batch(made.as_tokens(), StepPlan._make(part[step] for part in plan), 2)
        has = np.asarray(batch.weights) > 0
        assert sorted(np.asarray(batch.labels)[has]) == sorted(
            np.concatenate([words[i] for i in examples if i >= 0])
        )
        for place, example in enumerate(examples):
            if example >= 0:
                own = (np.asarray(batch.rows.segments) == place + 1).reshape(-1) & has
                np.testing.assert_array_equal(np.asarray(batch.labels)[own], words[example])


def test_a_tables_parts_keep_their_words():
    made = table(LENGTHS)
    chosen = np.array([4, 1, 6])
    part, rest = made.take(chosen), made.take(np.array([0, 2]))
    words = np.split(made.labels, np.cumsum(made.num_words)[:-1])
    np.testing.assert_array_equal(part.num_words, made.num_words[chosen])
    np.testing.assert_array_equal(part.labels, np.concatenate([words[i] for i in chosen]))
    both = part.followed_by(rest)
    np.testing.assert_array_equal(both.labels, np.concatenate([part.labels, rest.labels]))
    np.testing.assert_array_equal(both.num_words, [*part.num_words, *rest.num_words])
    np.testing.assert_array_equal(both.word[both.word >= 0], np.arange(len(both.labels)))
    names = part.word_names(("x", "y", "z"))
    assert names == [
        f"{n}.{i + 1}" for n, k in zip("xyz", part.num_words, strict=True) for i in range(k)
    ]
    by = made.drawn_by
    assert by.shape == (7, 3)
    for row, own in zip(by, words, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(row), np.unique(own))


@pytest.mark.parametrize("packed", [True, False])
def test_the_words_logits_are_in_their_order(packed):
    """However the sentences lie: those of each alone in a row."""
    made, model = table(LENGTHS), load_jax(hf.make_folder("bert", TOKENS))
    batches = np.array([[0, 1, 2, 3], [4, 5, 6, -1]])
    plan = make_plan(made, batches, Shape(12, (4,), packed))
    found = jax.jit(logits_in_order)(model, made.as_tokens(), plan)
    alone = make_plan(made, np.arange(7)[:, None], Shape(12, (1,), packed=False))
    expected = jax.jit(logits_in_order)(model, made.as_tokens(), alone)
    assert found.shape == (len(made.labels), 3)
    assert deviation(np.asarray(found), np.asarray(expected)) < 1e-5
    # And by hand: the slot of each word.
    flat = np.asarray(
        jax.jit(lambda m, r: m(r))(
            model, gather_batch(made.as_tokens(), StepPlan._make(part[1] for part in plan), 4).rows
        )
    )
    word = made.word[plan.source[1].reshape(-1)]
    np.testing.assert_allclose(np.asarray(found)[word[word >= 0]], flat[word >= 0], atol=1e-6)
