"""Words with tags, from columns to the report, the export and new sentences."""

import csv
import json

import hf
import numpy as np
import pytest
from exporting import export, word_logits
from scipy import special
from tagged import (
    STEPS,
    TAGS,
    command,
    right,
    words_and_tags,
    write_columns,
    write_lists,
)

import jaxtune
from jaxtune.config.parse import parse
from jaxtune.core.entities import Sentences
from jaxtune.core.errors import UserError
from jaxtune.core.failure import trivial_floor
from jaxtune.core.metrics import evaluate
from jaxtune.data.reading import sentences
from jaxtune.merge.__main__ import main as merge
from jaxtune.predict.__main__ import main as predict
from jaxtune.report.__main__ import main as report
from jaxtune.storage.out_folder import check_labels
from jaxtune.sweep.__main__ import main
from jaxtune.training.prepare import prepare

METRICS = ("entity_f1", "accuracy", "macro_f1", "matthews")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    words = words_and_tags(20, 3)[0]
    bare = folder / "test.txt"
    bare.write_text("\n".join("".join(f"{word}\n" for word in own) for own in words))
    return {
        "train": write_columns(folder / "train.conll", *words_and_tags(96, 1)),
        "dev": write_lists(folder / "dev.jsonl", *words_and_tags(40, 2)),
        "test": bare,
        "more": write_columns(folder / "more.conll", *words_and_tags(10, 4)),
    }


@pytest.fixture(scope="module")
def out(tiny, files, tmp_path_factory):
    out = tmp_path_factory.mktemp("tagged") / "out"
    flags = ["--save_params", "final", "--test_file", str(files["test"])]
    flags += ["--more_dev_files", f"more={files['more']}"]
    assert main(command(tiny, files["train"], files["dev"], out, *flags)) == 0
    return out


@pytest.mark.slow
def test_shards_are_joined_with_their_sentences(tiny, files, tmp_path, capsys):
    """Without them the joined sweep could not go on, and its dev set's luck was not known."""
    for shard in ("1/2", "2/2"):
        flags = ["--shard", shard]
        assert main(command(tiny, files["train"], files["dev"], tmp_path / "out", *flags)) == 0
    shards = sorted((tmp_path / "out").iterdir())
    assert merge([*map(str, shards), "--out", str(tmp_path / "to")]) == 0
    results = jaxtune.load_results(tmp_path / "to")
    np.testing.assert_array_equal(results.sentences, right(40, 2)[1])
    lengths = np.load(shards[1] / "predictions" / "sentences.npy")
    lengths[:2] += 1, -1
    np.save(shards[1] / "predictions" / "sentences.npy", lengths)
    capsys.readouterr()
    assert merge([*map(str, shards), "--out", str(tmp_path / "other")]) == 1
    assert "has other sentences than" in capsys.readouterr().err


def test_rows_are_scored_against_what_stands_beside_them(out):
    results, (labels, lengths) = jaxtune.load_results(out), right(40, 2)
    np.testing.assert_array_equal(results.labels, labels)
    np.testing.assert_array_equal(results.sentences, lengths)
    assert results.classes == TAGS
    of_words = Sentences(TAGS, lengths)
    floor = trivial_floor("entity_f1", labels, len(TAGS), sentences=of_words)
    assert 0 < floor < 0.5  # a tag for all words finds some of a single word
    for row in results.trials.to_dict("records"):
        logits = results.predictions[row["trial"]]
        assert logits.shape == (len(labels), len(TAGS))
        scores = evaluate(METRICS, logits, labels, sentences=of_words)
        assert row["metric"] == "entity_f1"
        assert row["final"] == scores["entity_f1"]
        assert row["trivial"] == floor
        own = results.history[results.history.trial == row["trial"]]
        last = own[own.step == STEPS].set_index("name")["value"]
        for name in METRICS:
            assert last[f"dev/{name}"] == pytest.approx(scores[name], rel=1e-6)
    # The words decide it, and two seeds find that out.
    assert (results.trials["final"] > 0.7).all()
    assert not results.trials["failed"].any()
    assert not results.trials["constant_prediction"].any()


