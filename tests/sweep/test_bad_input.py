"""Every mistake that could be thought of, through the command: status 1 and one sentence, before
anything compiles.

`python -m pytest tests/sweep/test_bad_input.py` counts them. The mistakes are in
tests/support: bad_*.py and slips.py.
"""

import shutil

import jax
import numpy as np
import pytest
from bad_config_files import YAML, YAML_BYTES
from bad_custom import BAD_CUSTOM
from bad_data import CSV, EVERY_KIND, GOOD, POINTER, RTE, UNSEEN, USABLE, BadFile, write
from bad_glue import BAD_GLUE
from bad_model_configs import BAD_CONFIGS
from bad_sentences import BAD_SENTENCES, GOOD_SENTENCES
from bad_sets import BAD_SETS, GOOD_SETS
from bad_settings import FLAGS
from bad_tables import BAD_TABLES, GOOD_TABLES, USABLE_TABLES
from bad_tokenizers import BAD_TOKENIZERS
from bad_usage import USAGE
from bad_weights import BAD_WEIGHTS
from slips import FLAG_SLIPS, USAGE_SLIPS, YAML_SLIPS
from spoiling import Edit

import jaxtune
from jaxtune.config.parse import parse
from jaxtune.data.miniature import language
from jaxtune.sweep.__main__ import main
from jaxtune.training.prepare import prepare

LONGEST = 2100
compiled: list[str] = []


def note_compilation(event: str, seconds: float, **_: object) -> None:
    """Remembers what XLA compiles."""
    if event.endswith("backend_compile_duration"):
        compiled.append(event)


jax.monitoring.register_event_duration_secs_listener(note_compilation)


@pytest.fixture
def refused(tmp_path, capsys):
    """Runs the command on something bad, checks how it ends, and returns the sentence."""

    def run(*flags: object) -> str:
        capsys.readouterr()
        compiled.clear()
        small = ["--num_seeds", "1", "--max_steps", "1"]
        assert main([*small, "--out", str(tmp_path / "out"), *map(str, flags)]) == 1
        assert not compiled
        said, error = capsys.readouterr()
        assert said == ""
        assert error.startswith("error: ")
        assert error.endswith("\n")
        assert error[:-1].isprintable()
        assert len(error) < LONGEST
        assert sorted(path.name for path in tmp_path.iterdir() if path.name == "out") == []
        return error

    return run


def test_compilations_are_noticed():
    """The check that nothing compiles would otherwise prove nothing."""
    compiled.clear()
    jax.block_until_ready(jax.jit(lambda x: x * 3 + 17)(jax.numpy.arange(7)))
    assert compiled


@pytest.mark.parametrize("split", ["train", "dev"])
@pytest.mark.parametrize(
    "bad", [*EVERY_KIND, *BAD_GLUE, *BAD_CUSTOM, *BAD_TABLES], ids=lambda bad: bad.name
)
def test_data_files(refused, tiny, tmp_path, bad: BadFile, split: str):
    good = (GOOD | GOOD_TABLES)[bad.kind]
    splits = {"train": good, "dev": good} | {split: bad.content}
    flags = write(tmp_path / "data", bad.kind, splits["train"], splits["dev"])
    error = refused("--model", tiny, *flags)
    file = next((tmp_path / "data").rglob(f"{split}.*"))
    assert error.startswith((f"error: {file}", f"error: cannot read {file}"))
    assert bad.says in error


@pytest.mark.parametrize("bad", UNSEEN, ids=lambda bad: bad.name)
def test_labels_that_training_does_not_know(refused, tiny, tmp_path, bad: BadFile):
    flags = write(tmp_path / "data", bad.kind, GOOD[bad.kind], bad.content)
    error = refused("--model", tiny, *flags)
    assert f"{tmp_path / 'data' / 'dev'}{bad.kind}{bad.says}" in error


