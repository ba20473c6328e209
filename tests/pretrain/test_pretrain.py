"""Masked-LM pre-training: the loss is right, depth grows exactly, a cut run ends with the same bits
as a whole one, and torch reads the folder.
"""

import dataclasses
import json
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtune.data import corpus as corpus_module
from jaxtune.data.corpus import miniature_corpus, read_corpus
from jaxtune.data.miniature.language import ADJECTIVES, NOUNS, write_tokenizer
from jaxtune.data.packing import batch_indices, choose_shape, extended, make_plan, rows_needed
from jaxtune.data.tokenizer_folder import load_tokenizer
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


@pytest.fixture(scope="module", autouse=True)
def few_sentences():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_module, "MINIATURE_SENTENCES", 4000)
        yield


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
    """CutError off after some dispatch, the same command ends with the same weights."""
    out = tmp_path / "out"
    monkeypatch.setattr(pretrain, "EVAL_EVERY", 25)
    saves = []

    class CutError(Exception):
        pass

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


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--layers", "4", "6", "--steps", "1", "1", "--learning_rates", "1", "1"], "no multiple"),
        (["--layers", "4", "--steps", "1", "1"], "differ in length"),
        (["--hidden_size", "10"], "num_heads"),
        (["--num_heads", "0"], "num_heads is 0; give a number of at least 1."),
        (["--layers", "0", "12", "24"], "layers is 0; give a number of at least 1."),
        (["--batch_size", "0"], "batch_size is 0"),
        (["--mask_rate", "7"], "mask_rate is 7.0; give a number above 0 and below 1."),
        (["--dropout", "-0.1"], "dropout is -0.1"),
        (["--seed", str(2**32)], "seed is 4294967296; the largest is 4294967295."),
        (["--learning_rates", "1", "nan", "1"], "learning_rates is nan"),
        (["--data", "missing.txt"], "--tokenizer is not given"),
    ],
)
def test_mistakes(tmp_path, capsys, flags, says):
    common = ["--data", "miniature", "--out", str(tmp_path / "out")]
    assert main([*common, *flags]) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("lines", "flags", "says"),
    [
        (2, ["--family", "mpnet"], "mpnet takes word 1 for padding, and the tokenizer in"),
        (1, [], "has a single sequence"),
    ],
)
def test_what_text_or_tokenizer_lack_leaves_nothing(tmp_path, capsys, lines, flags, says):
    write_tokenizer(tmp_path / "tokenizer")
    (tmp_path / "text.txt").write_text("the dog runs\n" * lines)
    out = tmp_path / "out"
    given = ["--data", tmp_path / "text.txt", "--tokenizer", tmp_path / "tokenizer", "--out", out]
    assert main([*map(str, given), *flags]) == 1
    assert says in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.slow
def test_text_files_with_a_real_tokenizer(real_data, tmp_path):
    """The same command on plain text; a slice of a file, one stage."""
    text = (real_data / "wikitext-2" / "wiki.test.raw").read_text(encoding="utf-8")
    (tmp_path / "text.txt").write_text(text[:60_000], encoding="utf-8")
    tokenizer = tmp_path / "tokenizer"
    shutil.copytree(real_data / "tokenizers" / "bert-uncased", tokenizer)
    out = tmp_path / "out"
    flags = ["--layers", "1", "--steps", "3", "--learning_rates", "1e-3", "--max_length", "32"]
    size = ["--hidden_size", "16", "--num_heads", "2", "--batch_size", "8", "--warmup_steps", "1"]
    data = ["--data", str(tmp_path / "text.txt"), "--tokenizer", str(tokenizer)]
    assert main([*data, "--out", str(out), *flags, *size]) == 0
    config, _ = read_config(out)
    assert config.vocab_size == 30522
    assert (out / "tokenizer.json").exists()


