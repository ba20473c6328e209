"""The same rows, whatever a file is written as: CSV, JSON lines, lists of objects, Parquet, and
what datasets saves to disk.
"""

import json
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest

from jaxtune.core.errors import UserError
from jaxtune.data.custom import read_custom
from jaxtune.data.rows import Wanted
from jaxtune.data.tables import read_table

TEXTS = ["a dog", 'says "hi", twice', "caf\u00e9\u2028 \U0001f436"]
LABELS = [10, 9, 10]
FORMS = (
    *("rows.csv", "rows.jsonl", "one.jsonl", "list.json", "data.json", "rows.parquet"),
    *("saved", "dictionary.parquet"),
)


def write(folder: Path, name: str, rows: list[dict]) -> Path:
    file = folder / name
    frame = pd.DataFrame(rows)
    if name == "rows.csv":
        frame.to_csv(file, index=False)
    elif name.endswith(".jsonl"):
        file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    elif name == "list.json":
        file.write_text(json.dumps(rows, indent=2))
    elif name == "data.json":
        file.write_text(json.dumps({"version": "1", "data": rows}, indent=1))
    elif name == "dictionary.parquet":
        frame.astype({"text": "category"}).to_parquet(file)
    elif name == "rows.parquet":
        frame.to_parquet(file)
    else:
        datasets.Dataset.from_list(rows).save_to_disk(file)
    return file


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same(tmp_path: Path, name: str) -> None:
    pairs = zip(TEXTS, LABELS, strict=True)
    rows = [{"id": i, "text": text, "label": label} for i, (text, label) in enumerate(pairs)]
    file = write(tmp_path, name, rows)
    data = read_custom(file, file, ["text"], "label", False, further_files={"test": file})
    assert data.train.first == data.dev.first == TEXTS
    assert data.task.label_names == ("9", "10")
    assert data.train.labels.tolist() == [1, 0, 1]
    assert data.further["test"].ids == ("0", "1", "2")
    assert data.further["test"].labelled
    bare = write(tmp_path, f"bare_{name}" if name != "saved" else "bare", rows)
    assert len(read_table(bare, Wanted(("text",)))) == 3


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "data.json", "rows.parquet", "saved"])
def test_names_need_not_be_stripped(tmp_path: Path, name: str) -> None:
    rows = [{" text\u200b": t, "label ": y} for t, y in zip(TEXTS, LABELS, strict=True)]
    file = write(tmp_path, name, rows)
    for columns in (["text"], [" text"]):
        data = read_custom(file, file, columns, "label", False)
        assert data.train.first == TEXTS
    twice = write(tmp_path, f"more_{name}", [row | {"text": "other"} for row in rows])
    if name != "saved":
        with pytest.raises(UserError, match="has several columns 'text': rename all but one"):
            read_custom(twice, twice, ["text"], "label", False)


def test_values_as_json_writes_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "label": np.array([0.5, 5.0], np.float32)})
    frame.to_parquet(tmp_path / "a.parquet")
    data = read_custom(*[tmp_path / "a.parquet"] * 2, ["text"], "label", True)
    assert data.train.labels.tolist() == [0.5, 5.0]
    pd.DataFrame({"text": ["a", "b"], "label": [True, False]}).to_parquet(tmp_path / "b.parquet")
    data = read_custom(*[tmp_path / "b.parquet"] * 2, ["text"], "label", False)
    assert data.task.label_names == ("false", "true")


@pytest.mark.parametrize("as_parquet", [False, True])
def test_classes_that_datasets_has_named(tmp_path: Path, as_parquet: bool) -> None:
    """By their names, as datasets shows them."""
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    saved = datasets.Dataset.from_dict({"text": TEXTS, "label": [1, 0, 1]}, features=features)
    file = tmp_path / ("a.parquet" if as_parquet else "a")
    if as_parquet:
        saved.to_parquet(file)
    else:
        saved.save_to_disk(file, num_shards=2)
    data = read_custom(file, file, ["text"], "label", False)
    assert data.task.label_names == ("neg", "pos")
    assert data.train.labels.tolist() == [1, 0, 1]
    assert data.train.first == TEXTS


def test_a_part_of_a_saved_dataset(tmp_path: Path) -> None:
    """What was selected, in the order given."""
    rows = {"text": ["a", "b", "c"], "label": ["x", "y", "x"]}
    datasets.Dataset.from_dict(rows).select([2, 1]).save_to_disk(tmp_path / "a")
    data = read_custom(tmp_path / "a", tmp_path / "a", ["text"], "label", False)
    assert data.train.first == ["c", "b"]


def test_folders_that_are_no_saved_dataset(tmp_path: Path) -> None:
    one = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]})
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(tmp_path / "both")
    says = r"both holds several splits \('test', 'train'\): give the folder of one, such as .*test"
    with pytest.raises(UserError, match=says):
        read_table(tmp_path / "both", Wanted(("text",)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty is no folder that datasets has saved \(state\.js"):
        read_table(tmp_path / "empty", Wanted(("text",)))
    one.save_to_disk(tmp_path / "cut")
    (file,) = (tmp_path / "cut").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(UserError, match="cut is no readable saved dataset"):
        read_table(tmp_path / "cut", Wanted(("text",)))
    state = tmp_path / "cut" / "state.json"
    state.write_text(json.dumps({"_data_files": [{"filename": "../both/test/data.arrow"}]}))
    with pytest.raises(UserError, match=r"state\.json does not name files of"):
        read_table(tmp_path / "cut", Wanted(("text",)))
