"""One's own CSV, TSV and JSON lines that are refused: their content, and the words that follow the
file's name in the sentence.
"""

from bad_data import CSV, HINT, JSONL, TSV, BadFile

BAD_CUSTOM = [
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
