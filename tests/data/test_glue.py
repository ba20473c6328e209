"""Readers of the nine GLUE tasks and of custom files: real layouts, real counts. Bad files are in
test_bad_input.py.
"""

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
from jaxtune.data.custom import read_custom
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
