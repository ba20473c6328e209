"""Data files: good ones of every kind, unusual ones that are read, and what makes any of them
refused, with the words that follow the file's name in the sentence.

More that are refused: bad_glue.py, bad_custom.py, bad_tables.py.
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
