"""The GLUE tasks, and some of SuperGLUE's, read from folders or from the hub."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.words import on_one_line
from jaxtune.data.column_rows import parquet_rows
from jaxtune.data.csv_rows import is_doubled, quotes_in_doubt
from jaxtune.data.examples import (
    ACCURACY,
    CORRELATION,
    Dataset,
    FurtherSet,
    Layout,
    Task,
    examples_of,
    further_set,
)
from jaxtune.data.glue_files import DIAGNOSTIC, TEST, TEST_MISMATCHED, find_files, split_names
from jaxtune.data.ids import ID_COLUMNS
from jaxtune.data.json_rows import json_rows
from jaxtune.data.rows import Row, Wanted, glue_rows

UNLABELLED = (TEST, TEST_MISMATCHED, DIAGNOSTIC)
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
_ACC = ACCURACY
_F1 = ("f1", "accuracy")
_MCC = ("matthews", "accuracy")

_PREMISE = ("premise", "hypothesis")
_CB = ("entailment", "contradiction", "neutral")
_TRUTH = ("false", "true")  # as JSON writes them
_RTE_JSONL = Layout(_PREMISE, "label", _ENTAILMENT)
_BOOLQ = Layout(("question", "passage"), "label", _TRUTH)
_CB_JSONL = Layout(_PREMISE, "label", _CB)
_WIC = Layout(_PAIR, "label", _TRUTH, word="word")


def _superglue(name: str, layout: Layout, metrics: tuple[str, ...], folder: str) -> Task:
    return Task(name, layout.text, layout.labels, metrics, layout, folder, jsonl=layout)


GLUE_TASKS: dict[str, Task] = {
    "rte": Task(
        *("rte", _PAIR, _ENTAILMENT, _ACC, Layout(_PAIR, "label", _ENTAILMENT), "RTE"),
        jsonl=_RTE_JSONL,
    ),
    "mrpc": Task("mrpc", _PAIR, ("not_equivalent", "equivalent"), _F1, _MRPC_FILE, "MRPC"),
    "cola": Task("cola", _ONE, ("unacceptable", "acceptable"), _MCC, _COLA_FILE, "CoLA"),
    "qnli": Task("qnli", _QNLI, _ENTAILMENT, _ACC, Layout(_QNLI, "label", _ENTAILMENT), "QNLI"),
    "sst2": Task("sst2", _ONE, ("negative", "positive"), _ACC, Layout(_ONE, "label", _01), "SST-2"),
    "stsb": Task("stsb", _PAIR, None, CORRELATION, Layout(_PAIR, "score", None), "STS-B"),
    "wnli": Task("wnli", _PAIR, _ENTAILMENT[::-1], _ACC, Layout(_PAIR, "label", _01), "WNLI"),
    "mnli": Task("mnli", _PREMISE, _MNLI, _ACC, _MNLI_FILE, "MNLI", "_matched"),
    "qqp": Task("qqp", _QQP, ("not_duplicate", "duplicate"), _F1, _QQP_FILE, "QQP"),
    "boolq": _superglue("boolq", _BOOLQ, _ACC, "BoolQ"),
    "cb": _superglue("cb", _CB_JSONL, ("accuracy", "macro_f1"), "CB"),
    "wic": _superglue("wic", _WIC, _ACC, "WiC"),
}


def read_glue_folder(name: str, data_dir: Path, with_test: bool = False) -> Dataset:
    """Read a task from folders in any form of `jaxtune.data.glue_files`.

    Args:
        data_dir: holds the task's folder, or is it.
        with_test: the test split too.
    """
    task, notes = _glue_task(name), []
    form, splits = find_files(task, data_dir, with_test)
    for split, files in splits.items():
        _check_there(task, split, files, splits)
    read = {
        split: (str(files[0]), _rows(task, form, files, split not in UNLABELLED, notes))
        for split, files in splits.items()
    }
    files = tuple(file for parts in splits.values() for file in parts)
    return _dataset(task, _layout(task, form), read, files, tuple(notes))


def _dataset(
    task: Task,
    layout: Layout,
    splits: Mapping[str, tuple[str, list[Row]]],
    files: tuple[Path, ...] = (),
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Examples from the sources and rows of splits."""
    train, dev = (examples_of(*splits[split], layout) for split in ("train", "dev"))
    further = {
        split: further_set(source, rows, layout, labelled=split not in UNLABELLED)
        for split, (source, rows) in splits.items()
        if split not in ("train", "dev")
    }
    parts = _domains(splits["train"][1], splits["dev"][1]) if task.name == "cola" else {}
    notes += tuple(note for each in further.values() for note in each.notes)
    return Dataset(task, train, dev, files, notes, further, parts)


