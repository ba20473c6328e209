"""Data files that are refused: their content, and the words that follow the file's name in the
sentence.
"""

from pathlib import Path
from typing import NamedTuple

FILES = {"rte": "RTE", "cola": "CoLA", "stsb": "STS-B", "mrpc": "MRPC"}
GLUE_HEADER = {
    "rte": "index\tsentence1\tsentence2\tlabel\n",
    "cola": "",
    "stsb": "index\tsentence1\tsentence2\tscore\n",
    "mrpc": "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n",
}
GOOD = {
    "rte": GLUE_HEADER["rte"] + "0\tthe dog\ta cat\tentailment\n1\ta\tb\tnot_entailment\n",
    "cola": "gj04\t1\t\tthe dog sleeps\ngj04\t0\t*\tthe dog sleep\n",
    "stsb": GLUE_HEADER["stsb"] + "0\tthe dog\ta cat\t5.000\n1\ta\tb\t0.2\n",
    "mrpc": GLUE_HEADER["mrpc"] + "1\t1\t2\tthe dog\ta cat\n0\t1\t2\ta\tb\n",
    ".csv": "text,label\nthe dog,0\na cat,1\n",
    ".tsv": "text\tlabel\nthe dog\t0\na cat\t1\n",
    ".jsonl": '{"text": "the dog", "label": 0}\n{"text": "a cat", "label": 1}\n',
}
RTE, COLA, STSB, MRPC = (GOOD[name] for name in FILES)
CSV, TSV, JSONL = (GOOD[suffix] for suffix in (".csv", ".tsv", ".jsonl"))
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
LATER = "2\t{}\t{}\t{}\n"


class BadFile(NamedTuple):
    """One file as a train and as a dev split."""

    name: str
    kind: str  # GLUE task or suffix
    content: str | bytes
    says: str