def test_held_out_text_is_not_trained_on(tmp_path):
    """Of 300 different sentences 3 are held out, and the others are what is trained on."""
    nouns = [noun for pair in NOUNS for noun in pair]
    sentences = [f"the {a} {noun} sleeps" for a in ADJECTIVES for noun in nouns][:300]
    (tmp_path / "text.txt").write_text("\n".join(sentences))
    write_tokenizer(tmp_path)
    read = read_corpus(tmp_path / "text.txt", None, tmp_path, 16)
    train, held_out = (
        [
            tuple(table.ids[start : start + length])
            for start, length in zip(table.starts, table.lengths, strict=True)
        ]
        for table in (read.train, read.held_out)
    )
    assert (len(train), len(held_out)) == (297, 3)
    assert len({*train, *held_out}) == 300


SMALL = ["--layers", "1", "--steps", "3", "--learning_rates", "1e-3", "--max_length", "16"]
SMALL += ["--hidden_size", "16", "--num_heads", "2", "--batch_size", "8", "--warmup_steps", "1"]


@pytest.mark.slow
def test_every_masked_word_counts_alike_whatever_its_batch(tmp_path, capsys):
    """A short last batch, of one short text, hardly changes the held-out loss."""
    write_tokenizer(tmp_path / "tokenizer")
    (tmp_path / "text.txt").write_text("the dog sleeps and the wolf runs\n" * 40)
    losses = []
    for number, more in enumerate(("", "dog\n")):
        held_out = tmp_path / f"held{number}.txt"
        held_out.write_text("the wolf runs and the dog sleeps\n" * 64 + more)
        given = ["--data", tmp_path / "text.txt", "--tokenizer", tmp_path / "tokenizer"]
        given += ["--held_out", held_out, "--out", tmp_path / f"out{number}"]
        assert main([*map(str, given), *SMALL]) == 0
        losses.append(float(re.findall(r"held-out loss ([0-9.]+)", capsys.readouterr().out)[-1]))
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


@pytest.mark.slow
def test_another_tokenizer_or_text_is_not_gone_on_with(tmp_path, capsys):
    write_tokenizer(tmp_path / "tokenizer")
    text, tokenizer = tmp_path / "text.txt", tmp_path / "tokenizer" / "tokenizer.json"
    text.write_text("the dog sleeps and the wolf runs\n" * 40)
    given = ["--data", text, "--tokenizer", tokenizer.parent, "--out", tmp_path / "out"]
    assert main([*map(str, given), *SMALL]) == 0
    (tmp_path / "out" / "config.json").unlink()  # as if it had been cut off
    for file in (text, tokenizer):
        before = file.read_text()
        file.write_text(before.replace("wolf", "WOLF", 1))
        capsys.readouterr()
        assert main([*map(str, given), *SMALL]) == 1
        assert "was begun with other settings, text or tokenizer" in capsys.readouterr().err
        file.write_text(before)
    assert main([*map(str, given), *SMALL]) == 0
    # A folder of version 0.1 has no checksums, and is gone on with.
    (tmp_path / "out" / "config.json").unlink()
    noted = tmp_path / "out" / "pretraining.json"
    before = json.loads(noted.read_text())
    del before["sha256"]
    noted.write_text(json.dumps(before))
    assert main([*map(str, given), *SMALL]) == 0


@pytest.mark.slow
def test_the_folder_reads_text_as_the_training_did(tmp_path):
    """Of a cased WordPiece made by oneself transformers would make a BERT's, which lower-cases."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import AutoTokenizer

    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    lines = ["The Cat sat", "the cat sat on The mat", "We eat An apple a day in Paris"] * 20
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made.train_from_iterator(
        lines, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special)
    )
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    (tmp_path / "tokenizer").mkdir()
    made.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    (tmp_path / "text.txt").write_text("\n".join(lines))
    given = ["--data", tmp_path / "text.txt", "--tokenizer", tmp_path / "tokenizer"]
    assert main([*map(str, given), "--out", str(tmp_path / "out"), *SMALL]) == 0
    for read in (load_tokenizer, AutoTokenizer.from_pretrained):
        assert read(tmp_path / "out")("The Cat in Paris")["input_ids"] == (
            made.encode("The Cat in Paris").ids
        )
