"""Texts are read as the sweep read its own, by the sweep's trials and by an exported folder."""

import csv
import json
import shutil

import numpy as np
import pytest
import tagged
from exporting import export, torch_logits
from scipy import special

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.export.as_read import as_read
from jaxtune.predict.__main__ import main
from jaxtune.predict.reading import reader_of
from jaxtune.predict.settings import PredictConfig
from jaxtune.sweep.__main__ import main as sweep

NOUNS = ("dog", "chef", "wolf", "mouse")


def pairs(number, seed, *columns):
    """Whether two sentences are of one animal, which is asked about."""
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, len(NOUNS), (2, number))
    sentences = [
        [f"the {NOUNS[i]} {verb}" for i in which]
        for which, verb in ((one, "sleeps"), (other, "sings"))
    ]
    words = [NOUNS[i] for i in other]
    return [
        dict(zip((*columns, "word"), row, strict=True))
        for row in zip(*sentences, words, strict=True)
    ], (one == other).tolist()


def write_lines(file, rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_superglue(folder, columns, classes):
    """As SuperGLUE publishes a task."""
    folder.mkdir(parents=True)
    for split, number in (("train", 32), ("val", 24), ("test", 12)):
        rows, same = pairs(number, number, *columns)
        labels = [{"label": classes[is_same]} for is_same in same]
        with_labels = [row | label for row, label in zip(rows, labels, strict=True)]
        write_lines(folder / f"{split}.jsonl", rows if split == "test" else with_labels)


def few_steps(model, out, *flags):
    steps = ["--max_steps", "4", "--num_seeds", "1", "--learning_rate", "1e-2"]
    return ["--model", str(model), "--out", str(out), *steps, "--save_params", "final", *flags]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("superglue")
    write_superglue(folder / "WiC", ("sentence1", "sentence2"), (False, True))
    names = ("not_entailment", "entailment")
    write_superglue(folder / "RTE", ("premise", "hypothesis"), names)
    return folder


@pytest.fixture(scope="module")
def outs(tiny, data, tmp_path_factory):
    """A sweep of each task, by its name."""
    folder = tmp_path_factory.mktemp("outs")
    for task in ("wic", "rte"):
        flags = ["--task", task, "--data_dir", str(data), "--predict_test"]
        assert sweep(few_steps(tiny, folder / task, *flags)) == 0
    return folder


@pytest.fixture(scope="module")
def pair(tiny, tmp_path_factory):
    """A sweep over pairs whose files part columns by `;`, beside these files."""
    folder = tmp_path_factory.mktemp("pair")
    for split in ("train", "dev"):
        rows, same = pairs(32, len(split), "q", "a")
        with (folder / f"{split}.csv").open("w", newline="") as file:
            lines = [[row["q"], row["a"], label] for row, label in zip(rows, same, strict=True)]
            csv.writer(file, delimiter=";").writerows([["q", "a", "label"], *lines])
    flags = ["--task", "custom", "--text_columns", "q", " a", "--delimiter", ";"]
    flags += [f"--{split}_file={folder / split}.csv" for split in ("train", "dev")]
    assert sweep(few_steps(tiny, folder / "out", *flags)) == 0
    return folder


def answers(target, source, file, *flags):
    """The table that a sweep's trial, or a folder, gives."""
    trial = ["--trial", "0"] if (source / "trials.jsonl").is_file() else []
    assert main([str(source), "--file", str(file), "--out", str(target), *trial, *flags]) == 0
    with target.open(newline="") as opened:
        return list(csv.DictReader(opened))


def shares(rows):
    """Probabilities `[example, class]`."""
    names = [name for name in rows[0] if name.startswith("p(")]
    return np.array([[float(row[name]) for name in names] for row in rows])


def refused(capsys, *words):
    capsys.readouterr()
    assert main([str(word) for word in words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("task", ["wic", "rte"])
@pytest.mark.slow
def test_superglues_own_test_file_is_answered_as_the_sweep_recorded(outs, data, tmp_path, task):
    """The word of WiC before its first text, RTE's columns as they are called there."""
    logits = np.load(outs / task / "predictions" / "test" / "00000.npy").astype(np.float64)
    expected = special.softmax(logits, axis=1)
    folder = {"wic": "WiC", "rte": "RTE"}[task]
    file = data / folder / "test.jsonl"
    of_sweep = answers(tmp_path / "sweep.csv", outs / task, file)
    np.testing.assert_allclose(shares(of_sweep), expected, atol=2e-6)
    assert export(outs / task, 0, tmp_path / "hf") == 0
    of_folder = answers(tmp_path / "folder.csv", tmp_path / "hf", file)
    np.testing.assert_allclose(shares(of_folder), expected, atol=2e-6)


def test_json_lines_may_have_the_hubs_columns(outs, data, tmp_path):
    own = data / "RTE" / "test.jsonl"
    hub = {"premise": "sentence1", "hypothesis": "sentence2"}
    rows = [json.loads(line) for line in own.read_text().splitlines()]
    write_lines(tmp_path / "hub.jsonl", [{hub[k]: row[k] for k in hub} for row in rows])
    expected = answers(tmp_path / "own.csv", outs / "rte", own)
    assert answers(tmp_path / "hub.csv", outs / "rte", tmp_path / "hub.jsonl") == expected


def test_the_word_is_read_in_every_form(outs, data, tmp_path, capsys):
    rows, _ = pairs(12, 12, "sentence1", "sentence2")
    file = tmp_path / "texts.csv"
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([rows[0].keys(), *(row.values() for row in rows)])
    expected = answers(tmp_path / "lines.csv", outs / "wic", data / "WiC" / "test.jsonl")
    assert answers(tmp_path / "cells.csv", outs / "wic", file) == expected
    write_lines(tmp_path / "no_word.jsonl", [{"sentence1": "a", "sentence2": "b"}])
    says = refused(capsys, outs / "wic", "--trial", "0", "--file", tmp_path / "no_word.jsonl")
    assert "has no column 'word' but 'sentence1', 'sentence2': give the file as GLUE" in says


def test_the_card_of_a_word_that_is_asked_about_says_where_it_stands(outs, data, tmp_path):
    assert export(outs / "wic", 0, tmp_path / "hf") == 0
    card = (tmp_path / "hf" / "README.md").read_text()
    assert 'tokenizer(["word: A text."], ["Another text."],' in card
    assert "The first text begins with the word that is asked about, a colon and a space" in card
    rows, _ = pairs(12, 12, "one", "other")
    firsts = [f"{row['word']}: {row['one']}" for row in rows]
    logits = torch_logits(tmp_path / "hf", firsts, [row["other"] for row in rows])
    expected = np.load(outs / "wic" / "predictions" / "test" / "00000.npy")
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


def test_columns_are_counted(pair, tmp_path, capsys):
    """Of a sweep, of its folder, and of a folder that does not say how texts were read."""
    assert export(pair / "out", 0, tmp_path / "hf") == 0
    shutil.copytree(tmp_path / "hf", tmp_path / "older")
    (tmp_path / "older" / "jaxtune.json").unlink()
    twice = "text_columns names a column twice (q, q); give different ones."
    few, many = (
        f"text_columns names {n}, and the sweep read 2 (q, a); name as many."
        for n in ("1 column", "3 columns")
    )
    for source, trial, names, says in [
        *((pair / "out", ["--trial", "0"], *case) for case in (("q", few), ("q a label", many))),
        *((tmp_path / "hf", [], *case) for case in (("q", few), ("q a label", many))),
        (tmp_path / "older", [], "q a label", "text_columns names 3 columns: name one or two."),
        (pair / "out", ["--trial", "0"], "q  q", twice),
        (tmp_path / "hf", [], "q q", twice),
        (tmp_path / "older", [], "q q", twice),
    ]:
        flags = [*trial, "--file", pair / "dev.csv", "--text_columns", *names.split()]
        assert says in refused(capsys, source, *flags)
    assert not list(pair.glob("*_predictions.csv"))


def test_a_folder_reads_as_its_sweep(pair, tmp_path):
    """Columns and what parts them; names without the spaces at their ends."""
    assert export(pair / "out", 0, tmp_path / "hf") == 0
    expected = answers(tmp_path / "sweep.csv", pair / "out", pair / "dev.csv")
    assert answers(tmp_path / "folder.csv", tmp_path / "hf", pair / "dev.csv") == expected
    logits = np.load(pair / "out" / "predictions" / "00000.npy").astype(np.float64)
    np.testing.assert_allclose(shares(expected), special.softmax(logits, axis=1), atol=2e-6)
    for source in (pair / "out", tmp_path / "hf"):
        named = ["--text_columns", " q", "a "]
        target = tmp_path / f"{source.name}_named.csv"
        assert answers(target, source, pair / "dev.csv", *named) == expected
    other = ["--text_columns", "a", "q"]
    turned = answers(tmp_path / "turned.csv", tmp_path / "hf", pair / "dev.csv", *other)
    assert turned != expected


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"task": "rte", "text_columns": []}'])
def test_a_note_that_no_export_has_written(pair, tmp_path, capsys, text):
    assert export(pair / "out", 0, tmp_path / "hf") == 0
    (tmp_path / "hf" / "jaxtune.json").write_text(text)
    says = refused(capsys, tmp_path / "hf", "--file", pair / "dev.csv")
    assert str(tmp_path / "hf" / "jaxtune.json") in says


@pytest.mark.parametrize("flag", ["--quoting", "--delimiter"])
def test_a_published_file_is_read_as_flags_say(outs, tmp_path, flag):
    """Of a task of GLUE, whose own files have tabs and no quotes."""
    value, mark = {"--quoting": ("true", "\t"), "--delimiter": (";", ";")}[flag]
    (tmp_path / "one.tsv").write_text("sentence1\tsentence2\nthe dog sleeps\tthe chef sings\n")
    cells = [["sentence1", "sentence2"], ["the dog sleeps", "the chef sings"]]
    if flag == "--quoting":
        cells[1] = [f'"{cell}"' for cell in cells[1]]
    (tmp_path / "other.tsv").write_text("".join(f"{mark.join(row)}\n" for row in cells))
    expected = answers(tmp_path / "one.csv", outs / "rte", tmp_path / "one.tsv")
    found = answers(tmp_path / "other.csv", outs / "rte", tmp_path / "other.tsv", flag, value)
    assert found == expected


@pytest.mark.parametrize(
    ("task", "header", "flags", "says"),
    [
        ("mrpc", "#1 String\t#2 String", {}, None),
        ("mrpc", "sentence1\tsentence2", {}, None),  # the hub's
        ("mrpc", "one\ttwo", {}, "no column '#1 String' but 'one', 'two': give the file as GLUE"),
        ("rte", "sentence1\tsentence2", {}, None),
        ("rte", '"sentence1"\t"sentence2"', {"quoting": True}, None),
        ("mnli", "sentence1\tsentence2", {"quoting": False}, None),
        ("cola", "id\tsentence", {}, None),
        ("cola", "gj04\t1\t\tthe dog sleeps", {"quoting": False}, None),  # no header
    ],
)
def test_a_tsv_of_a_task_of_glue_has_its_columns_or_the_hubs(tmp_path, task, header, flags, says):
    file = tmp_path / "own.tsv"
    mark = "\t1\t\t" if "gj04" in header else "\t"
    file.write_text(f'{header}\nthe dog{mark}she said "hi"\n')
    read = reader_of(
        as_read(SweepConfig(task=task)), False, PredictConfig((tmp_path,), file, **flags)
    )
    if says is None:
        found = read(file).examples
        assert (found.second or found.first)[-1] == 'she said "hi"'
    else:
        with pytest.raises(UserError, match=says):
            read(file)
    if not flags and says is None:
        file.write_text(f'{header}\nthe dog\t"she said ""hi"""\n')
        with pytest.raises(UserError, match="say --quoting true or --quoting false"):
            read(file)


def test_flags_that_no_file_has(outs, data, capsys):
    file = data / "RTE" / "test.jsonl"
    for flags, says in [
        (["--quoting", "true"], "quoting is given, which only .csv and .tsv files have"),
        (["--delimiter", ";"], "delimiter is given, which only .csv and .tsv files have"),
        (["--delimiter", ";;"], "delimiter is ';;'; give one character"),
    ]:
        assert says in refused(capsys, outs / "rte", "--trial", "0", "--file", file, *flags)


@pytest.mark.slow
def test_a_tagger_reads_the_column_of_its_sweep(tiny, tmp_path, capsys):
    """Words in the second of four columns, after their numbers."""
    for split, seed in (("train", 1), ("dev", 2)):
        blocks = []
        for words, tags in zip(*tagged.words_and_tags(32, seed), strict=True):
            lines = zip(range(1, len(words) + 1), words, tags, strict=True)
            blocks.append("".join(f"{n} {word} X {tag}\n" for n, word, tag in lines))
        (tmp_path / f"{split}.conll").write_text("\n".join(blocks))
    files = tmp_path / "train.conll", tmp_path / "dev.conll"
    command = tagged.command(tiny, *files, tmp_path / "out", "--save_params", "final")
    columns = {"tokens": "2", "tags": "4"}
    assert sweep([columns.get(word, word) for word in command]) == 0
    assert export(tmp_path / "out", 0, tmp_path / "hf") == 0
    expected = answers(tmp_path / "sweep.csv", tmp_path / "out", files[1])
    assert answers(tmp_path / "folder.csv", tmp_path / "hf", files[1]) == expected
    words = [word for own in tagged.words_and_tags(32, 2)[0] for word in own]
    assert [row["word"] for row in expected] == words
    logits = np.load(tmp_path / "out" / "predictions" / "00000.npy").astype(np.float64)
    np.testing.assert_allclose(shares(expected), special.softmax(logits, axis=1), atol=2e-6)
    # A list of words is called as it commonly is, whatever the number of the sweep's column.
    lists = [{"tokens": own} for own in tagged.words_and_tags(32, 2)[0]]
    write_lines(tmp_path / "lists.jsonl", lists)
    of_lists = answers(tmp_path / "lists.csv", tmp_path / "hf", tmp_path / "lists.jsonl")
    np.testing.assert_array_equal(shares(of_lists), shares(expected))
    named = tmp_path / "named.conll"
    named.write_text("number form\n" + "".join(f"{n} {word}\n" for n, word in enumerate(words)))
    where = [tmp_path / "hf", "--file", named, "--out", tmp_path / "named.csv", "--text_columns"]
    says = "no column 'word' but 'number', 'form'"
    assert says in refused(capsys, *where, "word")
    assert main([*map(str, where), "form"]) == 0
    assert "begins with a line of column names: its words are column 2 of 2 (form)." in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("place", ["file/x.csv", "n" * 252])
def test_a_place_that_cannot_be_written_is_said_before_any_answer(
    outs, data, tmp_path, capsys, monkeypatch, place
):
    (tmp_path / "file").touch()
    monkeypatch.setattr("jaxtune.predict.answering.answer_file", None)
    words = [outs / "rte", "--trial", "0", "--file", data / "RTE" / "test.jsonl"]
    says = refused(capsys, *words, "--out", tmp_path / place)
    assert f"{tmp_path / place} cannot be written (" in says
    assert "; give another --out." in says
    assert export(outs / "rte", 0, tmp_path / "file" / "hf") == 1
    assert "file/hf cannot be written (Not a directory); give another folder." in (
        capsys.readouterr().err
    )
