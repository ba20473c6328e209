"""Files of GLUE's tasks that are refused: their content, and the words that follow the file's name
in the sentence.
"""

from bad_data import COLA, GLUE_HEADER, HINT, MRPC, RTE, STSB, BadFile

LATER = "2\t{}\t{}\t{}\n"
BAD_GLUE = [
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
