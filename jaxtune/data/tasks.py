"""The GLUE tasks, and readers for classic GLUE folders, the hub, and custom CSV or JSONL files."""

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.errors import UserError

Row = tuple[int, dict[str, str]]  # 1-based line number, column name -> text


@dataclass(frozen=True)
class Layout:
    """How a source writes examples; `labels` in class order, None for regression."""

    text: tuple[str, ...]  # columns
    label: str  # column
    labels: tuple[str, ...] | None
    header: tuple[str, ...] | None = None  # where the file has none
    # QQP as published: rows broken by newlines are dropped, two empty questions kept, as others do.
    has_known_flaws: bool = False


@dataclass(frozen=True)
class Task:
    """One task: its classes in GLUE's order, its metrics, and how hub and files spell it."""

    name: str
    text_columns: tuple[str, ...]  # on the hub
    label_names: tuple[str, ...] | None  # None: regression
    metrics: tuple[str, ...]  # primary first
    layout: Layout  # of the files
    folder: str = ""  # of the classic files; empty for a custom task
    dev_suffix: str = ""

    @property
    def num_labels(self) -> int:
        """Columns of the logits: the number of classes, 1 for regression."""
        return 1 if self.label_names is None else len(self.label_names)

    @property
    def primary_metric(self) -> str:
        """The metric that `final`, `best` and `trivial` are in."""
        return self.metrics[0]


@dataclass(frozen=True)
class Examples:
    """One split in file order; `labels` int32 `[example]`, float32 for regression."""

    first: list[str]
    second: list[str] | None
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Dataset:
    """Both splits of a task and the files they came from (none for the hub)."""

    task: Task
    train: Examples
    dev: Examples
    files: tuple[Path, ...]


_ONE = ("sentence",)
_PAIR = ("sentence1", "sentence2")
_QNLI = ("question", "sentence")
_QQP = ("question1", "question2")
_ENTAILMENT = ("entailment", "not_entailment")
_MNLI = ("entailment", "neutral", "contradiction")
_01 = ("0", "1")
_MRPC_FILE = Layout(("#1 String", "#2 String"), "Quality", _01)
_COLA_FILE = Layout(_ONE, "label", _01, header=("source", "label", "mark", "sentence"))
_MNLI_FILE = Layout(_PAIR, "gold_label", _MNLI)
_QQP_FILE = Layout(_QQP, "is_duplicate", _01, has_known_flaws=True)
_ACC = ("accuracy",)
_F1 = ("f1", "accuracy")
_MCC = ("matthews", "accuracy")
_CORRELATION = ("pearson", "spearman")

GLUE_TASKS: dict[str, Task] = {
    "rte": Task("rte", _PAIR, _ENTAILMENT, _ACC, Layout(_PAIR, "label", _ENTAILMENT), "RTE"),
    "mrpc": Task("mrpc", _PAIR, ("not_equivalent", "equivalent"), _F1, _MRPC_FILE, "MRPC"),
    "cola": Task("cola", _ONE, ("unacceptable", "acceptable"), _MCC, _COLA_FILE, "CoLA"),
    "qnli": Task("qnli", _QNLI, _ENTAILMENT, _ACC, Layout(_QNLI, "label", _ENTAILMENT), "QNLI"),
    "sst2": Task("sst2", _ONE, ("negative", "positive"), _ACC, Layout(_ONE, "label", _01), "SST-2"),
    "stsb": Task("stsb", _PAIR, None, _CORRELATION, Layout(_PAIR, "score", None), "STS-B"),
    "wnli": Task("wnli", _PAIR, _ENTAILMENT[::-1], _ACC, Layout(_PAIR, "label", _01), "WNLI"),
    "mnli": Task("mnli", ("premise", "hypothesis"), _MNLI, _ACC, _MNLI_FILE, "MNLI", "_matched"),
    "qqp": Task("qqp", _QQP, ("not_duplicate", "duplicate"), _F1, _QQP_FILE, "QQP"),
}


def read_glue_folder(name: str, data_dir: Path) -> Dataset:
    """Read a task from classic GLUE folders; `data_dir` holds them or is the task's own."""
    task = _glue_task(name)
    folder = Path(data_dir) / task.folder
    if not folder.is_dir() and (Path(data_dir) / "train.tsv").is_file():
        folder = Path(data_dir)
    files = folder / "train.tsv", folder / f"dev{task.dev_suffix}.tsv"
    for file in files:
        if not file.is_file():
            raise UserError(
                f"{file} does not exist: pass as data_dir the folder that holds "
                f"{task.folder}/{files[0].name} and {task.folder}/{files[1].name}"
            )
    train, dev = (
        _examples(str(file), _table(file, _tsv_lines(file), task.layout), task.layout)
        for file in files
    )
    return Dataset(task, train, dev, files)


def read_glue_hub(name: str) -> Dataset:
    """Read a task from `nyu-mll/glue` on the Hugging Face hub or its local cache."""
    import datasets

    task = _glue_task(name)
    try:
        splits = datasets.load_dataset("nyu-mll/glue", name)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(
            f"cannot load nyu-mll/glue {name} from the hub ({reason}): download {task.folder} from "
            f"https://gluebenchmark.com/tasks, put its files at DIR/{task.folder}/train.tsv and "
            f"DIR/{task.folder}/dev{task.dev_suffix}.tsv, and pass --data_dir DIR"
        ) from error
    labels = task.label_names and tuple(map(str, range(task.num_labels)))
    layout = replace(task.layout, text=task.text_columns, label="label", labels=labels)
    train, dev = (
        _examples(f"nyu-mll/glue {name} {split}", _hub_rows(splits[split], layout), layout)
        for split in ("train", f"validation{task.dev_suffix}")
    )
    return Dataset(task, train, dev, ())