EVERY_KIND = [
    BadFile(f"{kind}: {name}", kind, content, says)
    for kind, good in GOOD.items()
    for name, content, says in (
        ("empty file", b"", " is empty: give a file with examples"),
        ("only a byte-order mark", b"\xef\xbb\xbf\n", " is empty: give a file with examples"),
        ("NUL byte", good.replace("dog", "d\0g", 1), " holds a NUL byte"),
        ("UTF-16", good.encode("utf-16"), ", line 1 holds a NUL byte: save the file as UTF-8"),
        ("UTF-32", good.encode("utf-32"), ", line 1 holds a NUL byte: save the file as UTF-8"),
        ("latin-1", good.replace("dog", "d\xf6g", 1).encode("latin-1"), " is not UTF-8"),
        ("surrogates", good.encode().replace(b"dog", b"\xed\xa0\x80", 1), " is not UTF-8"),
        ("a pointer", POINTER, " is a pointer of Git LFS and not the file itself: fetch that with"),
        ("random bytes", bytes(range(1, 256)) * 9, ", line 2 is not UTF-8"),
        ("an image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ", line 3 holds a NUL byte"),
    )
]
HINT = "(-1 stands for the hidden labels of GLUE's test split)"
GLUE = [
    BadFile(f"{kind}: {name}", kind, content, says)
    for kind, name, content, says in (
        ("rte", "missing column", RTE.replace("label", "lable"), ", line 1 has no column 'label'"),
        ("rte", "no header", RTE.split("\n", 1)[1], ", line 1 has no column 'sentence1'"),
        ("rte", "column twice", RTE.replace("index", "label"), ", line 1 has several columns"),
        ("rte", "commas", RTE.replace("\t", ","), ", line 1 has no column 'sentence1'"),
        ("rte", "only a header", GLUE_HEADER["rte"], " has no examples"),
        ("rte", "short row", RTE + "2\ta\tb\n", ", line 4 has 3 fields instead of 4"),
        ("rte", "cut in the last row", RTE[:-16], ", line 3 has 3 fields instead of 4"),
        ("rte", "long row", RTE + "2\ta\tb\tc\tentailment\n", ", line 4 has 5 fields instead of 4"),
        ("rte", "blank row", RTE + "\n" + RTE[40:], ", line 4 has 1 field instead of 4"),
        ("rte", "old Mac line ends", RTE.replace("\n", "\r"), ", line 1 has no column 'label'"),
        (
            "rte",
            "unknown label",
            RTE + LATER.format("a", "b", "maybe"),
            ", line 4 has the label 'maybe': use one of 'entailment', 'not_entailment'",
        ),
        (
            "rte",
            "label's case",
            RTE.replace("\tent", "\tEnt"),
            ", line 2 has the label 'Entailment'",
        ),
        ("rte", "no label", RTE + LATER.format("a", "b", ""), ", line 4 has the label ''"),
        (
            "rte",
            "test split",
            RTE.replace("\tentailment", "\t-1"),
            f", line 2 has the label '-1' {HINT}",
        ),
        (
            "rte",
            "empty sentence",
            RTE + LATER.format("", "b", "entailment"),
            ", line 4 has an empty sentence",
        ),
        (
            "rte",
            "blank sentence",
            RTE + LATER.format("a", " \xa0 ", "entailment"),
            ", line 4 has an empty sentence",
        ),
        (
            "rte",
            "one class",
            RTE.replace("not_", ""),
            " has a single label, 'entailment', in its 2 examples",
        ),
        ("cola", "MRPC's file", MRPC, ", line 1 has 5 fields instead of 4"),
        (
            "cola",
            "a header of other names",
            "a\tlabel\tb\tc\n" + COLA,
            ", line 1 is a header, which GLUE's file does not have, without the columns"
            " 'sentence', 'label': take the line out",
        ),
        (
            "cola",
            "test split",
            COLA.replace("\t0\t", "\t-1\t"),
            f", line 2 has the label '-1' {HINT}",
        ),
        ("cola", "empty sentence", COLA + "gj04\t1\t\t\n", ", line 3 has an empty sentence"),
        (
            "cola",
            "terminal codes",
            COLA.replace("\t0\t", "\t\x1b[2J\r\t"),
            ", line 2 has the label '\\x1b[2J\\r'",
        ),
        (
            "cola",
            "a megabyte of label",
            COLA.replace("\t0\t", f"\t{'9' * 10**6}\t"),
            ", line 2 has the label '999",
        ),
        ("mrpc", "RTE's file", RTE, ", line 1 has no column '#1 String'"),
        (
            "mrpc",
            "test split",
            MRPC.replace("\n0\t", "\n-1\t"),
            f", line 3 has the label '-1' {HINT}",
        ),
        (
            "stsb",
            "words",
            STSB.replace("0.2", "much"),
            ", line 3 has the score 'much': write a finite float32 number",
        ),
        ("stsb", "no score", STSB.replace("0.2", ""), ", line 3 has the score ''"),
        ("stsb", "nan", STSB.replace("0.2", "nan"), ", line 3 has the score 'nan'"),
        ("stsb", "infinite", STSB.replace("0.2", "inf"), ", line 3 has the score 'inf'"),
        ("stsb", "beyond float32", STSB.replace("0.2", "1e39"), ", line 3 has the score '1e39'"),
        ("stsb", "decimal comma", STSB.replace("0.2", "0,2"), ", line 3 has the score '0,2'"),
        ("stsb", "underscore", STSB.replace("0.2", "1_5"), ", line 3 has the score '1_5'"),
        (
            "stsb",
            "one score",
            STSB.replace("0.2", "5.000"),
            " has a single label, '5.000', in its 2",
        ),
    )
]
CUSTOM = [
    BadFile(f"{kind}: {name}", kind, content, says)
    for kind, name, content, says in (
        (
            ".csv",
            "missing column",
            CSV.replace("text", "txt"),
            ", line 1 has no column 'text' but 'txt', 'label': name others with --text_columns",
        ),
        (
            ".csv",
            "no header",
            CSV.split("\n", 1)[1],
            " and --label_column, or, where line 1 is an example, put a line with the columns'",
        ),
        (
            ".tsv",
            "no header",
            TSV.split("\n", 1)[1],
            ", line 1 has no column 'text' but 'the dog', '0': name others with --text_columns and",
        ),
        (
            ".csv",
            "a column twice, but for something unseen",
            "label\u200b," + CSV.replace("\n", "\n0,")[:-2],
            ", line 1 has several columns 'label'",
        ),
        (
            ".csv",
            "Excel's line",
            "sep=,\n" + CSV,
            ", line 1 has no column 'text' but 'sep=', '': line 2 has the columns' names: take out",
        ),
        (".csv", "header again", CSV + CSV, ", line 4 is the header once more: take the line out"),
        (
            ".csv",
            "Excel's gap",
            CSV + "a,#N/A\n",
            ", line 4 has the label '#N/A', which stands for",
        ),
        (
            ".csv",
            "single quotes",
            CSV.replace("the dog", "'the dog'").replace("a cat", "'a cat'"),
            " has quotes around 2 of 2 cells of the column 'text', which are read as part of the"
            " text: take them out, or the spaces before them, or say --quoting true if they belong",
        ),
        (".csv", "unseen sentence", CSV + "\u200b\ufeff,1\n", ", line 4 has an empty sentence"),
        (".csv", "unseen label", CSV + "a,\u2060\n", ", line 4 has the label '', which stands for"),
        (
            ".csv",
            "something unseen in a label",
            CSV.replace(",0", ",pos").replace(",1", ",po\u200bs"),
            "line 2 has 'pos', which differ only in case, spaces",
        ),
        (
            ".csv",
            "spaces before quotes",
            CSV.replace("the dog,0", 'the dog, "0"').replace("a cat,1", 'a cat, "1"'),
            " has quotes around 2 of 2 cells of the column 'label', which are read as part of the"
            " text: take them out, or the spaces before them, or say --quoting true",
        ),
        (
            ".tsv",
            "cells in quotes under names without",
            TSV.replace("the dog", '"the dog"').replace("a cat", '"a cat"'),
            " has quotes around 2 of 2 cells of the column 'text', which are read as part of the"
            " text: say --quoting true if they hold cells together, or --quoting false if not",
        ),
        (
            ".csv",
            "column twice",
            "label," + CSV.replace("\n", "\n0,")[:-2],
            ", line 1 has several columns 'label'",
        ),
        (
            ".csv",
            "semicolons",
            CSV.replace(",", ";"),
            ", line 1 has no column 'text' but 'text;label': say --delimiter ';' if that parts",
        ),
        (
            ".csv",
            "capitals in the header",
            CSV.replace("text", "Text"),
            ", line 1 has no column 'text' but 'Text', 'label': write 'text' instead of 'Text'",
        ),
        (".csv", "only a header", "text,label\n", " has no examples"),
        (".csv", "short row", CSV + "a\n", ", line 4 has 1 field instead of 2"),
        (".csv", "bare comma", CSV + "a, b,1\n", ", line 4 has 3 fields instead of 2"),
        (".csv", "open quote", CSV + '"a,1\nb,0\n', ", line 4 is no CSV"),
        (".csv", "quote within", CSV + 'a,1\n"b" c,0\n', ", line 5 is no CSV"),
        (".csv", "after a long cell", 'text,label\n"a\n\nb",0\nc,\n', ", line 5 has the label ''"),
        (
            ".csv",
            "quotes that swallow rows",
            CSV + '"a,1\nb,0\nc",1\n',
            ", line 4 opens a quote that closes in line 6, and the lines between look like rows",
        ),
        (
            ".csv",
            "quotes that swallow rows, label first",
            'label,text\n0,a\n1,"b\n0,c\n1,d"\n',
            ", line 3 opens a quote that closes in line 5, and the lines between look like rows",
        ),
        (".csv", "empty sentence", CSV + '"",1\n', ", line 4 has an empty sentence"),
        (".csv", "no label", CSV + "a,\n", ", line 4 has the label '', which stands for a missing"),
        (".csv", "label nan", CSV + "a,NaN\n", ", line 4 has the label 'NaN', which stands for"),
        (
            ".csv",
            "label None",
            CSV + "a,None \n",
            ", line 4 has the label 'None', which stands for",
        ),
        (
            ".csv",
            "labels in two cases",
            CSV.replace(",0", ",No").replace(",1", ",no"),
            "line 2 has 'No', which differ only in case, spaces",
        ),
        (
            ".csv",
            "labels in two spacings",
            CSV.replace(",0", ",not so").replace(",1", ",not  so"),
            "line 2 has 'not so', which differ only in case, spaces",
        ),
        (
            ".csv",
            "labels as whole and decimal numbers",
            CSV + "a,1.0\n",
            " has '1', which differ only in case, spaces",
        ),
        (
            ".csv",
            "one class",
            CSV.replace("1\n", "0\n"),
            " has a single label, '0', in its 2 examples",
        ),
        (".csv", "GLUE's test", "text,label\na,-1\nb,-1\n", HINT),
        (".tsv", "short row", TSV + "a\n", ", line 4 has 1 field instead of 2"),
        (
            ".tsv",
            "a cell in quotes over two lines",
            TSV + '"a\nb"\t1\n',
            """, line 4 has "a, whose quotes may hold a cell together or be part of the text""",
        ),
        (
            ".tsv",
            "quotes doubled in quotes",
            TSV + '"a ""b"""\t1\n',
            """, line 4 has "a ""b"\"", whose quotes may hold a cell together""",
        ),
        (
            ".tsv",
            "names in quotes",
            TSV.replace("text", '"text"'),
            """, line 1 has "text", whose quotes may hold a cell together""",
        ),
        (".tsv", "commas", TSV.replace("\t", ","), ", line 1 has no column 'text'"),
        (".jsonl", "cut", JSONL[:-9], ", line 2 is not a JSON object"),
        (".jsonl", "array", f"[{JSONL}]", ", line 2 is not a JSON object"),
        (".jsonl", "pretty", JSONL.replace("{", "{\n"), ", line 1 is not a JSON object"),
        (
            ".jsonl",
            "missing column",
            JSONL + '{"text": "a"}',
            ", line 3 has no column 'label' but 'text': name others with --text_columns and",
        ),
        (
            ".jsonl",
            "a name twice",
            JSONL + '{"text": "a", "label": 1, "label": 0}',
            ", line 3 is not a JSON object ('label' stands there 2 times): write one object per"
            " line, each name once",
        ),
        (
            ".jsonl",
            "two names that are one but for what nobody sees",
            JSONL + '{"text": "a", "label": 1, "label\\ufeff": 1}',
            ", line 3 has several columns 'label': rename all but one in 'text', 'label', 'label'",
        ),
        (
            ".jsonl",
            "null label",
            JSONL + '{"text": "a", "label": null}',
            ", line 3 has null in column 'label': write a text or a number, or take the line out",
        ),
        (
            ".jsonl",
            "object",
            JSONL + '{"text": "a", "label": {"a": 1}}',
            ", line 3 has an object in column 'label': write a text or a number",
        ),
        (
            ".jsonl",
            "null",
            JSONL + '{"text": null, "label": 1}',
            ", line 3 has null in column 'text': write a text or a number, or take the line out",
        ),
        (
            ".jsonl",
            "list",
            JSONL + '{"text": ["a"], "label": 1}',
            ", line 3 has a list in column 'text': write a text or a number, or take the line out;"
            " say --token_classification true, if every word has a tag",
        ),
        (
            ".jsonl",
            "list of labels",
            JSONL + '{"text": "a", "label": ["b", "c"]}',
            ", line 3 has a list in column 'label': write a text or a number, or take the line out;"
            " say --several_labels true, if a text may have several labels",
        ),
        (
            ".jsonl",
            "NaN",
            JSONL + '{"text": NaN, "label": 1}',
            ", line 3 is not a JSON object (NaN is no JSON)",
        ),
        (
            ".jsonl",
            "half a pair",
            JSONL + '{"text": "\\ud800", "label": 1}',
            ", line 3 has a NUL or half a surrogate pair in column 'text'",
        ),
        (
            ".jsonl",
            "NUL escape",
            JSONL + '{"text": "a\\u0000", "label": 1}',
            ", line 3 has a NUL or half a surrogate pair in column 'text'",
        ),
        (
            ".jsonl",
            "huge number",
            JSONL + '{"text": "a", "label": ' + "9" * 5000 + "}",
            ", line 3 is not a JSON object",
        ),
        (".jsonl", "deep", JSONL + "[" * 100_000, ", line 3 is not a JSON object"),
        (
            ".jsonl",
            "empty sentence",
            JSONL + '{"text": "", "label": 1}',
            ", line 3 has an empty sentence",
        ),
    )
]
BAD_FILES = [*EVERY_KIND, *GLUE, *CUSTOM]
# Known to one split alone: the train labels are the classes.
UNSEEN = [
    BadFile(
        ".csv: unseen label",
        ".csv",
        CSV + "a,2\n",
        ", line 4 has the label '2': use one of '0', '1', which training examples have, or name"
        " every class with --classes\n",
    ),
    BadFile(
        ".jsonl: 0.0 for 0",
        ".jsonl",
        JSONL.replace("0}", "0.0}"),
        ", line 1 has the label '0.0' and ",
    ),
    BadFile(
        ".jsonl: true for 1",
        ".jsonl",
        JSONL.replace("1}", "true}"),
        ", line 2 has the label 'true'",
    ),
]
# What other readers trip over, and this one reads.
USABLE = {
    "a space in a CSV header": (".csv", CSV.replace(",label", ", label")),
    "something unseen in a CSV header": (".csv", CSV.replace("label", "label\u200b")),
    "something unseen in a JSON name": (".jsonl", JSONL.replace('"label"', '"label\ufeff "')),
    "byte-order mark": ("mrpc", "\ufeff" + MRPC),
    "bare quotes": ("rte", RTE.replace("the dog", '"the dog')),
    "CRLF": ("rte", RTE.replace("\n", "\r\n")),
    "no final newline": ("cola", COLA[:-1]),
    "blank lines at the end": ("rte", RTE + "\n\n"),
    "10,000 characters": ("rte", RTE.replace("the dog", "the dog " * 1250)),
    "one word of 10,000 characters": ("cola", COLA.replace("dog", "d" * 10_000)),
    "U+2028, U+0085 and form feed": ("rte", RTE.replace("the dog", "the\u2028d\x85o\x0cg")),
    "unknown words and emoji": ("rte", RTE.replace("dog", "\U0001f436 caf\xe9 \u732b")),
    "quoted CSV": (".csv", CSV.replace("the dog", '"the ""dog"",\nhe\r\nsaid"')),
    "CRLF in CSV": (".csv", "\ufeff" + CSV.replace("\n", "\r\n")),
    "blank lines in CSV": (".csv", "\n" + CSV.replace("\n", "\n\n")),
    "blank lines in JSONL": (".jsonl", "\ufeff\n" + JSONL.replace("\n", "\r\n\r\n")),
    "labels padded with what nobody sees": (
        ".csv",
        CSV.replace(",0", ",\ufeff0\u200b ").replace(",1", ",\u200e1"),
    ),
    "padded labels": (".csv", CSV.replace(",0", ", 0 ").replace(",1", ",\t1")),
    "200,000 characters": (".csv", CSV.replace("the dog", "the dog " * 25_000)),
    "a text of lines and commas": (".csv", CSV.replace("the dog", '"the,\ndog, 0\nand, it"')),
    "bare quotes in TSV": (".tsv", TSV.replace("the dog", '"the dog').replace("cat", 'cat"')),
    "a sentence in quotes in TSV": (".tsv", TSV.replace("the dog", '"the dog"')),
    "CoLA with a header": ("cola", "source\tlabel\tmark\tsentence\n" + COLA),
    "CoLA with another header": ("cola", "mark\tlabel\tsource\tsentence\n" + COLA),
    "words as labels": (".tsv", TSV.replace("\t0", "\tno").replace("\t1", "\tyes")),
}


def write(folder: Path, kind: str, train: str | bytes, dev: str | bytes) -> list[str]:
    """Both splits, and the flags that read them."""
    place = folder / FILES.get(kind, "")
    place.mkdir(parents=True)
    if kind in FILES:
        files = [place / "train.tsv", place / "dev.tsv"]
        flags = ["--task", kind, "--data_dir", str(folder)]
    else:
        files = [folder / f"train{kind}", folder / f"dev{kind}"]
        paths = ["--train_file", str(files[0]), "--dev_file", str(files[1])]
        flags = ["--task", "custom", *paths]
    for file, content in zip(files, (train, dev), strict=True):
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [*flags, "--batch_size", "2"]
