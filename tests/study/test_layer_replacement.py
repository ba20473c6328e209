"""Hidden words and perplexity with blocks put back: exact ends, known answers, and torch on the
same masks.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import write_tiny_model

from jaxtune.core.errors import UserError
from jaxtune.data.corpus import maskable_words, miniature_held_out
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import tokenize_chunks
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import paths
from jaxtune.models.pretrained import load_masked_lm, read_config
from jaxtune.study.layer_replacement import (
    Compared,
    check_blocks,
    curve,
    distance,
    encoder_of,
    hide_words,
    losses_at,
    perplexity,
    text_losses,
    with_top_replaced,
)

SENTENCES = 100
RATE = 0.15


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def pretrained(folder):
    return load_masked_lm(folder, read_config(folder)[0])


@pytest.fixture(scope="module")
def fine_tuned(pretrained):
    """A classifier's parameters by path: every one moved, embeddings too."""
    config = dataclasses.replace(pretrained.encoder.config, hidden_dropout=0.3)
    params = paths(SequenceClassifier(config, 2, key=jax.random.key(5)))
    return {path: np.asarray(leaf) for path, leaf in params.items()}


@pytest.fixture(scope="module")
def tokenizer(folder):
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def table(tokenizer):
    return tokenize_chunks(tokenizer, miniature_held_out()[:SENTENCES], 16)


@pytest.fixture(scope="module")
def text(table, tokenizer):
    return hide_words(table, maskable_words(tokenizer), tokenizer.mask_token_id, RATE, 0, 32)


@pytest.fixture(scope="module")
def measured(fine_tuned, pretrained, text):
    return curve(Compared(encoder_of(fine_tuned, pretrained.encoder), pretrained, text), "curve")


def alone(encoder, pretrained, text):
    """Losses of the hidden words under an encoder in whose program nothing is replaced."""
    losses = jax.jit(text_losses)(encoder, pretrained, text)
    return np.asarray(losses)[np.asarray(text.present)]


def test_the_hidden_words(table, text, tokenizer):
    """15% of all words exactly, shown as [MASK], never a special token; the rest of the text as it
    is.
    """
    words = maskable_words(tokenizer)
    present, shown = np.asarray(text.present), np.asarray(text.rows.token_ids)
    assert present.sum() == round(RATE * np.isin(table.ids, words).sum())
    assert (shown == tokenizer.mask_token_id).sum() == present.sum()
    flat = shown.reshape(len(shown), -1).copy()
    at_slots = np.take_along_axis(flat, np.asarray(text.slots), axis=1)
    assert (at_slots[present] == tokenizer.mask_token_id).all()
    assert np.isin(np.asarray(text.words)[present], words).all()
    # Put back, they give every sentence.
    for batch, chosen in enumerate(present):
        flat[batch, np.asarray(text.slots)[batch][chosen]] = np.asarray(text.words)[batch][chosen]
    segments = np.asarray(text.rows.segments).reshape(len(shown), -1)
    assert sorted(flat[segments > 0]) == sorted(table.ids[1:])


def test_each_hidden_word_is_of_its_sentence(table, text):
    for words, sequences, present in zip(text.words, text.sequences, text.present, strict=True):
        pairs = np.stack([words, sequences], axis=1)[np.asarray(present)]
        for word, sequence in pairs:
            start = table.starts[sequence]
            assert word in table.ids[start : start + table.lengths[sequence]]


