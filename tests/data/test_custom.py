"""Files of one's own: separators, quotes, columns, labels."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxtune.core.errors import UserError
from jaxtune.data.csv_rows import BY_SUFFIX, Dialect
from jaxtune.data.custom import read_custom
from jaxtune.data.examples import Dataset

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
    with pytest.raises(UserError, match=r"cannot read .*gone\.csv \(No such file"):
        read_custom(tmp_path / "gone.csv", tmp_path / "gone.csv", ("a",), "y", False)
