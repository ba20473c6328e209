"""Masked-LM pre-training: the loss is right, depth grows exactly, a cut run ends with the same bits
as a whole one, and torch reads the folder.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cut_off import CutError

from jaxtune.data.corpus import miniature_corpus
from jaxtune.data.packing import batch_indices, choose_shape, extended, make_plan, rows_needed
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.families import ALBERT, FAMILIES
from jaxtune.models.pretrained import load_classifier, load_masked_lm, read_config
from jaxtune.pretrain import run as pretrain
from jaxtune.pretrain.__main__ import main
from jaxtune.pretrain.masked_lm import masked_lm_loss, mean, stacked
from jaxtune.pretrain.settings import PretrainConfig
from jaxtune.training.step import StepPlan

TINY = {
    "data": "miniature",
    "layers": (1, 2),
    "steps": (30, 20),
    "learning_rates": (3e-3, 1e-3),
    "hidden_size": 16,
    "num_heads": 2,
    "warmup_steps": 5,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return miniature_corpus(tmp_path_factory.mktemp("corpus"), 0, 16)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("pretrain") / "out"
    pretrain.pretrain(PretrainConfig(out=out, **TINY))
    return out


def encoder_config(num_layers: int, vocab_size: int) -> EncoderConfig:
    return EncoderConfig(
        family="bert",
        vocab_size=vocab_size,
        hidden_size=16,
        num_layers=num_layers,
        num_heads=2,
        intermediate_size=32,
        max_positions=16,
        type_vocab_size=2,
        embedding_size=16,
        activation="gelu",
        layer_norm_eps=1e-12,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        classifier_dropout=0.1,
        pad_token_id=0,
    )


def plan_of(table, size):
    batches = batch_indices(np.arange(size), size)
    shape = choose_shape(table.lengths, size, 16)
    shape = extended(shape, int(rows_needed(table, batches, shape).max()))
    return StepPlan._make(jnp.asarray(part[0]) for part in make_plan(table, batches, shape))


@pytest.mark.slow
def test_a_fresh_model_is_about_uniform(corpus):
    """An untrained model with small weights knows nothing: ln(121) nats."""
    model = stacked(None, encoder_config(2, corpus.vocab_size), jax.random.key(0))
    plan = plan_of(corpus.train, 256)
    tokens = corpus.train.as_tokens()
    found = masked_lm_loss(model, corpus, tokens, plan, jax.random.key(1), 0.15, False)
    loss, accuracy = mean(found)
    assert float(loss) == pytest.approx(np.log(121), abs=0.1)
    assert float(accuracy) < 0.1


@pytest.mark.slow
def test_masking_shares(corpus, monkeypatch):
    """15% of the words are predicted; of these 80% are hidden, 10% replaced; special tokens and
    padding never.
    """
    seen = {}

    class Spy:
        def __call__(self, rows, slots, key):
            seen.update(ids=rows.token_ids, slots=slots)
            return jnp.zeros((len(slots), corpus.vocab_size))

    plan = plan_of(corpus.train, 2048)
    tokens = corpus.train.as_tokens()
    unchecked = getattr(masked_lm_loss, "__wrapped__", masked_lm_loss)
    unchecked(Spy(), corpus, tokens, plan, jax.random.key(0), 0.15)
    original = np.asarray(tokens.ids[plan.source])
    shown = np.asarray(seen["ids"])
    words = np.isin(original, corpus.words) & (np.asarray(plan.segments) > 0)
    hidden = (shown == corpus.mask_token).sum() / words.sum()
    replaced = ((shown != original) & (shown != corpus.mask_token)).sum() / words.sum()
    assert hidden == pytest.approx(0.12, abs=0.01)
    assert replaced == pytest.approx(0.015 * (1 - 1 / len(corpus.words)), abs=0.005)
    assert (shown[~words] == original[~words]).all()


def test_stacking_repeats_the_blocks_in_order():
    config = encoder_config(2, 50)
    model = stacked(None, config, jax.random.key(0))
    deep = stacked(model, dataclasses.replace(config, num_layers=6), jax.random.key(1))
    kernel = deep.encoder.layers.query.kernel[...]
    assert kernel.shape[0] == 6
    np.testing.assert_array_equal(kernel[:2], model.encoder.layers.query.kernel[...])
    np.testing.assert_array_equal(kernel[2:4], kernel[:2])
    np.testing.assert_array_equal(deep.head.dense.kernel[...], model.head.dense.kernel[...])


def test_the_folder_loads_as_any_checkpoint(trained):
    config, raw = read_config(trained)
    assert (config.num_layers, raw["architectures"]) == (2, ["BertForMaskedLM"])
    assert not (trained / "checkpoints").exists()
    load_masked_lm(trained, config)
    _, fresh, _ = load_classifier(trained, config, 2)
    assert fresh == ("head/pooler", "head/classifier")


@pytest.mark.storm
@pytest.mark.parametrize(
    "family",
    [
        "roberta",
        "albert",
        "distilbert",
        "electra",
        "camembert",
        "mpnet",
        "modernbert",
        "deberta-v2",
    ],
)
def test_torch_reads_the_other_families(tmp_path, family):
    """A short pre-training that grows once; the written folder is the same function in torch."""
    hf = pytest.importorskip("hf")
    settings = TINY | {"steps": (4, 4), "warmup_steps": 2, "family": family}
    pretrain.pretrain(PretrainConfig(out=tmp_path / "out", **settings))
    reference = hf.load_torch(tmp_path / "out", hf.MASKED_LM)
    ours = hf.load_jax(tmp_path / "out", hf.MASKED_LM)
    assert type(reference).__name__ == f"{FAMILIES[family].transformers}ForMaskedLM"
    assert ours.encoder.config.family == family
    assert ours.encoder.config.max_length == 16
    batch = hf.make_batch(family)
    with hf.torch.no_grad():
        theirs = reference(**hf.torch_inputs(batch, family)).logits.numpy()
    rows = hf.jax_rows(batch)
    slots, words = hf.lm_targets(batch, rows)
    asked = hf.lm_labels(batch).numpy()
    assert asked[asked != hf.IGNORED].tolist() == words.tolist()
    assert hf.deviation(ours(rows, slots), theirs[asked != hf.IGNORED]) < 1e-5


def test_an_albert_grows_by_using_its_block_more_often():
    config = dataclasses.replace(encoder_config(2, 50), family="albert", **ALBERT.facts)
    model = stacked(None, config, jax.random.key(0))
    deep = stacked(model, dataclasses.replace(config, num_layers=6), jax.random.key(1))
    assert deep.encoder.config.num_layers == 6
    for ours, before in zip(jax.tree.leaves(deep), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(ours, before)


def test_learning_lowers_the_held_out_loss(trained, corpus):
    config, _ = read_config(trained)
    model = load_masked_lm(trained, config)
    plan = plan_of(corpus.held_out, 512)
    tokens = corpus.held_out.as_tokens()
    loss, _ = mean(masked_lm_loss(model, corpus, tokens, plan, jax.random.key(1), 0.15, False))
    assert float(loss) < 4.6  # ln 121 is 4.8


@pytest.mark.parametrize(
    "stop_after",
    [
        pytest.param(1, marks=pytest.mark.storm),
        pytest.param(2, marks=pytest.mark.slow),
        pytest.param(3, marks=pytest.mark.storm),
    ],
)
def test_resumed_equals_undisturbed(trained, tmp_path, monkeypatch, stop_after):
    """Cut off after some dispatch, the same command ends with the same weights."""
    out = tmp_path / "out"
    monkeypatch.setattr(pretrain, "EVAL_EVERY", 25)
    saves = []

    save = pretrain.RunCheckpoints.save

    def save_and_cut(self, step, tree):
        save(self, step, tree)
        saves.append(step)
        if len(saves) == stop_after:
            self.close()
            raise CutError

    monkeypatch.setattr(pretrain.RunCheckpoints, "save", save_and_cut)
    config = PretrainConfig(out=out, **TINY)
    with pytest.raises(CutError):
        pretrain.pretrain(config)
    monkeypatch.setattr(pretrain.RunCheckpoints, "save", save)
    pretrain.pretrain(config)
    assert (out / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_a_folder_with_a_model_is_not_overwritten(trained, capsys):
    status = main(["--data", "miniature", "--out", str(trained)])
    assert status == 1
    assert "holds a model already" in capsys.readouterr().err