@pytest.mark.parametrize(
    ("flag", "content", "says"),
    [
        ("--test_file FILE", "", " is empty: give a file with examples"),
        ("--test_file FILE", "text\n", " has no examples: give a file with texts"),
        ("--test_file FILE", "words\na\n", ", line 1 has no column 'text' but 'words'"),
        ("--test_file FILE", "text,Label\na,0\n", "write 'label' instead of 'Label' there"),
        ("--test_file FILE", "text,label\na,-1\n", ", line 2 has the label '-1' (-1 stands for"),
        (
            "--test_file FILE",
            "text,label\na,7\n",
            ", line 2 has the label '7': use one of '0',",
        ),
        (
            "--test_file FILE",
            "text,label\na,\n",
            "or take the column 'label' out where",
        ),
        (
            "--test_file FILE",
            "text,label\na,7\n",
            "have, or name every class with --classes, or",
        ),
        ("--test_file FILE", "text\na\n \n", ", line 3 has an empty sentence"),
        ("--test_file FILE", POINTER.decode(), " is a pointer of Git LFS"),
        ("--more_dev_files ood=FILE", "text\na\n", ", line 1 has no column 'label' but 'text'"),
        ("--more_dev_files ood=FILE", "text,label\na,7\n", ", line 2 has the label '7': use one"),
        (
            "--more_dev_files ood=FILE",
            "text,label\na,7\n",
            "have, or name every class with --classes\n",
        ),
    ],
)
def test_further_files(refused, tiny, tmp_path, flag: str, content: str, says: str):
    flags = write(tmp_path / "data", ".csv", CSV, CSV)
    file = tmp_path / "further.csv"
    file.write_text(content)
    error = refused("--model", tiny, *flags, *flag.replace("FILE", str(file)).split())
    assert error.startswith(f"error: {file}")
    assert says in error


@pytest.mark.parametrize(("kind", "content", "says"), BAD_SETS)
def test_texts_with_several_labels(refused, tiny, tmp_path, kind: str, content: str, says: str):
    flags = write(tmp_path / "data", kind, content, GOOD_SETS[kind])
    columns = ["--label_columns", "a", "b"] if content.startswith("text,a") else []
    error = refused("--model", tiny, *flags, "--several_labels", "true", *columns)
    assert error.startswith(f"error: {tmp_path / 'data' / 'train'}{kind}")
    assert says in error


TAGGED = ("--token_classification", "true")
OF_LISTS = ("--text_columns", "tokens", "--label_column", "tags")


@pytest.mark.parametrize(("kind", "content", "says"), BAD_SENTENCES)
def test_words_with_tags(refused, tiny, tmp_path, kind: str, content: str, says: str):
    flags = write(tmp_path / "data", kind, content, GOOD_SENTENCES.get(kind, ""))
    error = refused("--model", tiny, *flags, *TAGGED, *(OF_LISTS if kind == ".jsonl" else ()))
    assert error.startswith(f"error: {tmp_path / 'data' / 'train'}{kind}")
    assert says in error


@pytest.mark.parametrize(
    ("dev", "flags", "says"),
    [
        (
            "the O\ndog X\n",
            "",
            "the sentence from line 1 on has the tag 'X': use one of 'B', 'O'",
        ),
        ("the O\ndog B\n", "--label_column 3", "line 1 has 2 columns, and label_column is 3: give"),
        ("the O\ndog B\n", "--label_column 0", "and label_column is 0: give a number from 1 to 2"),
        ("the O\ndog B\n", "--label_column=-1", "label_column is -1: give a number from 1 to 2"),
        ("the O\ndog B\n", "--label_column pos", "line 1 has no column 'pos' but 'the', 'O': name"),
        ("the O\ndog B\n", "--metric pearson", "which predicts one of 2 tags for every word; give"),
        ("the O\ndog B\n", "--batch_size 3", "batch_size 3 is larger than the 2 training examples"),
        ("the O\ndog B\n", "--class_weights 1,2,3", "but there are 2 classes ('B', 'O')"),
        (
            "the O\ndog B\n",
            "--more_dev_files x=FILE",
            "line 1 has 1 column: write a word and its tag",
        ),
        ("the O\ndog B\n", "--max_length 2", "max_length is 2; this tokenizer needs at least 3"),
    ],
)
def test_words_with_other_tags(refused, tiny, tmp_path, dev: str, flags: str, says: str):
    found = write(tmp_path / "data", ".conll", GOOD_SENTENCES[".conll"], dev)
    bare = tmp_path / "bare.conll"
    bare.write_text("the\ndog\n")
    flags = flags.replace("FILE", str(bare))
    assert says in refused("--model", tiny, *found, *TAGGED, *flags.split())


