"""Readers of the nine GLUE tasks and of custom files: real layouts, real counts. Bad files are in
test_bad_input.py.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_folder import DATA, NEEDS_DATA

from jaxtune.config.settings import GLUE, SUPERGLUE
from jaxtune.core.errors import UserError
from jaxtune.data.csv_rows import BY_SUFFIX, Dialect
from jaxtune.data.custom import read_custom
from jaxtune.data.examples import Dataset
from jaxtune.data.glue import GLUE_TASKS, read_glue_folder, read_glue_hub

PAIR = "index|sentence1|sentence2|label"
MRPC = "Quality|#1 ID|#2 ID|#1 String|#2 String"
QNLI = "index|question|sentence|label"
QQP = "id|qid1|qid2|question1|question2|is_duplicate"
STSB = "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2|score"
MNLI = (
    "index|promptID|pairID|genre|sentence1_binary_parse|sentence2_binary_parse|sentence1_parse|"
    "sentence2_parse|sentence1|sentence2|label1|gold_label"
)
MNLI_ROW = "0|31|31n|fiction|( a )|( b )|(R a)|(R b)|A man|Nobody|entailment|{}"
# task: folder, header (| for tab), row, labels as written, their classes
LAYOUTS = {
    "rte": ("RTE", PAIR, "7|A man|Nobody|{}", "not_entailment entailment", [1, 0]),
    "mrpc": ("MRPC", MRPC, "{}|1|2|A man|Nobody", "1 0", [1, 0]),
    "cola": ("CoLA", "", "gj04|{}|*|A man", "0 1", [0, 1]),
    "qnli": ("QNLI", QNLI, "7|A man|Nobody|{}", "entailment not_entailment", [0, 1]),
    "sst2": ("SST-2", "sentence|label", "A man|{}", "1 0", [1, 0]),
    "stsb": ("STS-B", STSB, "0|m|M|2012|0001|n|n|A man|Nobody|{}", "5.000 0.2", [5, 0.2]),
    "wnli": ("WNLI", PAIR, "7|A man|Nobody|{}", "1 0", [1, 0]),
    "mnli": ("MNLI", MNLI, MNLI_ROW, "contradiction entailment neutral", [2, 0, 1]),
    "qqp": ("QQP", QQP, "1|2|3|A man|Nobody|{}", "1 0", [1, 0]),
}


def tabbed(*lines: str) -> str:
    return "\n".join(line.replace("|", "\t") for line in lines)


def table(name: str) -> str:
    _, header, row, labels, _ = LAYOUTS[name]
    rows = [row.format(label) for label in labels.split()]
    return tabbed(*([header] if header else []), *rows) + "\n"


def write_task(root: Path, name: str, train: str | bytes = "", dev: str | bytes = "") -> Path:
    """Write both splits of a task below `root`, well-formed where not given; return the folder."""
    folder = root / LAYOUTS[name][0]
    folder.mkdir(parents=True, exist_ok=True)
    dev_name = "dev_matched.tsv" if name == "mnli" else "dev.tsv"
    for file, content in (("train.tsv", train or table(name)), (dev_name, dev or table(name))):
        data = content if isinstance(content, bytes) else content.encode()
        (folder / file).write_bytes(data)
    return folder


def rte(*rows: str) -> str:
    return tabbed(PAIR, *rows)


@pytest.mark.parametrize("name", GLUE)
def test_tsv_layout(tmp_path: Path, name: str) -> None:
    dev = table(name)
    if name == "mnli":
        dev = dev.replace("label1", tabbed("label1|label2|label3|label4|label5"))
        dev = dev.replace("Nobody\tentailment", "Nobody" + "\tneutral" * 5)
    folder = write_task(tmp_path, name, dev=dev)
    data = read_glue_folder(name, tmp_path)
    classes = LAYOUTS[name][-1]
    assert [file.parent for file in data.files] == [folder, folder]
    assert read_glue_folder(name, folder).files == data.files
    for split in (data.train, data.dev):
        assert len(split) == len(classes)
        assert split.first == ["A man"] * len(split)
        assert split.second == (None if name in ("cola", "sst2") else ["Nobody"] * len(split))
        assert split.labels.dtype == (np.float32 if name == "stsb" else np.int32)
        np.testing.assert_array_equal(split.labels, np.array(classes, split.labels.dtype))


def test_primary_metric_and_number_of_labels() -> None:
    found = {task.name: (task.primary_metric, task.num_labels) for task in GLUE_TASKS.values()}
    assert [found.pop(name) for name in SUPERGLUE] == [("accuracy", n) for n in (2, 3, 2)]
    accuracy = dict.fromkeys(("rte", "qnli", "sst2", "wnli"), ("accuracy", 2))
    others = {"cola": ("matthews", 2), "stsb": ("pearson", 1), "mnli": ("accuracy", 3)}
    assert found == accuracy | others | dict.fromkeys(("mrpc", "qqp"), ("f1", 2))
    assert list(found) == list(GLUE)


@NEEDS_DATA
@pytest.mark.parametrize(
    ("name", "label", "train", "dev"),
    [
        ("rte", 0, (2490, 1249), (277, 146)),
        ("mrpc", 1, (3668, 2474), (408, 279)),
        ("cola", 1, (8551, 6023), (1043, 721)),
        ("qnli", 0, (9833, 4920), (5463, 2702)),
    ],
)
def test_real_counts(name: str, label: int, train: tuple, dev: tuple) -> None:
    data = read_glue_folder(name, DATA / "glue")
    for split, (size, count) in ((data.train, train), (data.dev, dev)):
        assert len(split) == len(split.labels) == size
        assert np.sum(split.labels == label) == count


def test_bytes_that_trip_other_readers(tmp_path: Path) -> None:
    rows = ['1|" He said|a\u2028b\x85c\x0cd|entailment', '2|"|caf\u00e9 "|not_entailment']
    write_task(tmp_path, "rte", train="\ufeff" + rte(*rows).replace("\n", "\r\n"))
    train = read_glue_folder("rte", tmp_path).train
    assert (train.first, train.labels.tolist()) == (['" He said', '"'], [0, 1])
    assert train.second == ["a\u2028b\x85c\x0cd", 'caf\u00e9 "']


def test_qqp_drops_broken_rows_and_keeps_empty_questions(tmp_path: Path) -> None:
    broken = "9\t8\t7\tHow can I\n?\tWhy\t0\n4\t5\t6\tHow?\t\t1\n"
    folder = write_task(tmp_path, "qqp", train=table("qqp") + broken)
    data = read_glue_folder("qqp", tmp_path)
    assert data.train.second == ["Nobody", "Nobody", ""]
    says = f"Left out of {folder / 'train.tsv'}: 2 of 6 lines, for not having 6 columns."
    assert data.notes == (says,)


def test_missing_files_and_unknown_task(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"MNLI/train\.tsv does not .* MNLI/dev_matched\.tsv"):
        read_glue_folder("mnli", tmp_path)
    (write_task(tmp_path, "rte") / "dev.tsv").unlink()
    with pytest.raises(UserError, match=r"RTE/dev\.tsv does not exist"):
        read_glue_folder("rte", tmp_path)
    with pytest.raises(UserError, match="'snli' is not a GLUE task: choose one of rte, mrpc"):
        read_glue_folder("snli", tmp_path)


def fake_hub(monkeypatch: pytest.MonkeyPatch, name: str, labels: list) -> None:
    import datasets

    task = GLUE_TASKS[name]
    names = task.label_names
    label = datasets.ClassLabel(names=list(names)) if names else datasets.Value("float32")
    columns = {c: [f"{c} {i}" for i in range(len(labels))] for c in task.text_columns}
    split = datasets.Dataset.from_dict(columns | {"idx": labels, "label": labels})
    split = split.cast_column("label", label)
    hidden = split.map(lambda row: {"label": -1}) if names else split
    if name == "mnli":
        ends = ("_matched", "_mismatched")
        parts = {f"{part}{end}": split for part in ("validation", "test") for end in ends}
    else:
        parts = {"validation": split, "test": hidden}
    splits = {
        ("nyu-mll/glue", name): datasets.DatasetDict({"train": split, **parts}),
        ("nyu-mll/glue", "ax"): datasets.DatasetDict({"test": hidden}),
    }
    monkeypatch.setattr(datasets, "load_dataset", lambda *given: splits[given])


@pytest.mark.parametrize("name", GLUE)
def test_hub(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    classes = LAYOUTS[name][-1]
    fake_hub(monkeypatch, name, classes)
    data = read_glue_hub(name, with_test=True)
    assert {of: part.labelled for of, part in data.further.items()} == (
        {"mismatched": True, "test": False, "test_mismatched": False, "diagnostic": False}
        if name == "mnli"
        else {"test": False}
    )
    assert data.further["test"].examples.first == data.dev.first
    assert list(read_glue_hub(name).further) == (["mismatched"] if name == "mnli" else [])
    assert data.files == ()
    for split in (data.train, data.dev):
        columns = [split.first] if split.second is None else [split.first, split.second]
        assert columns == [[f"{c} {i}" for i in range(len(split))] for c in data.task.text_columns]
        np.testing.assert_array_equal(split.labels, np.array(classes, split.labels.dtype))


def test_hub_hidden_label(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, "rte", [0, -1])
    with pytest.raises(UserError, match=r"glue rte train, row 2 has the label '-1' .*test split"):
        read_glue_hub("rte")


def test_hub_offline(tmp_path: Path) -> None:
    code = "from jaxtune.data.glue import read_glue_hub as r\ntry: r('mnli')\n"
    code += "except ValueError as e: print(type(e).__name__, e)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert re.match(
        r"UserError cannot load nyu-mll/glue mnli .*Offline.* DIR/MNLI/train\.tsv and "
        r"DIR/MNLI/dev_matched\.tsv, and pass --data_dir DIR\n$",
        run.stdout,
    )


CSV = 'a,b,y\n"one, ""two""\nlines",x,pos\n\nother,z,neg\n'


def custom(
    root: Path, suffix: str, train: str, dev: str = "", text: str = "a b", regression: bool = False
) -> Dataset:
    files = root / f"train{suffix}", root / f"dev{suffix}"
    for file, content in zip(files, (train, dev or train), strict=True):
        file.write_text(content, encoding="utf-8", newline="")
    return read_custom(*files, text.split(), "y", regression)


def test_custom_csv_with_quoting(tmp_path: Path) -> None:
    data = custom(tmp_path, ".csv", "\ufeff" + CSV)
    assert data.train.first == ['one, "two"\nlines', "other"]
    assert data.train.second == ["x", "z"]
    assert data.train.labels.tolist() == [1, 0]
    assert data.task.label_names == ("neg", "pos")
    assert data.task.metrics == ("accuracy", "f1", "matthews")
    assert data.files == (tmp_path / "train.csv", tmp_path / "dev.csv")


def test_custom_tsv_with_one_text_column(tmp_path: Path) -> None:
    data = custom(tmp_path, ".TSV", "y\ta\r\n10\tone\r\n9\ttwo\r\n9\tthree", text="a")
    assert (data.train.first, data.train.second) == (["one", "two", "three"], None)
    assert data.task.label_names == ("9", "10")
    assert data.train.labels.tolist() == [1, 0, 0]


def test_custom_jsonl(tmp_path: Path) -> None:
    rows = [{"a": f"t\u2028{i}", "y": y, "meta": [i]} for i, y in enumerate([2, 0, True])]
    text = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    data = custom(tmp_path, ".jsonl", text, text="a")
    assert data.train.first == ["t\u20280", "t\u20281", "t\u20282"]
    assert data.task.label_names == ("0", "2", "true")
    assert data.task.metrics == ("accuracy",)
    assert data.train.labels.tolist() == [1, 0, 2]


def test_custom_regression(tmp_path: Path) -> None:
    data = custom(tmp_path, ".csv", "a,y\nt,1.5\nu,-2\n", text="a", regression=True)
    assert data.train.labels.dtype == np.float32
    assert data.train.labels.tolist() == [1.5, -2]
    assert (data.task.num_labels, data.task.metrics) == (1, ("pearson", "spearman"))


BARE = """text\tlabel
"the red cat\tneg
a dog sat\tpos
it rained on the train"\tneg
we ran\tpos
they sang\tneg
"""


def read_own(file: Path, content: str, *classes: str, dialect: Dialect = BY_SUFFIX) -> Dataset:
    file.write_text(content, encoding="utf-8")
    return read_custom(file, file, ["text"], "label", False, classes, dialect)


def test_bare_quotes_in_tsv_are_text(tmp_path: Path) -> None:
    train = read_own(tmp_path / "a.tsv", BARE).train
    assert train.first == [line.split("\t")[0] for line in BARE.splitlines()[1:]]
    assert train.labels.tolist() == [0, 1, 0, 1, 0]
    quoted = read_own(tmp_path / "a.tsv", BARE, dialect=Dialect(quoting=True)).train
    assert len(quoted) == 3


def test_quotes_of_a_csv_that_swallow_rows(tmp_path: Path) -> None:
    """Refused, unless it is said what they are."""
    content = BARE.replace("\t", ",")
    with pytest.raises(UserError, match=r"line 2 opens a quote that closes in line 4, and the"):
        read_own(tmp_path / "a.csv", content)
    text = read_own(tmp_path / "a.csv", content, dialect=Dialect(quoting=False)).train
    assert (len(text), text.first[0]) == (5, '"the red cat')
    held = read_own(tmp_path / "a.csv", content, dialect=Dialect(quoting=True)).train
    assert (len(held), held.first[0].count("\n")) == (3, 2)


def test_texts_of_several_lines_are_no_swallowed_rows(tmp_path: Path) -> None:
    """Lines with as many commas as columns, and numbers where the label would be."""
    texts = ["Hello, friend\nbye", "I paid,\nabout, 20\nfine", "a\n\nb, pos or neg\n", "c"]
    for labels in (["pos", "neg", "pos", "neg"], ["1", "0", "1", "0"]):
        rows = "".join(f'"{t}",{y}\n' for t, y in zip(texts, labels, strict=True))
        assert read_own(tmp_path / "a.csv", f"text,label\n{rows}").train.first == texts


def test_swallowed_scores(tmp_path: Path) -> None:
    rows = [f"text {n},{n / 7:.2f}" for n in range(40)]
    rows[10], rows[12] = '"' + rows[10], rows[12].replace(",", '",')
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]))
    with pytest.raises(UserError, match="line 12 opens a quote that closes in line 14"):
        read_custom(tmp_path / "a.csv", tmp_path / "a.csv", ["text"], "label", True)


@pytest.mark.parametrize("given", ["\t", "tab", "\\t", ";", "|"])
def test_delimiter(tmp_path: Path, given: str) -> None:
    mark = given if len(given) == 1 else "\t"
    content = BARE.replace('"', "").replace("\t", mark)
    train = read_own(tmp_path / "a.csv", content, dialect=Dialect(given)).train
    assert train.first[0] == "the red cat"


@NEEDS_DATA
@pytest.mark.parametrize("name", ["mrpc", "rte", "qnli"])
def test_glue_files_as_ones_own(name: str) -> None:
    """The same texts, quotes and all, and the same labels."""
    task = GLUE_TASKS[name]
    files = [DATA / "glue" / task.folder / f"{split}.tsv" for split in ("train", "dev")]
    own = read_custom(*files, task.layout.text, task.layout.label, False)
    glue = read_glue_folder(name, DATA / "glue")
    assert own.task.label_names == task.layout.labels
    for one, other in ((own.train, glue.train), (own.dev, glue.dev)):
        assert (one.first, one.second) == (other.first, other.second)
        np.testing.assert_array_equal(one.labels, other.labels)


@NEEDS_DATA
def test_cola_with_a_header(tmp_path: Path) -> None:
    """Read to the same examples, in whatever order its names stand, and said."""
    rows = (DATA / "glue" / "CoLA" / "dev.tsv").read_text(encoding="utf-8").splitlines()
    turned = ["\t".join(reversed(row.split("\t"))) for row in rows]
    folder = write_task(
        tmp_path,
        "cola",
        "\n".join([tabbed("source|label|mark|sentence"), *rows]),
        "\n".join([tabbed("sentence|mark|label|source"), *turned]),
    )
    data, plain = read_glue_folder("cola", tmp_path), read_glue_folder("cola", DATA / "glue").dev
    for split in (data.train, data.dev):
        assert split.first == plain.first
        np.testing.assert_array_equal(split.labels, plain.labels)
    says = "begins with a header line, which GLUE's file does not have: it was read."
    assert data.notes == tuple(f"{folder / file} {says}" for file in ("train.tsv", "dev.tsv"))


def test_labels_are_stripped_and_classes_may_be_named(tmp_path: Path) -> None:
    rows = ["pos", "neg ", "\tpos", "neg"]
    content = "text,label\n" + "".join(f"a{n},{label}\n" for n, label in enumerate(rows))
    found = read_own(tmp_path / "a.csv", content)
    assert (found.task.label_names, found.train.labels.tolist()) == (("neg", "pos"), [1, 0, 1, 0])
    named = read_own(tmp_path / "a.csv", content, "pos", "neg", "none")
    assert named.task.label_names == ("pos", "neg", "none")
    assert named.train.labels.tolist() == [0, 1, 0, 1]
    apart = read_own(tmp_path / "a.csv", content + "a,Pos\nb,nan\n", "pos", "Pos", "neg", "nan")
    assert apart.train.labels.tolist() == [0, 2, 0, 2, 1, 3]
    with pytest.raises(UserError, match="line 2 has the label 'pos': use one of 'neg', 'no'"):
        read_own(tmp_path / "a.csv", content, "neg", "no")


def test_custom_misuse(tmp_path: Path) -> None:
    for suffix in (".txt", ".conll"):
        with pytest.raises(UserError) as refused:
            custom(tmp_path, suffix, CSV)
        assert str(refused.value) == (
            f"{tmp_path / 'train'}{suffix} has an unknown suffix: give a .csv, .tsv, .jsonl, .json"
            " or .parquet file, or a folder that datasets has saved, or say --token_classification"
            " true, if every word has a tag"
        )
    with pytest.raises(UserError, match=r"train\.xml .* a folder that datasets has saved$"):
        custom(tmp_path, ".xml", CSV)
    with pytest.raises(UserError, match="text_columns names 3 columns: name one or two"):
        custom(tmp_path, ".csv", CSV, text="a b y")
    with pytest.raises(UserError, match=r"cannot read .*gone\.csv \(No such file"):
        read_custom(tmp_path / "gone.csv", tmp_path / "gone.csv", ("a",), "y", False)
