"""What was written is read back: rows of classic GLUE files, CSV, TSV and JSON lines, whatever the
sentences hold.
"""

import csv
import io
import json
import re
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jaxtune.core.errors import UserError
from jaxtune.core.files import decode
from jaxtune.data.csv_rows import Dialect, csv_rows
from jaxtune.data.json_rows import json_rows
from jaxtune.data.rows import Wanted, glue_rows

# Anything that UTF-8 can hold; classic GLUE files cannot hold their own separators.
ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PLAIN = st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\n\r")
COLUMNS = ("text", "label")
Rows = list[tuple[str, str]]


def rows_of(characters: st.SearchStrategy[str]) -> st.SearchStrategy[Rows]:
    return st.lists(st.tuples(st.text(characters), st.text(characters)), min_size=1, max_size=6)


def read(reader: Callable, suffix: str, text: str) -> list[tuple[int, str, str]]:
    """Line, text and label of every row of a file with this content."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"rows{suffix}"
        file.write_bytes(text.encode())
        wanted = COLUMNS if reader is glue_rows else Wanted(("text",), ("label",))
        rows = [(place.split(), row) for place, row in reader(file, wanted)]
        assert {word for (word, _), _ in rows} <= {"line"}
        return [(int(line), row["text"], row["label"]) for (_, line), row in rows]


@given(rows_of(PLAIN), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_glue_rows(rows, end, has_mark, ends):
    """A tab keeps the last row from being blank, and no file ends in blank lines."""
    lines = ["\t".join(COLUMNS), *map("\t".join, rows)]
    text = "\ufeff" * has_mark + end.join(lines) + end * ends
    assert read(glue_rows, ".tsv", text) == [(n, *row) for n, row in enumerate(rows, 2)]


QUOTED = partial(csv_rows, dialect=Dialect(quoting=True))
BARE = partial(csv_rows, dialect=Dialect(quoting=False))


@given(rows_of(ANY), st.sampled_from([".csv", ".tsv"]), st.sampled_from(["\n", "\r\n"]))
def test_csv_rows(rows, suffix, end):
    """As Python's own writer quotes them; the line is the one that the row begins in."""
    text, begins = io.StringIO(), []
    # Left to itself the writer does not quote "\r", which ends a line.
    delimiter = "," if suffix == ".csv" else "\t"
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    for row in [COLUMNS, *rows]:
        begins.append(1 + len(re.findall(r"\r\n|\r|\n", text.getvalue())))
        writer.writerow(row)
    expected = [(line, *row) for line, row in zip(begins[1:], rows, strict=True)]
    assert read(QUOTED, suffix, text.getvalue()) == expected


@given(rows_of(PLAIN), st.sampled_from([".csv", ".tsv"]), st.sampled_from(["\n", "\r\n"]))
def test_rows_without_quoting(rows, suffix, end):
    """Every quote is text, and every line a row."""
    delimiter = "," if suffix == ".csv" else "\t"
    rows = [tuple(cell.replace(delimiter, " ") for cell in row) for row in rows]
    text = end.join(delimiter.join(row) for row in [COLUMNS, *rows])
    assert read(BARE, suffix, text) == [(n, *row) for n, row in enumerate(rows, 2)]


@given(rows_of(ANY), st.booleans(), st.integers(0, 2))
def test_json_rows(rows, ascii_only, blank):
    records = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    text = ("\n" * (blank + 1)).join(json.dumps(r, ensure_ascii=ascii_only) for r in records)
    expected = [(1 + n * (blank + 1), *row) for n, row in enumerate(rows)]
    assert read(json_rows, ".jsonl", text) == expected


@given(st.binary(max_size=60))
def test_bytes_are_text_or_refused_with_their_line(data):
    """Accepted exactly where Python decodes them and no NUL is there; the line named is the first
    bad one.
    """
    assume(not data.startswith(b"version https://git-lfs"))  # which has a sentence of its own
    file = Path("some.tsv")
    try:
        expected = None if b"\0" in data else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        expected = None
    if expected is not None:
        assert decode(file, data) == expected
        return
    with pytest.raises(
        UserError, match=r"^some\.tsv, line \d+ (holds a NUL byte|is not UTF-8)"
    ) as error:
        decode(file, data)
    line = int(str(error.value).split("line ")[1].split()[0])
    before = b"\n".join(data.split(b"\n")[: line - 1])
    if b"\0" not in data:
        before.decode()
    assert b"\0" not in before


@given(rows_of(PLAIN), st.data())
def test_a_row_with_a_field_too_many_is_named(rows, data):
    bad = data.draw(st.integers(0, len(rows) - 1))
    lines = ["\t".join(row) + "\textra" * (n == bad) for n, row in enumerate(rows)]
    text = "\n".join(["\t".join(COLUMNS), *lines])
    with pytest.raises(UserError, match=rf"rows\.tsv, line {bad + 2} has 3 fields instead of 2"):
        read(glue_rows, ".tsv", text)
