"""The GLUE tasks, read from classic GLUE folders or from the hub."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.data.examples import (
    ACCURACY,
    CORRELATION,
    Dataset,
    Layout,
    Task,
    examples_of,
)
from jaxtune.data.rows import Row, glue_rows

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

GLUE_TASKS: dict[str, Task] = {
    "rte": Task("rte", _PAIR, _ENTAILMENT, _ACC, Layout(_PAIR, "label", _ENTAILMENT), "RTE"),
    "mrpc": Task("mrpc", _PAIR, ("not_equivalent", "equivalent"), _F1, _MRPC_FILE, "MRPC"),
    "cola": Task("cola", _ONE, ("unacceptable", "acceptable"), _MCC, _COLA_FILE, "CoLA"),
    "qnli": Task("qnli", _QNLI, _ENTAILMENT, _ACC, Layout(_QNLI, "label", _ENTAILMENT), "QNLI"),
    "sst2": Task("sst2", _ONE, ("negative", "positive"), _ACC, Layout(_ONE, "label", _01), "SST-2"),
    "stsb": Task("stsb", _PAIR, None, CORRELATION, Layout(_PAIR, "score", None), "STS-B"),
    "wnli": Task("wnli", _PAIR, _ENTAILMENT[::-1], _ACC, Layout(_PAIR, "label", _01), "WNLI"),
    "mnli": Task("mnli", ("premise", "hypothesis"), _MNLI, _ACC, _MNLI_FILE, "MNLI", "_matched"),
    "qqp": Task("qqp", _QQP, ("not_duplicate", "duplicate"), _F1, _QQP_FILE, "QQP"),
}


def read_glue_folder(name: str, data_dir: Path) -> Dataset:
    """Read a task from classic GLUE folders; `data_dir` holds them or is the task's own."""
    task, files = _glue_task(name), glue_files(name, data_dir)
    for file in files:
        if not file.is_file():
            raise UserError(
                f"{file} does not exist: pass as data_dir the folder that holds "
                f"{task.folder}/{files[0].name} and {task.folder}/{files[1].name}"
            )
    layout = task.layout
    notes: list[str] = []
    train, dev = (
        examples_of(
            str(file),
            glue_rows(file, layout.columns, layout.header, layout.has_known_flaws, notes.append),
            layout,
        )
        for file in files
    )
    return Dataset(task, train, dev, files, tuple(notes))


def glue_files(name: str, data_dir: Path) -> tuple[Path, Path]:
    """Where the training and the dev file of a task lie, or should."""
    task = _glue_task(name)
    folder = Path(data_dir) / task.folder
    if not folder.is_dir() and (Path(data_dir) / "train.tsv").is_file():
        folder = Path(data_dir)
    return folder / "train.tsv", folder / f"dev{task.dev_suffix}.tsv"


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
        examples_of(f"nyu-mll/glue {name} {split}", _hub_rows(splits[split], layout), layout)
        for split in ("train", f"validation{task.dev_suffix}")
    )
    return Dataset(task, train, dev, ())


def _glue_task(name: str) -> Task:
    if name not in GLUE_TASKS:
        raise UserError(f"{name!r} is not a GLUE task: choose one of {', '.join(GLUE_TASKS)}")
    return GLUE_TASKS[name]


def _hub_rows(split: Any, layout: Layout) -> Iterator[Row]:
    table = split.select_columns(list(layout.columns))[:]
    for line, values in enumerate(zip(*table.values(), strict=True), 1):
        yield line, dict(zip(table, map(str, values), strict=True))
