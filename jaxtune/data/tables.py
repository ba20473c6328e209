"""Rows of a file of one's own, whatever it is written as; its name says which that is."""

from pathlib import Path

from jaxtune.core.errors import UserError
from jaxtune.data.column_rows import dataset_rows, parquet_rows
from jaxtune.data.conll import SUFFIXES
from jaxtune.data.csv_rows import BY_SUFFIX, Dialect, csv_rows
from jaxtune.data.json_rows import json_rows
from jaxtune.data.rows import Row, Wanted
from jaxtune.data.values import TAGGED, AsText, text_of


def read_table(
    path: Path,
    wanted: Wanted,
    dialect: Dialect = BY_SUFFIX,
    as_text: AsText = text_of,
) -> list[Row]:
    """The rows of a CSV, TSV, JSON or Parquet file, or of a folder that `datasets` has saved;
    UserError for what is none.

    Args:
        as_text: what a value is as a text.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        return dataset_rows(path, wanted, as_text)
    if suffix == ".parquet":
        return parquet_rows(path, wanted, as_text=as_text)
    if suffix in (".jsonl", ".json"):
        return list(json_rows(path, wanted, as_text))
    if suffix in (".csv", ".tsv"):
        return csv_rows(path, wanted, dialect)
    # Texts that are only answered have no labels, and no flag that says what those are.
    tagged = f", or {TAGGED}" if wanted.labels and suffix in SUFFIXES else ""
    raise UserError(
        f"{path} has an unknown suffix: give a .csv, .tsv, .jsonl, .json or .parquet file, or a"
        f" folder that datasets has saved{tagged}"
    )