@pytest.mark.storm
def test_trials_that_learn_nothing_have_failed(tiny, files, tmp_path):
    """Nothing but one tag, which is flagged, and no better than the floor."""
    flags = ["--learning_rate", "1e-9", "--max_steps", "2", "--eval_every", "2"]
    out = tmp_path / "out"
    assert main(command(tiny, files["train"], files["dev"], out, *flags)) == 0
    trials = jaxtune.load_results(out).trials
    assert (trials["failed"] == (trials["final"] <= trials["trivial"] + 1e-6)).all()
    assert trials["failed"].any()


def test_files_without_and_with_tags_are_answered(out, files):
    words = words_and_tags(20, 3)[0]
    logits = [np.load(out / f"predictions/test/{n:05d}.npy") for n in (0, 1)]
    mean = np.mean([special.softmax(each.astype(np.float64), axis=1) for each in logits], axis=0)
    with (out / "test_predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [
        f"{i}.{n}" for i, own in enumerate(words) for n in range(1, len(own) + 1)
    ]
    assert_table(rows, mean)
    labels, lengths = right(10, 4)
    np.testing.assert_array_equal(np.load(out / "predictions/more/labels.npy"), labels)
    for row in jaxtune.load_results(out).trials.to_dict("records"):
        own = np.load(out / f"predictions/more/{row['trial']:05d}.npy")
        found = evaluate(["entity_f1"], own, labels, sentences=Sentences(TAGS, lengths))
        assert row["more/entity_f1"] == found["entity_f1"]
    assert not (out / "predictions/test/labels.npy").exists()


def assert_table(rows, probabilities):
    found = np.array([[float(row[f"p({name})"]) for name in TAGS] for row in rows])
    np.testing.assert_allclose(found, probabilities, atol=2e-6)
    assert [row["label"] for row in rows] == [TAGS[i] for i in probabilities.argmax(axis=1)]


def test_an_export_gives_the_same_logits_in_torch(out, files, tmp_path):
    assert export(out, 0, tmp_path / "hf") == 0
    logits = word_logits(tmp_path / "hf", words_and_tags(40, 2)[0])
    np.testing.assert_allclose(logits, jaxtune.load_results(out).predictions[0], rtol=0, atol=1e-4)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["architectures"] == ["BertForTokenClassification"]
    assert config["id2label"] == {str(i): name for i, name in enumerate(TAGS)}
    assert "problem_type" not in config
    card = (tmp_path / "hf" / "README.md").read_text()
    assert "pipeline_tag: token-classification" in card
    assert "a head for 5 tags, one for every word" in card
    assert "AutoModelForTokenClassification" in card
    assert 'tokenizer([["A", "text"]], is_split_into_words=True, truncation' in card
    assert f"On the {len(right(40, 2)[0])} words of the dev set" in card


def assert_answers(source, files, tmp_path, trials, out=None):
    """What these trials say together, with the words beside it."""
    logits = [np.load((out or source) / f"predictions/test/{n:05d}.npy") for n in trials]
    shares = [special.softmax(each.astype(np.float64), axis=1) for each in logits]
    target = tmp_path / "answers.csv"
    assert predict([str(source), "--file", str(files["test"]), "--out", str(target)]) == 0
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["word"] for row in rows] == [w for own in words_and_tags(20, 3)[0] for w in own]
    assert_table(rows, np.mean(shares, axis=0))


@pytest.mark.storm
@pytest.mark.parametrize(("trial", "trials"), [("0", (0,)), ("ensemble", (0, 1))])
def test_exported_folders_tag_new_sentences(out, files, tmp_path, trial, trials):
    assert export(out, trial, tmp_path / "hf") == 0
    assert_answers(tmp_path / "hf", files, tmp_path, trials, out)


def test_new_sentences_get_tags(out, files, tmp_path):
    """Words that are cut away have none."""
    assert_answers(out, files, tmp_path, (0, 1))
    long = write_lists(tmp_path / "long.jsonl", [["the", "dog"] * 9, ["the"]], [["O"] * 18, ["O"]])
    assert predict([str(out), "--file", str(long), "--out", str(tmp_path / "long.csv")]) == 0
    with (tmp_path / "long.csv").open(newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert [bool(label) for label in labels] == [True] * 14 + [False] * 4 + [True]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--delimiter ;", "delimiter is given, which files of words do not have"),
        ("--text_columns a b", "text_columns names 2 columns, and a text whose words get"),
        ("--text_columns 4", "line 1 has 1 column, and text_columns is 4: give a number from 1"),
    ],
)
def test_what_new_sentences_do_not_have(out, files, tmp_path, capsys, flags, says):
    target = tmp_path / "answers.csv"
    given = [str(out), "--file", str(files["test"]), "--out", str(target), *flags.split()]
    assert predict(given) == 1
    assert says in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.usefixtures("undrawn")
