"""Lists of JSON objects and Parquet files that are refused, and some that are read."""

import datetime
import decimal
import io

import pyarrow as pa
import pyarrow.parquet as pq
from bad_data import CSV, HINT, JSONL, POINTER, BadFile

JSON_LIST = f"[{JSONL.strip()}]".replace("}\n", "},\n")
JSON = [
    BadFile(f".json: {name}", ".json", content, says)
    for name, content, says in (
        ("empty list", "[]", " has no examples"),
        ("empty list under data", '{"data": []}', " has no examples"),
        ("cut", JSON_LIST[:-9], ", line 2 is not a JSON object"),
        ("no comma", JSON_LIST.replace("},", "}"), ", line 2 is not a JSON object"),
        ("numbers", "[1, 2]", ", object 1 is not a JSON object: write one object per line, or a"),
        ("lists", JSON_LIST[:-1] + ", []]", ", object 3 is not a JSON object"),
        (
            "columns",
            '{"text": ["a", "b"], "label": [0, 1]}',
            ", line 1 has a list in column 'text'",
        ),
        ("another name", f'{{"rows": {JSON_LIST}}}', ", line 1 is not a JSON object"),
        (
            "missing column",
            JSON_LIST.replace('"label": 1', '"y": 1'),
            ", object 2 has no column 'label' but 'text', 'y': name others with --text_columns and",
        ),
        (
            "null",
            JSON_LIST.replace('"a cat"', "null"),
            ", object 2 has null in column 'text': write a text or a number, or take the object",
        ),
        ("empty sentence", JSON_LIST.replace("a cat", ""), ", object 2 has an empty sentence"),
        (
            "label in two cases",
            JSON_LIST.replace("0", '"No"').replace("1", '"no"'),
            "object 1 has 'No', which differ only in case",
        ),
        ("a name twice", JSON_LIST.replace('"text"', '"label": 1, "text"'), "'label' stands there"),
        ("a pointer", POINTER, " is a pointer of Git LFS"),
        ("UTF-16", JSON_LIST.encode("utf-16"), ", line 1 holds a NUL byte"),
    )
]


def parquet(**columns: list) -> bytes:
    """A Parquet file's bytes."""
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


TABLE: dict[str, list] = {"text": ["the dog", "a cat"], "label": [0, 1]}
GOOD_TABLES: dict[str, str | bytes] = {".parquet": parquet(**TABLE), ".json": JSON_LIST}
PARQUET = [
    BadFile(f".parquet: {name}", ".parquet", content, says)
    for name, content, says in (
        ("empty file", b"", " is empty: give a file with examples"),
        ("a pointer", POINTER, " is a pointer of Git LFS and not the file itself: fetch that with"),
        ("CSV", CSV, " is no readable Parquet file"),
        ("cut", parquet(**TABLE)[:-20], " is no readable Parquet file"),
        ("its end alone", parquet(**TABLE)[-200:], " is no readable Parquet file"),
        ("random bytes", bytes(range(256)) * 9, " is no readable Parquet file"),
        (
            "missing column",
            parquet(text=["a", "b"], y=[0, 1]),
            " has no column 'label' but 'text', 'y': name others with --text_columns and",
        ),
        (
            "capitals",
            parquet(Text=["a", "b"], label=[0, 1]),
            " has no column 'text' but 'Text', 'label': write 'text' instead of 'Text' there",
        ),
        (
            "a column twice, but for something unseen",
            parquet(**TABLE, **{"label ": [0, 1]}),
            " has several columns 'label': rename all but one",
        ),
        (
            "no rows",
            parquet(text=pa.array([], "string"), label=pa.array([], "int64")),
            " has no ex",
        ),
        (
            "null text",
            parquet(text=["a", None], label=[0, 1]),
            ", row 2 has null in column 'text': write a text or a number, or take the row out",
        ),
        (
            "null label",
            parquet(text=["a", "b"], label=[0, None]),
            ", row 2 has null in column 'lab",
        ),
        (
            "a number that is none",
            parquet(text=["a", "b"], label=[0.0, float("nan")]),
            ", row 2 has nan in column 'label': write a text or a number",
        ),
        (
            "lists",
            parquet(text=[["a"], ["b"]], label=[0, 1]),
            ", row 1 has a list in column 'text'",
        ),
        ("bytes", parquet(text=[b"a", b"b"], label=[0, 1]), ", row 1 has bytes in column 'text'"),
        (
            "times",
            parquet(text=["a", "b"], label=[datetime.datetime(2020, 1, 1)] * 2),
            ", row 1 has a time in column 'label'",
        ),
        (
            "decimals",
            parquet(text=["a", "b"], label=[decimal.Decimal("1.5")] * 2),
            ", row 1 has a Decimal in column 'label'",
        ),
        ("NUL", parquet(text=["a", "b\0"], label=[0, 1]), ", row 2 has a NUL or half a surrogate"),
        ("empty sentence", parquet(text=["a", " "], label=[0, 1]), ", row 2 has an empty sentence"),
        ("one class", parquet(text=["a", "b"], label=[1, 1]), " has a single label, '1', in its 2"),
        ("GLUE's test", parquet(text=["a", "b"], label=[-1, -1]), HINT),
        (
            "a missing label",
            parquet(text=["a", "b", "c"], label=["x", "y", "None"]),
            ", row 3 has the label 'None', which stands for a missing one",
        ),
        (
            "labels in two cases",
            parquet(text=["a", "b"], label=["No", "no"]),
            "row 1 has 'No', which differ only in case, spaces",
        ),
        (
            "invalid UTF-8",
            parquet(text=pa.array([b"a", b"\xff"]).view("string"), label=[0, 1]),
            " is no readable table",
        ),
    )
]
BAD_TABLES = [*JSON, *PARQUET]
USABLE_TABLES: dict[str, tuple[str, str | bytes]] = {
    "one object in two lines of lists": (".json", JSON_LIST),
    "a list under data": (".json", f'{{"version": 1,\n"data": {JSON_LIST}}}'),
    "Parquet": (".parquet", parquet(**TABLE)),
    "Parquet, names with spaces": (".parquet", parquet(**{f" {k} ": v for k, v in TABLE.items()})),
}