def read_custom(
    train_file: Path,
    dev_file: Path,
    text_columns: Sequence[str],
    label_column: str,
    regression: bool,
) -> Dataset:
    """Read quoted CSV or TSV, or JSONL, by suffix; classes are the sorted distinct train labels."""
    if len(text_columns) not in (1, 2):
        raise UserError(f"text_columns names {len(text_columns)} columns: name one or two")
    files = Path(train_file), Path(dev_file)
    layout = Layout(tuple(text_columns), label_column, None)
    rows = [list(_custom_rows(file, layout)) for file in files]
    metrics = _CORRELATION
    if not regression:
        names = tuple(sorted({row[label_column] for _, row in rows[0]} - {""}))
        layout = replace(layout, labels=names)
        metrics = ("accuracy", "f1", "matthews") if len(names) == 2 else _ACC
    task = Task("custom", layout.text, layout.labels, metrics, layout)
    train, dev = (_examples(str(f), r, layout) for f, r in zip(files, rows, strict=True))
    return Dataset(task, train, dev, files)


def _glue_task(name: str) -> Task:
    if name not in GLUE_TASKS:
        raise UserError(f"{name!r} is not a GLUE task: choose one of {', '.join(GLUE_TASKS)}")
    return GLUE_TASKS[name]


def _examples(source: str, rows: Iterable[Row], layout: Layout) -> Examples:
    texts, labels = [], []
    for line, row in rows:
        where = f"{source}, line {line}"
        texts.append([row[name] for name in layout.text])
        labels.append(_label(where, row[layout.label], layout.labels))
        if not (layout.has_known_flaws or all(text.strip() for text in texts[-1])):
            raise UserError(f"{where} has an empty sentence: fill it in or remove the row")
    if len(set(labels)) < 2:
        found = f"a single label in its {len(labels)} examples" if labels else "no examples"
        raise UserError(f"{source} has {found}: give a split with at least two distinct labels")
    second = [text[1] for text in texts] if len(layout.text) == 2 else None
    dtype = np.float32 if layout.labels is None else np.int32
    return Examples([text[0] for text in texts], second, np.array(labels, dtype))


def _label(where: str, text: str, names: tuple[str, ...] | None) -> int | float:
    if names is None:
        return _score(where, text)
    if text in names:
        return names.index(text)
    hint = " (-1 stands for the hidden labels of GLUE's test split)" if text == "-1" else ""
    raise UserError(f"{where} has the label {text!r}{hint}: use one of {', '.join(names)}")


def _score(where: str, text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = float("nan")
    if not abs(score) <= float(np.finfo(np.float32).max):
        raise UserError(f"{where} has the score {text!r}: write a finite float32 number")
    return score


def _hub_rows(split: Any, layout: Layout) -> Iterator[Row]:
    table = split.select_columns([*layout.text, layout.label])[:]
    for line, values in enumerate(zip(*table.values(), strict=True), 1):
        yield line, dict(zip(table, map(str, values), strict=True))


def _custom_rows(path: Path, layout: Layout) -> Iterator[Row]:
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".json"):
        return _json_rows(path, layout)
    if suffix in (".csv", ".tsv"):
        return _table(path, _csv_lines(path, "," if suffix == ".csv" else "\t"), layout)
    raise UserError(f"{path} has an unknown suffix: give a .csv, .tsv, .jsonl or .json file")


def _table(path: Path, lines: Iterable[tuple[int, list[str]]], layout: Layout) -> Iterator[Row]:
    header = layout.header
    for line, fields in lines:
        if header is None:
            header = tuple(fields)
            for name in (*layout.text, layout.label):
                if name not in header:
                    has = ", ".join(header)
                    raise UserError(f"{path}, line {line} has no column {name!r}: it names {has}")
        elif len(fields) == len(header):
            yield line, dict(zip(header, fields, strict=True))
        elif not layout.has_known_flaws:
            raise UserError(
                f"{path}, line {line} has {len(fields)} fields instead of {len(header)}: "
                f"give one for each of {', '.join(header)}"
            )


def _tsv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    # Sentences may hold U+2028 and bare quotes: only "\n" ends a row, and nothing is quoted.
    lines = _read_text(path).removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        yield number, line.removesuffix("\r").split("\t")


def _csv_lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    # Strict, for otherwise a quote that is never closed swallows the rest of the file.
    text = io.StringIO(_read_text(path), newline="")
    reader, line = csv.reader(text, delimiter=delimiter, strict=True), 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line} is no CSV ({error}): fix its quotes") from error


def _json_rows(path: Path, layout: Layout) -> Iterator[Row]:
    for line, text in enumerate(_read_text(path).split("\n"), 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        where = f"{path}, line {line}"
        if not isinstance(record, dict):
            raise UserError(f"{where} is not a JSON object: write one object per line")
        for name in (*layout.text, layout.label):
            if not isinstance(record.get(name), str | int | float):
                has = ", ".join(record)
                raise UserError(f"{where} has no text or number in column {name!r}: it names {has}")
        yield line, {k: v if isinstance(v, str) else json.dumps(v) for k, v in record.items()}


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}): give a text file") from error
    if not data.strip():
        raise UserError(f"{path} is empty: give a file with examples")
    # Checked first: UTF-16 is full of them, and tokenizers drop them silently.
    nul = data.find(b"\0")
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        raise UserError(f"{path}, line {line} holds a NUL byte: save the file as UTF-8 text")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line} is not UTF-8: save the file as UTF-8 text") from error
