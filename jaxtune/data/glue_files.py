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
    names = split_names(form, task, with_test)
    splits = {split: _files(form, folder, name) for split, name in names.items()}
    if with_test and task.dev_suffix:
        # The benchmark asks a model of MNLI for these answers; their folder is not always there.
        own, name = ("ax", "test") if form == "parquet" else (DIAGNOSTIC, f"{DIAGNOSTIC}.tsv")
        splits[DIAGNOSTIC] = _files(form, folder.parent / own, name)
    for split in (MISMATCHED, DIAGNOSTIC):
        if split in splits and not splits[split][0].is_file():
            del splits[split]
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


def split_names(form: str, task: Task, with_test: bool) -> dict[str, str]:
    """By split the name of its file, or the beginning of that; the hub's are those of Parquet."""
    dev, end = {"tsv": ("dev", ".tsv"), "jsonl": ("val", ".jsonl")}.get(form, ("validation", ""))
    suffix = task.dev_suffix
    names = {"train": f"train{end}", "dev": f"{dev}{suffix}{end}"}
    if suffix:
        names[MISMATCHED] = f"{dev}_mismatched{end}"
    if with_test:
        names[TEST] = f"test{suffix}{end}"
    if with_test and suffix:
        names[TEST_MISMATCHED] = f"test_mismatched{end}"
    return names


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
