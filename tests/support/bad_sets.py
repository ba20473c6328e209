"""Refused training files of texts with any number of labels, and what the sentence says."""

GOOD_SETS = {
    ".csv": "text,label\nthe dog,a|b\nthe cat,\nthe wolf,b\n",
    ".jsonl": '{"text": "the dog", "label": ["a", "b"]}\n{"text": "the cat", "label": []}\n',
}
_TWO = "text,a,b\nthe dog,1,0\nthe cat,{}\n"
BAD_SETS = [
    (".csv", "text,label\nthe dog,a|a\nthe cat,b\n", "line 2 has the label 'a' twice in 'a|a'"),
    (".csv", "text,label\nthe dog,a| a \nthe cat,b\n", "line 2 has the label 'a' twice in"),
    (".csv", "text,label\nthe dog,a|\nthe cat,b\n", "line 2 has an empty label in 'a|'"),
    (".csv", "text,label\nthe dog,|\nthe cat,b\n", "line 2 has an empty label in '|'"),
    (".csv", "text,label\nthe dog,a|A\nthe cat,b\n", "which differ only in case"),
    (
        ".csv",
        "text,label\nthe dog,a|nan\nthe cat,b\n",
        "the label 'nan', which stands for a missing",
    ),
    (".csv", "text,label\nthe dog,a\nthe cat,\n", " has the label 'a' alone: give two or more"),
    (".csv", "text,label\nthe dog,\nthe cat,\n", " has no labels: give two or more"),
    (
        *(".csv", "text,label\nthe dog,a|b\nthe cat,b|a\n"),
        " has a single set of labels, 'b|a', in its 2 examples: give a split with at least two",
    ),
    (".csv", "text,label\n", " has no labels: give two or more"),
    (".csv", "text,labels\nthe dog,a|b\n", "has no column 'label' but 'text', 'labels'"),
    (".csv", _TWO.format("2,1"), "line 3 has '2' in column 'a': write 1 where"),
    (".csv", _TWO.format(",1"), "line 3 has '' in column 'a': write 1 where"),
    (".csv", _TWO.format("0.5,1"), "line 3 has '0.5' in column 'a': write 1 where"),
    (".csv", "text,a,c\nthe dog,1,0\n", "line 1 has no column 'b' but 'text', 'a', 'c'"),
    (
        *(
            ".jsonl",
            '{"text": "the dog", "label": ["a", "a"]}\n{"text": "the cat", "label": ["b"]}',
        ),
        "line 1 has the label 'a' twice",
    ),
    (
        *(".jsonl", '{"text": "the dog", "label": ["a", ""]}\n{"text": "the cat", "label": ["b"]}'),
        "line 1 has the label '' in column 'label': write labels that are not empty",
    ),
    (
        *(".jsonl", '{"text": "the dog", "label": ["a|b", "c"]}\n'),
        "line 1 has the label 'a|b' in column 'label': write labels that are not empty, without |",
    ),
    (
        *(".jsonl", '{"text": "the dog", "label": ["a", null]}\n'),
        "line 1 has null in column 'label': write a text or a number",
    ),
    (".jsonl", '{"text": "the dog", "label": [["a"]]}\n', "line 1 has a list in column 'label'"),
    (".jsonl", '{"text": "the dog", "label": null}\n', "line 1 has null in column 'label'"),
    (".jsonl", '{"text": ["the dog"], "label": ["a"]}\n', "line 1 has a list in column 'text'"),
]
