"""Refused training files of words with tags, and what the sentence says."""

GOOD_SENTENCES = {
    ".conll": "the O\ndog B\n\nthe O\n",
    ".jsonl": '{"tokens": ["the", "dog"], "tags": ["O", "B"]}\n',
}
BAD_SENTENCES = [
    (".conll", "", "is empty: give a file with examples"),
    (".conll", "-DOCSTART- -X- O\n\n", "has no sentences: give a file with words"),
    (".conll", "the\ndog\n", "line 1 has 1 column: write a word and its tag in each line"),
    (".conll", "the O\ndog\n", "line 2 has 1 column, and line 1 has 2: give each word as many"),
    (".conll", "the O\n\ndog NN B\n", "line 3 has 3 columns, and line 1 has 2"),
    (".conll", "the\tO\ndog\t\n", "line 2 has an empty tag: fill it in"),
    (".conll", "the\tO\n\tB\n", "line 2 has an empty word: fill it in"),
    (".conll", "the O\ndog O\n", "has a single tag, 'O', in its 2 words: give a split with at"),
    (".conll", "the O\ndog nan\n", "the sentence from line 1 on has the label 'nan', which"),
    (".conll", "the B-X\ndog b-x\n", "which differ only in case"),
    (
        *(".conll", "tokens ner_tags\nthe O\ndog B\n"),
        " begins with the word 'tokens' and the tag 'ner_tags', which no other word has and which"
        " look like column names: say --text_columns tokens --label_column ner_tags if they are",
    ),
    (".csv", "word,tag\nthe,O\n", "is a CSV file, whose cells hold no lists of words"),
    (".xml", "<s/>", "has an unknown suffix"),
    (".jsonl", '{"tokens": "the dog", "tags": ["O", "B"]}', "line 1 has a text in column 'tokens'"),
    (
        ".jsonl",
        '{"tokens": ["the"], "tags": null}',
        "line 1 has null in column 'tags': write a list",
    ),
    (".jsonl", '{"tokens": [["the"]], "tags": ["O"]}', "line 1 has a list in column 'tokens'"),
    (".jsonl", '{"tokens": [null], "tags": ["O"]}', "line 1 has null in column 'tokens'"),
    (".jsonl", '{"tokens": ["the", " "], "tags": ["O", "B"]}', "line 1 has an empty word in"),
    (".jsonl", '{"tokens": [], "tags": []}', "line 1 has no words in column 'tokens'"),
    (
        *(".jsonl", '{"tokens": ["the", "dog"], "tags": ["O"]}'),
        "line 1 has 2 words in column 'tokens' and 1 tag in 'tags': give one for each word",
    ),
    (
        *(".jsonl", '{"tokens": ["the", "dog"], "tags": [0, 1]}'),
        "line 1 has numbers as tags, and the file does not say what they are called: name them",
    ),
    (".jsonl", '{"tokens": ["the"], "ner": ["O"]}', "line 1 has no column 'tags' but 'tokens'"),
]
