"""Rows of files that hold columns with types: Parquet, and what `datasets` saves to disk."""

import contextlib
import json
from collections.abc import Generator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.files import check_no_pointer
from jaxtune.core.unseen import bare
from jaxtune.core.words import on_one_line, quoted
from jaxtune.data.ids import ID_COLUMNS
from jaxtune.data.rows import Row, Wanted
from jaxtune.data.values import HIDDEN, MASKED, NOT_MASKED, AsText, id_texts, text_of

# Of a folder that `datasets` saved: the list of its files, and what names the parts of several.
STATE, SPLITS = "state.json", "dataset_dict.json"


def parquet_rows(
    path: Path, wanted: Wanted, with_names: bool = True, as_text: AsText = text_of
) -> list[Row]:
    """Rows of a Parquet file; numbers and truth values as JSON writes them.

    Args:
        with_names: classes by the names that `datasets` has noted in the file, not by number.
        as_text: what a value is as a text.
    """
    _check_file(path)
    import pyarrow.parquet as pq

    with _readable(path, "Parquet file"), pq.ParquetFile(path) as file:
        names = _to_read(path, file.schema_arrow.names, wanted)
        table = file.read(columns=names, use_threads=False)
    return _rows(path, table, wanted, with_names, as_text)


def dataset_rows(path: Path, wanted: Wanted, as_text: AsText) -> list[Row]:
    """Rows of a folder that `datasets` has saved (`save_to_disk`), classes by their names."""
    if (path / SPLITS).is_file():
        parts = [part.parent.name for part in sorted(path.glob(f"*/{STATE}"))]
        raise UserError(
            f"{path} holds several splits ({quoted(parts)}): give the folder of one, such as"
            f" {path / (parts[0] if parts else 'train')}"
        )
    import pyarrow as pa

    tables = []
    with _readable(path, "saved dataset"):
        for file in dataset_files(path):
            _check_file(file)
            with pa.memory_map(str(file)) as source:
                tables.append(pa.ipc.open_stream(source).read_all())
        table = pa.concat_tables(tables)
        table = table.select(_to_read(path, table.column_names, wanted))
    return _rows(path, table, wanted, True, as_text)


def dataset_files(path: Path) -> list[Path]:
    """The files that hold a saved dataset's rows, in order; UserError where it names none."""
    state = path / STATE
    try:
        names = [file["filename"] for file in json.loads(state.read_bytes())["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no folder that datasets has saved ({STATE} is missing or damaged): give a"
            " file, or save it again with save_to_disk"
        ) from error
    # No name leaves the folder.
    if not names or any(not isinstance(name, str) or Path(name).name != name for name in names):
        raise UserError(f"{state} does not name files of {path}: save the dataset again")
    return [path / name for name in names]


def _check_file(path: Path) -> None:
    """Raises UserError for a file that cannot be read, is empty, or is a pointer of Git LFS."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as error:
        raise UserError(
            f"cannot read {path} ({error.strerror}): give a file with examples"
        ) from error
    check_no_pointer(path, head)
    if not head:
        raise UserError(f"{path} is empty: give a file with examples")


@contextlib.contextmanager
def _readable(path: Path, what: str) -> Generator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # damaged files are noticed in many places
        raise UserError(
            f"{path} is no readable {what} ({on_one_line(error)}): write it again"
        ) from error


def _to_read(path: Path, names: Sequence[str], wanted: Wanted) -> list[str]:
    """The columns to read, as they are spelled there."""
    found = list(map(bare, names))
    wanted.check(str(path), found)
    read = {*wanted.of(found), *(name for name in ID_COLUMNS if found.count(name) == 1)}
    return [name for name in names if bare(name) in read]


def _rows(path: Path, table: Any, wanted: Wanted, with_names: bool, as_text: AsText) -> list[Row]:
    with _readable(path, "table"):
        # Offsets that lead out of a damaged file's memory would end the process.
        table.validate(full=True)
        as_spelled = {name: table[name].to_pylist() for name in table.column_names}
    classes = _class_names(table.schema.metadata or {}) if with_names else {}
    values = {}
    for spelled, column in as_spelled.items():
        name, noted = bare(spelled), classes.get(spelled)
        values[name] = [_named(value, noted) for value in column] if noted else column
        if noted and name in wanted.labels:
            _check_named(str(path), name, values[name], noted, wanted.classes)
    columns = wanted.of(list(values))
    rows = []
    for number, row in enumerate(zip(*values.values(), strict=True), 1):
        own = dict(zip(values, row, strict=True))
        where = f"{path}, row {number}"
        texts = {name: as_text(where, name, own[name]) for name in columns}
        rows.append((f"row {number}", id_texts(own) | texts))
    return rows


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The names of classes by column, as `datasets` notes them; none where it noted nothing."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"].items()
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    found = {}
    for column, feature in features:
        match _held(feature):
            case {"names": [*names]} if all(isinstance(name, str) for name in names):
                found[column] = names
    return found


def _held(feature: Any) -> Any:
    """Of a list what it holds, which `datasets` writes under `feature` or as a list of one."""
    while True:
        match feature:
            case [inner, *_] | {"feature": inner} if inner is not None:
                feature = inner
            case _:
                return feature


def _named(value: Any, names: Sequence[str]) -> Any:
    """A class by its name, of a list every one; what is no number of one stays."""
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column with gaps has fractions
    if not isinstance(value, int) or not 0 <= value < len(names):
        return value
    return names[value]


def _check_named(
    source: str, name: str, column: Sequence[Any], names: Sequence[str], classes: Sequence[str]
) -> None:
    """Raises UserError for a label that is none of the classes that the file notes, which would be
    one more class and move the others. Labels that all are hidden stay, for what is said of them.
    """
    known = {*map(bare, names), *classes}
    each = [
        (row, value, isinstance(own, list))
        for row, own in enumerate(column, 1)
        for value in (own if isinstance(own, list) else [own])
    ]
    if all(value == HIDDEN for _, value, _ in each):
        return
    for row, value, in_list in each:
        # What is neither text nor finite number is refused as it is in other columns.
        is_value = isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))
        if not is_value or bare(str(value)) in known:
            continue
        do = (
            NOT_MASKED
            if in_list and value == MASKED
            else "write one of them, take the row out if it has no label, or name every class with"
            " --classes"
        )
        raise UserError(
            f"{source}, row {row} has {value!r} in column {name!r}, for which the file notes the"
            f" classes {quoted(names)}, numbered from 0: {do}"
        )
