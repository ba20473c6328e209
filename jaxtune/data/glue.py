"""The GLUE tasks, and readers for classic GLUE folders, the hub, and custom CSV or JSONL files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.data.rows import Row, custom_rows, glue_rows


@dataclass(frozen=True)
class Layout:
    """How a source writes examples; `labels` in class order, None for regression."""

    text: tuple[str, ...]  # columns
    label: str  # column
    labels: tuple[str, ...] | None
    header: tuple[str, ...] | None = None  # where the file has none
    # QQP as published: rows broken by newlines are dropped, two empty questions kept, as others do.
    has_known_flaws: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (*self.text, self.label)


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
    layout = task.layout
    train, dev = (
        _examples(
            str(file),
            glue_rows(file, layout.columns, layout.header, layout.has_known_flaws),
            layout,
        )
        for file in files
    )
    return Dataset(task, train, dev, files)


def read_glue_hub(name: str) -> Dataset:
    """Read a task from `nyu-mll/glue` on the Hugging Face hub or its local cache."""
    import datasets

    task = _glue_task(name)
    try:
        splits = datasets.load_dataset("nyu-mll/glue", name)
    except Exception as error:  # connections break in many ways
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
    rows = [list(custom_rows(file, layout.columns)) for file in files]
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
    texts, labels, written = [], [], ""
    for line, row in rows:
        where, written = f"{source}, line {line}", row[layout.label]
        texts.append([row[name] for name in layout.text])
        labels.append(_label(where, written, layout.labels))
        if not (layout.has_known_flaws or all(text.strip() for text in texts[-1])):
            raise UserError(f"{where} has an empty sentence: fill it in or remove the row")
    # On a dev set of one class the best constant prediction is right everywhere: every trial would
    # count as failed.
    if len(set(labels)) < 2:
        single = f"a single label, {_quoted(written)}, in its {len(labels)} examples"
        found = single if labels else "no examples"
        raise UserError(f"{source} has {found}: give a split with at least two distinct labels")
    second = [text[1] for text in texts] if len(layout.text) == 2 else None
    dtype = np.float32 if layout.labels is None else np.int32
    return Examples([text[0] for text in texts], second, np.array(labels, dtype))


def _label(where: str, text: str, names: tuple[str, ...] | None) -> int | float:
    if names is None:
        return _score(where, text)
    if text in names:
        return names.index(text)
    raise UserError(f"{where} has the label {_quoted(text)}: use one of {', '.join(names)}")


def _quoted(label: str) -> str:
    hint = " (-1 stands for the hidden labels of GLUE's test split)" if label == "-1" else ""
    return repr(label) + hint


def _score(where: str, text: str) -> float:
    try:
        score = float("nan" if "_" in text else text)  # 1_5 is 15 to Python and a slip in a table
    except ValueError:
        score = float("nan")
    if not abs(score) <= float(np.finfo(np.float32).max):
        raise UserError(f"{where} has the score {text!r}: write a finite float32 number")
    return score


def _hub_rows(split: Any, layout: Layout) -> Iterator[Row]:
    table = split.select_columns(list(layout.columns))[:]
    for line, values in enumerate(zip(*table.values(), strict=True), 1):
        yield line, dict(zip(table, map(str, values), strict=True))