def test_a_label_that_training_texts_do_not_have(refused, tiny, tmp_path):
    """Of a dev text; and a metric of single labels."""
    flags = write(tmp_path / "data", ".csv", GOOD_SETS[".csv"], GOOD_SETS[".csv"] + "c,b|d\n")
    several = ["--model", tiny, *flags, "--several_labels", "true"]
    assert "line 5 has the label 'd': use those of 'a', 'b'" in refused(*several)
    (tmp_path / "data" / "dev.csv").write_text(GOOD_SETS[".csv"])
    said = refused(*several, "--metric", "matthews")
    assert "which predicts any number of 2 labels; give accuracy, micro_f1, macro_f1 or" in said


@pytest.mark.parametrize("name", [*USABLE, *USABLE_TABLES])
def test_unusual_files_are_read(tiny, tmp_path, capfd, name: str):
    kind, content = (USABLE | USABLE_TABLES)[name]
    flags = write(tmp_path / "data", kind, content, content)
    task = prepare(parse(["--model", str(tiny), *flags]).base)
    assert len(task.train) == len(task.dev) == 2
    assert sorted(task.dev.labels) in ([0, 1], [np.float32(0.2), 5])
    assert task.train.lengths.max() <= language.MAX_TOKENS
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_unusual_files_are_trained_on(tiny, tmp_path):
    """A byte-order mark, bare quotes, CRLF and 10,000 characters in one file."""
    content = RTE.replace("the dog", '"the dog ' * 1100).replace("\n", "\r\n")
    flags = write(tmp_path / "data", "rte", "\ufeff" + content, RTE)
    out = tmp_path / "out"
    small = ["--num_seeds", "1", "--max_steps", "1", "--out", str(out)]
    assert main(["--model", str(tiny), *flags, *small]) == 0
    assert jaxtune.load_results(out).predictions[0].shape == (2, 2)


BAD_MODELS = [
    (f"{part}: {name}", edit, says)
    for part, table in (
        ("weights", BAD_WEIGHTS),
        ("config.json", BAD_CONFIGS),
        ("tokenizer", BAD_TOKENIZERS),
    )
    for name, edit, says in table
]


@pytest.mark.parametrize(
    ("edit", "says"), [m[1:] for m in BAD_MODELS], ids=[m[0] for m in BAD_MODELS]
)
def test_models(refused, tiny, tmp_path, edit: Edit, says: str):
    folder = tmp_path / "model"
    shutil.copytree(tiny, folder)
    edit(folder)
    error = refused("--model", folder, *write(tmp_path / "data", ".csv", CSV, CSV))
    assert says in error
    assert str(folder) in error or "max_length" in error
    assert not (folder / "executed").exists()


@pytest.mark.parametrize(("flags", "says"), [*FLAGS, *FLAG_SLIPS])
def test_settings(refused, flags: str, says: str):
    error = refused("--model", "miniature", "--task", "miniature", *flags.split())
    assert error.startswith("error: ")
    assert says in error


@pytest.mark.parametrize(("flags", "says"), [*USAGE, *USAGE_SLIPS])
def test_wrong_usage(tmp_path, capsys, flags: str, says: str):
    given = ["--model", "miniature", "--task", "miniature", "--out", str(tmp_path / "out")]
    assert main([*given, *flags.split()]) == 2
    assert capsys.readouterr() == ("", f"error: {says}\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("text", "says"), [*YAML, *YAML_BYTES, *YAML_SLIPS])
def test_config_files(refused, tmp_path, text: str | bytes, says: str):
    file = tmp_path / "config.yaml"
    data = text.replace("{folder}", str(tmp_path)).encode() if isinstance(text, str) else text
    file.write_bytes(data)
    error = refused("--model", "miniature", "--task", "miniature", "--config", file)
    assert says in error
    # Later files and flags may change a value, so what is wrong with a value alone names the field.
    assert str(file) in error or not says.startswith((",", " "))
    assert list(tmp_path.iterdir()) == [file]
