"""Where the files of a benchmark's task lie, in each of the forms that they are handed on in.

| form | split | file |
|---|---|---|
| tsv, GLUE's own | train, dev, test | RTE/train.tsv, dev.tsv, test.tsv |
| parquet, the hub's | the same | rte/train-00000-of-00001.parquet, validation-..., test-... |
| jsonl, SuperGLUE's own | the same | RTE/train.jsonl, val.jsonl, test.jsonl |
"""

import re
from pathlib import Path
from typing import NamedTuple

from jaxtune.core.errors import UserError
from jaxtune.data.examples import Task

DIAGNOSTIC = "diagnostic"
MISMATCHED, TEST, TEST_MISMATCHED = "mismatched", "test", "test_mismatched"
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.parquet$")


class Found(NamedTuple):
    """The files of a task."""

    form: str  # tsv, parquet or jsonl
    splits: dict[str, list[Path]]  # `train`, `dev`, and what else there is to read


def find_files(task: Task, data_dir: Path, with_test: bool) -> Found:
    """The files, or, where there are none, those that GLUE's own form would have.

    Args:
        data_dir: holds the task's folder, or is it.
        with_test: the test split too.
    """
    form, folder = _form(task, Path(data_dir))
    train, dev, dev_mismatched, test, test_mismatched = _names(form, task)
    splits = {"train": _files(form, folder, train), "dev": _files(form, folder, dev)}
    if task.dev_suffix and (files := _there(_files(form, folder, dev_mismatched))):
        splits[MISMATCHED] = files
    if with_test:
        splits[TEST] = _files(form, folder, test)
    if with_test and task.dev_suffix:
        splits[TEST_MISMATCHED] = _files(form, folder, test_mismatched)
        # The benchmark asks a model of MNLI for these answers; their folder is not always there.
        own, name = ("ax", "test") if form == "parquet" else (DIAGNOSTIC, f"{DIAGNOSTIC}.tsv")
        if files := _there(_files(form, folder.parent / own, name)):
            splits[DIAGNOSTIC] = files
    return Found(form, splits)


def _form(task: Task, data_dir: Path) -> tuple[str, Path]:
    """Which form there is, and in which folder; GLUE's own where there is none."""
    named = data_dir / task.folder
    for folder in (named, data_dir / task.name, data_dir):
        if (folder / "train.tsv").is_file():
            return "tsv", folder
        if task.jsonl and (folder / "train.jsonl").is_file():
            return "jsonl", folder
        if any(folder.glob("train-*-of-*.parquet")):
            return "parquet", folder
        if folder == named and folder.is_dir():
            break  # it is there, and what it lacks is to be named
    return ("jsonl" if task.layout is task.jsonl else "tsv"), named


def _names(form: str, task: Task) -> tuple[str, str, str, str, str]:
    """Of train, dev, mismatched dev, test and mismatched test: files, or the beginnings of them."""
    suffix = task.dev_suffix
    if form == "jsonl":
        return "train.jsonl", "val.jsonl", "", "test.jsonl", ""
    dev, end = ("dev", ".tsv") if form == "tsv" else ("validation", "")
    return (
        f"train{end}",
        f"{dev}{suffix}{end}",
        f"{dev}_mismatched{end}",
        f"test{suffix}{end}",
        f"test_mismatched{end}",
    )


def _files(form: str, folder: Path, name: str) -> list[Path]:
    """One file, or all parts of a Parquet file; raises UserError where a part is missing."""
    if form != "parquet":
        return [folder / name]
    parts = sorted(file for file in folder.glob(f"{name}-*.parquet") if _SHARD.search(file.name))
    if not parts:
        return [folder / f"{name}-00000-of-00001.parquet"]
    numbered = [_SHARD.search(file.name) for file in parts]
    found = [(int(match[1]), int(match[2])) for match in numbered if match]
    if found != [(number, found[0][1]) for number in range(found[0][1])]:
        raise UserError(
            f"{folder} holds {len(parts)} parts of {name} ({', '.join(f.name for f in parts[:3])}"
            f"{', ...' if len(parts) > 3 else ''}), which are not all of one file: download them"
            " again"
        )
    return parts


def _there(files: list[Path]) -> list[Path]:
    return [file for file in files if file.is_file()]