def _check_there(
    task: Task, split: str, files: Sequence[Path], splits: Mapping[str, Sequence[Path]]
) -> None:
    """Raises UserError where a file of a split is not there."""
    if all(file.is_file() for file in files):
        return
    train, dev = (splits[name][0] for name in ("train", "dev"))
    do = (
        f"pass as data_dir the folder that holds {task.folder}/{train.name} and"
        f" {task.folder}/{dev.name}"
        if split in ("train", "dev")
        else "put the test split there, or leave predict_test out"
    )
    raise UserError(f"{files[0]} does not exist: {do}")


def _layout(task: Task, form: str) -> Layout:
    """How a task's files of a form are written."""
    if form == "parquet":
        return _by_number(task)
    layout = task.jsonl if form == "jsonl" else task.layout
    assert layout is not None
    return layout


def _rows(
    task: Task, form: str, files: Sequence[Path], labelled: bool, notes: list[str]
) -> list[Row]:
    """Rows of one split; `notes` grow by what was read otherwise than it was written."""
    layout = _layout(task, form)
    columns = layout.columns if labelled else layout.asked
    wanted = Wanted(columns, by_flags=False)
    if form == "parquet":
        return [row for f in files for row in parquet_rows(f, wanted, with_names=False)]
    (file,) = files
    if form == "jsonl":
        return list(json_rows(file, wanted))
    # A row that is left out would shift the answers to those after it.
    drops = layout.has_known_flaws and labelled
    # CoLA's test split has a header line, and the others have not.
    said = notes if labelled else []
    return list(glue_rows(file, columns, layout.header, drops, said.append))


def _domains(train: Sequence[Row], dev: Sequence[Row]) -> dict[str, np.ndarray]:
    """CoLA's dev examples from the publications that it is trained on, and from others; nothing
    where there is one kind alone, or no column that says where a sentence is from.
    """
    if not all("source" in row for _, row in (*train, *dev)):
        return {}
    known = {row["source"] for _, row in train}
    inside = np.array([row["source"] in known for _, row in dev])
    if inside.all() or not inside.any():
        return {}
    return {"in_domain": np.flatnonzero(inside), "out_of_domain": np.flatnonzero(~inside)}


def read_glue_further(file: Path, task: Task, quotes_are_text: bool = False) -> FurtherSet:
    """Texts of a task in a file as GLUE publishes its splits; labels are not read.

    Raises UserError for a text that a table writer seems to have put in quotes, unless they are
    said to be text.
    """
    rows = _rows(task, "tsv", [file], labelled=False, notes=[])
    for place, row in rows:
        for cell in (row[name] for name in task.layout.asked):
            if not quotes_are_text and is_doubled(cell):
                raise quotes_in_doubt(f"{file}, {place}", cell)
    return further_set(str(file), rows, task.layout, labelled=False)


def _by_number(task: Task) -> Layout:
    """The hub's: columns of its own, and classes by number."""
    labels = task.label_names and tuple(map(str, range(task.num_labels)))
    return replace(task.layout, text=task.text_columns, label="label", labels=labels, header=None)


def read_glue_hub(name: str, with_test: bool = False) -> Dataset:
    """Read a task from `nyu-mll/glue` on the Hugging Face hub or its local cache.

    Args:
        with_test: the test split too.
    """
    task = _glue_task(name)
    found, layout = _from_hub(name, task), _by_number(task)
    named = split_names("parquet", task, with_test)
    splits = {split: found[own] for split, own in named.items()}
    if with_test and task.dev_suffix:
        splits[DIAGNOSTIC] = _from_hub("ax", task)["test"]
    read = {}
    for split, table in splits.items():
        called = named[split] if split in ("train", "dev") else split
        read[split] = f"nyu-mll/glue {name} {called}", list(_hub_rows(table, layout))
    return _dataset(task, layout, read)


def _from_hub(name: str, task: Task) -> Any:
    import datasets

    try:
        return datasets.load_dataset("nyu-mll/glue", name)
    except Exception as error:  # connections break in many ways
        raise UserError(
            f"cannot load nyu-mll/glue {name} from the hub ({on_one_line(error)}): download"
            f" {task.folder} from https://gluebenchmark.com/tasks, put its files at"
            f" DIR/{task.folder}/train.tsv and DIR/{task.folder}/dev{task.dev_suffix}.tsv, and pass"
            " --data_dir DIR"
        ) from error


def _glue_task(name: str) -> Task:
    if name not in GLUE_TASKS:
        raise UserError(f"{name!r} is not a GLUE task: choose one of {', '.join(GLUE_TASKS)}")
    return GLUE_TASKS[name]


def _hub_rows(split: Any, layout: Layout) -> Iterator[Row]:
    table = split.select_columns([*layout.columns, *({*ID_COLUMNS} & {*split.column_names})])[:]
    for line, values in enumerate(zip(*table.values(), strict=True), 1):
        yield f"row {line}", dict(zip(table, map(str, values), strict=True))
