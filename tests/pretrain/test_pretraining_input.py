"""What a pre-training is given: mistakes in flags, texts and tokenizers are sentences, another text
is not gone on with, held-out text is held out, and the folder reads text as the training did.
"""

import json
import re
import shutil

import pytest

from jaxtune.data.corpus import read_corpus
from jaxtune.data.miniature.language import ADJECTIVES, NOUNS, write_tokenizer
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.models.pretrained import read_config
from jaxtune.pretrain.__main__ import main


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