def test_the_seed_decides_what_is_hidden(table, text, tokenizer):
    words, mask = maskable_words(tokenizer), tokenizer.mask_token_id
    again = hide_words(table, words, mask, RATE, 0, 32)
    for one, other in zip(jax.tree.leaves(text), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    other = hide_words(table, words, mask, RATE, 1, 32)
    assert not np.array_equal(text.rows.token_ids, other.rows.token_ids)


def test_a_text_of_which_nothing_is_hidden(table, tokenizer):
    short = table.take(np.array([0]))
    with pytest.raises(UserError, match="give more text"):
        hide_words(short, maskable_words(tokenizer), tokenizer.mask_token_id, 0.01, 0, 32)


def test_all_replaced_is_exactly_the_pretrained_model(measured, pretrained, text):
    np.testing.assert_array_equal(measured.losses[-1], alone(pretrained.encoder, pretrained, text))


def test_none_replaced_is_exactly_the_fine_tuned_model(measured, fine_tuned, pretrained, text):
    encoder = encoder_of(fine_tuned, pretrained.encoder)
    np.testing.assert_array_equal(measured.losses[0], alone(encoder, pretrained, text))
    assert perplexity(measured.losses[0]) != perplexity(measured.losses[-1])


def test_in_between_the_top_blocks_are_the_pretrained_ones(fine_tuned, pretrained):
    """Block by block and bit for bit; the embeddings only where that is asked for."""
    fine = encoder_of(fine_tuned, pretrained.encoder)
    for embeddings in (False, True):
        mixed = paths(with_top_replaced(fine, pretrained.encoder, 1, embeddings))
        for path, leaf in mixed.items():
            pre, own = paths(pretrained.encoder)[path], fine_tuned[f"encoder/{path}"]
            if path.startswith("layers/"):
                np.testing.assert_array_equal(leaf[0], own[0])
                np.testing.assert_array_equal(leaf[1], pre[1])
            else:
                np.testing.assert_array_equal(leaf, pre if embeddings else own)


def test_the_embeddings_go_with_the_lowest_block(measured, fine_tuned, pretrained, text):
    encoder = encoder_of(fine_tuned, pretrained.encoder)
    blocks = with_top_replaced(encoder, pretrained.encoder, 2, False)
    np.testing.assert_array_equal(measured.blocks_only, alone(blocks, pretrained, text))
    assert not np.array_equal(measured.blocks_only, measured.losses[-1])


def test_perplexity_agrees_with_torch_on_the_same_masks(folder, table, measured, text, tokenizer):
    """BertForMaskedLM, a sentence at a time, with the same words hidden."""
    torch = pytest.importorskip("torch")
    from transformers import BertForMaskedLM

    model = BertForMaskedLM.from_pretrained(folder).eval()
    hidden = {}
    present = np.asarray(text.present)
    for word, sequence in zip(
        np.asarray(text.words)[present], np.asarray(text.sequences)[present], strict=True
    ):
        hidden.setdefault(int(sequence), []).append(int(word))
    total, count = 0.0, 0
    for sequence, shown in shown_sentences(text).items():
        start = table.starts[sequence]
        labels = np.where(
            shown == tokenizer.mask_token_id, table.ids[start : start + len(shown)], -100
        )
        assert sorted(labels[labels >= 0]) == sorted(hidden.get(sequence, []))
        chosen = int((labels >= 0).sum())
        if chosen:
            with torch.no_grad():
                output = model(
                    input_ids=torch.tensor(shown[None], dtype=torch.long),
                    labels=torch.tensor(labels[None], dtype=torch.long),
                )
            total, count = total + float(output.loss) * chosen, count + chosen
    assert count == present.sum()
    assert perplexity(measured.losses[-1]) == pytest.approx(np.exp(total / count), rel=1e-5)


def shown_sentences(text):
    """Each sentence as the model sees it: batches and places are in the order of the table."""
    sentences = {}
    size = text.rows.first.shape[1]
    for batch, (ids, segments) in enumerate(
        zip(text.rows.token_ids, text.rows.segments, strict=True)
    ):
        ids, segments = np.asarray(ids), np.asarray(segments)
        for place in np.unique(segments[segments > 0]):
            sentences[batch * size + int(place) - 1] = ids[segments == place]
    return sentences


def test_distance_in_shares_of_the_norm(pretrained):
    encoder = pretrained.encoder
    assert distance(encoder, encoder) == 0
    assert distance(jax.tree.map(lambda leaf: 1.1 * leaf, encoder), encoder) == pytest.approx(
        0.1, rel=1e-5
    )
    flat = jax.tree.map(jnp.zeros_like, encoder)
    assert distance(flat, encoder) == pytest.approx(1)


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary(pretrained, text):
    """Equal logits: every word is one of 121. With a bias for each word alone, the perplexity of
    those frequencies.
    """
    flat = jax.tree.map(jnp.zeros_like, pretrained)
    blank = Compared(flat.encoder, flat, text)
    losses = np.asarray(losses_at(blank, np.array([0, 0])))[np.asarray(text.present)]
    assert perplexity(losses) == pytest.approx(len(flat.head.bias), rel=1e-5)
    words = np.asarray(text.words)[np.asarray(text.present)]
    shares = np.bincount(words, minlength=len(flat.head.bias)) / len(words)
    flat.head.bias = flat.head.bias.replace(jnp.log(jnp.asarray(shares + 1e-30, jnp.float32)))
    losses = np.asarray(losses_at(blank, np.array([0, 0])))[np.asarray(text.present)]
    entropy = -np.sum(shares[shares > 0] * np.log(shares[shares > 0]))
    assert perplexity(losses) == pytest.approx(np.exp(entropy), rel=1e-4)


def test_a_shared_block_is_refused_in_one_sentence():
    with pytest.raises(UserError, match=r"^my/albert is an ALBERT, [^.]*\.$"):
        check_blocks("my/albert", shared_block=True)
    check_blocks("my/bert", shared_block=False)
