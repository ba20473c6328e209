"""GLUE as the hub's Parquet, with test splits and MNLI's other dev set; SuperGLUE's JSON lines."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_folder import DATA, NEEDS_DATA
from test_glue import LAYOUTS, tabbed, table, write_task

from jaxtune.config.settings import GLUE
from jaxtune.core.errors import UserError
from jaxtune.data.glue import GLUE_TASKS, read_glue_folder, read_glue_further

# task: file, header of the test split
TESTS = {
    "rte": ("test.tsv", "index|sentence1|sentence2"),
    "mrpc": ("test.tsv", "index|#1 ID|#2 ID|#1 String|#2 String"),
    "cola": ("test.tsv", "index|sentence"),
    "qnli": ("test.tsv", "index|question|sentence"),
    "sst2": ("test.tsv", "index|sentence"),
    "stsb": ("test.tsv", "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2"),
    "wnli": ("test.tsv", "index|sentence1|sentence2"),
    "mnli": ("test_matched.tsv", "index|promptID|pairID|genre|a|b|c|d|sentence1|sentence2"),
    "qqp": ("test.tsv", "id|question1|question2"),
}


def write_test(folder: Path, name: str, number: int = 3) -> None:
    file, header = TESTS[name]
    width = header.count("|") + 1
    texts = 1 if "sentence2" not in header and "tion" not in header and "#" not in header else 2
    rows = [
        "|".join([str(i), *"m" * (width - 1 - texts), *[f"A man {i}", "Nobody"][:texts]])
        for i in range(number)
    ]
    (folder / file).write_text(tabbed(header, *rows) + "\n")


@pytest.mark.parametrize("name", GLUE)
def test_test_splits(tmp_path: Path, name: str) -> None:
    folder = write_task(tmp_path, name)
    write_test(folder, name)
    if name == "mnli":
        (folder / "test_mismatched.tsv").write_bytes((folder / "test_matched.tsv").read_bytes())
    found = read_glue_folder(name, tmp_path, with_test=True).further
    assert list(found) == (["test", "test_mismatched"] if name == "mnli" else ["test"])
    for asked in found.values():
        assert asked.ids == ("0", "1", "2")
        assert not asked.labelled
        assert asked.examples.first == ["A man 0", "A man 1", "A man 2"]
        single = name in ("cola", "sst2")
        assert asked.examples.second == (None if single else ["Nobody"] * 3)
    assert read_glue_folder(name, tmp_path).further == {}


def test_missing_and_broken_test_splits(tmp_path: Path) -> None:
    folder = write_task(tmp_path, "qqp")
    with pytest.raises(UserError, match=r"QQP/test\.tsv does not exist: put the test split there"):
        read_glue_folder("qqp", tmp_path, with_test=True)
    (folder / "test.tsv").write_text(tabbed(TESTS["qqp"][1], "0|How?|", "1|How can I", "2|a|b"))
    # Of the training file a broken row is left out: here it would shift every later answer.
    with pytest.raises(UserError, match=r"test\.tsv, line 3 has 2 fields instead of 3"):
        read_glue_folder("qqp", tmp_path, with_test=True)


def test_mnli_and_its_other_sets(tmp_path: Path) -> None:
    folder = write_task(tmp_path, "mnli")
    write_test(folder, "mnli")
    (folder / "test_mismatched.tsv").write_bytes((folder / "test_matched.tsv").read_bytes())
    (folder / "dev_mismatched.tsv").write_text(table("mnli").replace("A man", "A woman"))
    (tmp_path / "diagnostic").mkdir()
    (tmp_path / "diagnostic" / "diagnostic.tsv").write_text(
        tabbed("index|sentence1|sentence2", "0|A cat|B", "1|A dog|C") + "\n"
    )
    found = read_glue_folder("mnli", tmp_path, with_test=True).further
    assert list(found) == ["mismatched", "test", "test_mismatched", "diagnostic"]
    assert found["mismatched"].labelled
    assert found["mismatched"].examples.labels.tolist() == LAYOUTS["mnli"][-1]
    assert set(found["mismatched"].examples.first) == {"A woman"}
    assert found["diagnostic"].examples.first == ["A cat", "A dog"]
    assert list(read_glue_folder("mnli", tmp_path).further) == ["mismatched"]


def write_parquet(folder: Path, name: str, split: str, labels: list, parts: int = 1) -> None:
    """As the hub names and writes it: numbers for classes."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = GLUE_TASKS[name].text_columns
    cut = [labels[i::parts] for i in range(parts)]
    for part, own in enumerate(cut):
        kind = pa.float32() if name == "stsb" else pa.int64()
        texts = {column: [f"{column} of {part}"] * len(own) for column in columns}
        ids = [part + parts * i for i in range(len(own))]
        content = pa.table(texts | {"label": pa.array(own, kind), "idx": pa.array(ids, pa.int32())})
        pq.write_table(content, folder / f"{split}-{part:05d}-of-{parts:05d}.parquet")