def test_the_report_draws_sentences(out, tmp_path):
    assert report([str(out), "--to", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "report.md").read_text()
    assert "Every word counts as an example here." in page
    assert "One standard error of a dev set of 40 examples is" in page
    assert "An example is a sentence" in page
    assert "5 tags (train, dev)" in page
    given = [jaxtune.load_results(out).predictions[n].argmax(axis=1) for n in (0, 1)]
    with (tmp_path / "report" / "arms.csv").open(newline="") as file:
        (arm,) = csv.DictReader(file)
    assert float(arm["disagreement"]) == pytest.approx(np.mean(given[0] != given[1]))
    assert 0 < float(arm["dev_standard_error"]) < 0.1


@pytest.mark.storm
@pytest.mark.parametrize("flags", [["--packing", "false"], ["--compact_vocabulary", "false"]])
def test_packing_and_the_vocabulary_change_nothing(tiny, files, tmp_path, flags):
    """Without dropout: the same scores and logits, but for rounding."""
    how = ["--dropout", "0", "--seeds", "0", "--max_steps", "8", "--eval_every", "8"]
    found = {}
    for name, own in (("as it is", []), ("otherwise", flags)):
        folder = tmp_path / name
        assert main(command(tiny, files["train"], files["dev"], folder, *how, *own)) == 0
        found[name] = jaxtune.load_results(folder).predictions[0]
    assert hf.deviation(found["otherwise"], found["as it is"]) < 1e-5


def test_a_trial_alone_is_itself_among_others(tiny, files, out, tmp_path):
    """Bit for bit on CPU."""
    folder = tmp_path / "alone"
    assert main(command(tiny, files["train"], files["dev"], folder, "--seeds", "1")) == 0
    alone, among = jaxtune.load_results(folder), jaxtune.load_results(out)
    np.testing.assert_array_equal(alone.predictions[0], among.predictions[1])


@pytest.mark.storm
def test_stacked_in_bfloat16_with_weights_and_held_out_sentences(tiny, files, tmp_path):
    """Two trials a device, class weights and smoothing, held-out sentences, patience."""
    out = tmp_path / "out"
    flags = ["--trials_per_device", "2", "--precision", "bfloat16", "--class_weights", "balanced"]
    flags += ["--label_smoothing", "0.1", "--dev_fraction", "0.25", "--patience", "3"]
    flags += ["--save_params", "best", "--eval_every", "10", "--metric", "macro_f1"]
    assert main(command(tiny, files["train"], files["dev"], out, *flags)) == 0
    trials = jaxtune.load_results(out).trials
    assert trials["held_out_best"].notna().all()
    assert (trials["best"] > 0.5).all()
    read = json.loads((out / "manifest.json").read_text())["data"][0]
    assert read["examples"]["held_out"] == 24
    assert read["words"]["held_out"]["words"] == sum(read["held_out_classes"].values())
    assert export(out, 0, tmp_path / "hf", "--step", "best") == 0


def test_words_that_are_cut_away_are_counted_and_not_scored(tiny, files, out, tmp_path):
    words = command(tiny, files["train"], files["dev"], tmp_path / "out", "--max_length", "7")
    task, (labels, lengths) = prepare(parse(words).base), right(40, 2)
    kept = np.minimum(lengths, 5)
    np.testing.assert_array_equal(task.sentence_lengths, kept)
    each = np.split(labels, np.cumsum(lengths)[:-1])
    np.testing.assert_array_equal(task.dev.labels, np.concatenate([own[:5] for own in each]))
    lost = int((lengths - kept).sum())
    assert task.reading["words"]["dev"] == {
        "words": int(lengths.sum()),
        "cut": lost,
        "without_token": 0,
    }
    assert any(f"{lost} of {lengths.sum()} dev" in line for line in sentences([task.reading]))
    # A folder whose sentences end elsewhere is of another dev set.
    found = (TAGS, jaxtune.load_results(out).labels)
    check_labels(out, parse(words), *found, lengths)
    with pytest.raises(UserError, match="other dev labels"):
        check_labels(out, parse(words), *found, lengths[::-1])