@pytest.mark.parametrize("name", GLUE)
def test_parquet(tmp_path: Path, name: str) -> None:
    classes = LAYOUTS[name][-1]
    ends = ("_matched", "_mismatched") if name == "mnli" else ("",)
    for end in ends:
        write_parquet(tmp_path / name, name, f"validation{end}", classes)
        write_parquet(tmp_path / name, name, f"test{end}", [-1] * 4)
    write_parquet(tmp_path / name, name, "train", classes * 2, parts=2)
    write_parquet(tmp_path / "ax", "mnli", "test", [-1, -1])
    data = read_glue_folder(name, tmp_path, with_test=True)
    assert data.files == read_glue_folder(name, tmp_path / name, with_test=True).files
    wanted = (classes * 2)[::2] + (classes * 2)[1::2]
    np.testing.assert_array_equal(data.train.labels, np.array(wanted, data.train.labels.dtype))
    np.testing.assert_array_equal(data.dev.labels, np.array(classes, data.dev.labels.dtype))
    assert len(data.further["test"].examples) == 4
    others = ["mismatched", "test", "test_mismatched", "diagnostic"]
    assert list(data.further) == (others if name == "mnli" else ["test"])


def test_parts_of_parquet_that_are_missing(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rte", "rte", "train", [0, 1] * 3, parts=3)
    (tmp_path / "rte" / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(UserError, match=r"holds 2 parts of train .* which are not all of one file"):
        read_glue_folder("rte", tmp_path)
    write_parquet(tmp_path / "rte", "rte", "train", [0, 1] * 3, parts=3)
    with pytest.raises(UserError, match=r"rte/validation-00000-of-00001\.parquet does not exist"):
        read_glue_folder("rte", tmp_path)


JSONL = {
    "boolq": ("BoolQ", {"question": "is it", "passage": "It is."}, [True, False], [1, 0]),
    "cb": (
        *("CB", {"premise": "A man", "hypothesis": "Nobody"}),
        *(["contradiction", "entailment", "neutral"], [1, 0, 2]),
    ),
    "rte": (
        *("RTE", {"premise": "A man", "hypothesis": "Nobody"}),
        *(["not_entailment", "entailment"], [1, 0]),
    ),
    "wic": (
        *("WiC", {"word": "place", "sentence1": "A place.", "sentence2": "They place it."}),
        *([False, True], [0, 1]),
    ),
}


@pytest.mark.parametrize("name", JSONL)
def test_superglue(tmp_path: Path, name: str) -> None:
    folder_name, texts, labels, numbers = JSONL[name]
    folder = tmp_path / folder_name
    folder.mkdir()
    rows = [texts | {"label": label, "idx": i} for i, label in enumerate(labels)]
    for split in ("train", "val"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    hidden = [{k: v for k, v in row.items() if k != "label"} for row in rows]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in hidden))
    data = read_glue_folder(name, tmp_path, with_test=True)
    assert read_glue_folder(name, folder).files == data.files[:2]
    first = "place: A place." if name == "wic" else next(iter(texts.values()))
    for split in (data.train, data.dev, data.further["test"].examples):
        assert split.first == [first] * len(labels)
        assert split.second == [list(texts.values())[-1]] * len(labels)
    assert data.train.labels.tolist() == data.dev.labels.tolist() == numbers
    assert data.further["test"].ids == tuple(str(i) for i in range(len(labels)))


@NEEDS_DATA
def test_colas_domains() -> None:
    """As many sentences of publications that it is trained on, and of others, as were published."""
    data = read_glue_folder("cola", DATA / "glue")
    assert {name: len(at) for name, at in data.dev_parts.items()} == {
        "in_domain": 527,
        "out_of_domain": 516,
    }
    assert sorted(np.concatenate(list(data.dev_parts.values()))) == list(range(1043))


@NEEDS_DATA
@pytest.mark.parametrize("name", ["cola", "mrpc"])
def test_a_dev_split_as_texts_to_answer(name: str) -> None:
    task = GLUE_TASKS[name]
    dev = read_glue_folder(name, DATA / "glue").dev
    asked = read_glue_further(DATA / "glue" / task.folder / "dev.tsv", task)
    assert (asked.examples.first, asked.examples.second) == (dev.first, dev.second)
