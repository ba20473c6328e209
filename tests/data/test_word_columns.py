"""Columns of words and tags by number and by name: a line of column names is no sentence, and what
is asked for and not there is refused.
"""

import json

import pytest

from jaxtune.core.errors import UserError
from jaxtune.data.examples import Layout
from jaxtune.data.sentences import read_further_tagged, read_tagged

HEADER, ROWS = "tokens\tner_tags\n", "the\tO\ndog\tB-X\n\nthe\tO\n"
WORDS = [["the", "dog"], ["the"]]


def written(path, text):
    path.write_text(text)
    return path


def read(folder, text, word="text", tag="label", dev=None, suffix=".conll", **more):
    train = written(folder / f"train{suffix}", text)
    other = written(folder / f"dev{suffix}", dev or text)
    return read_tagged(train, other, word, tag, **more)


@pytest.mark.parametrize(
    ("header", "word", "tag"),
    [
        (HEADER, "tokens", "ner_tags"),
        (HEADER + "\n", "tokens", "ner_tags"),
        (" tokens\u200b \tner_tags\n", "tokens", "ner_tags"),
        (HEADER, "tokens", "label"),
        (HEADER, "text", "ner_tags"),
        (HEADER, "1", "ner_tags"),
        ("text\tlabel\n", "text", "label"),
    ],
)
def test_a_line_of_names_is_no_sentence(tmp_path, header, word, tag):
    found = read(tmp_path, header + ROWS, word, tag)
    assert found.train.words == WORDS
    assert found.task.label_names == ("B-X", "O")
    assert found.task.primary_metric == "entity_f1"
    names = header.replace("\u200b", "").split()
    assert found.notes[0] == (
        f"{tmp_path / 'train.conll'} begins with a line of column names: its words are column 1 of"
        f" 2 ({names[0]}), its tags are column 2 of 2 ({names[1]})."
    )


def test_columns_without_names(tmp_path):
    """As before, unless names are asked for that no file has."""
    for word, tag in (("text", "label"), ("1", "2"), ("1", "label")):
        found = read(tmp_path, ROWS, word, tag)
        assert found.train.words == WORDS
        assert found.notes == ()
    assert read(tmp_path, "text\tO\n" + ROWS).train.words == [["text", "the", "dog"], ["the"]]


@pytest.mark.parametrize(
    ("text", "word", "tag", "says"),
    [
        (ROWS, "tokens", "tags", "line 1 has no column 'tokens' but 'the', 'O': name others with"),
        (ROWS, "1", "pos", "no column 'pos' but .* or give their numbers, such as 1 and 2"),
        (HEADER + ROWS, "Tokens", "ner_tags", "write 'Tokens' instead of 'tokens' there"),
        (HEADER + ROWS, "tokens", "tags", "no column 'tags' but 'tokens', 'ner_tags': name others"),
        ("a a\nthe O\ndog B\n", "a", "label", "line 1 has several columns 'a'"),
        (HEADER + ROWS + HEADER, "tokens", "ner_tags", "line 6 has the columns' names once more"),
        (HEADER, "tokens", "ner_tags", "has column names and no words"),
        (ROWS, "1", "-1", "line 1 has 2 columns, and label_column is -1: give a number from 1 to"),
        (ROWS, "-2", "2", "line 1 has 2 columns, and text_columns is -2: give a number from 1 to"),
        (ROWS, "2", "label", "column 2 would be both words and tags: give different ones"),
        (HEADER + ROWS, "text", "label", "begins with the word 'tokens' and the tag 'ner_tags'"),
        ("EU tag\n" + ROWS, "1", "2", "begins with the word 'EU' and the tag 'tag', which no"),
        ("Word POS\na DT\ndog NN\n", "text", "label", "say --text_columns Word --label_column POS"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path, text, word, tag, says):
    with pytest.raises(UserError, match=says):
        read(tmp_path, text, word, tag)


def test_a_first_tag_that_is_named_is_one(tmp_path):
    names = ("B-X", "O", "ner_tags")
    assert read(tmp_path, HEADER + ROWS, classes=names).task.label_names == names
    # Nor is a tag that other words have a column's name, nor one beside words of other tags.
    assert len(read(tmp_path, "Word NN\na DT\ndog NN\n").train.labels) == 3
    assert len(read(tmp_path, "Go VB\na DT\ndog NN\n").train.labels) == 3


def test_universal_columns_have_the_names_of_their_format(tmp_path):
    text = "1\tthe\t_\tDET\tDT\n2\tdog\t_\tNOUN\tNN\n"
    assert read(tmp_path, text, suffix=".conllu").task.label_names == ("DET", "NOUN")
    for tag in ("5", "xpos", "XPOS"):
        found = read(tmp_path, text, "form", tag, suffix=".conllu")
        assert found.task.label_names == ("DT", "NN")
        assert found.train.words == [["the", "dog"]]
    with pytest.raises(UserError, match=r"no column 'ner' but 'id', .*, such as 2 and 4"):
        read(tmp_path, text, "form", "ner", suffix=".conllu")


@pytest.mark.parametrize(
    "text",
    [
        "Word NN\nruns VB\nfast RB\n\nhe PRP\n",
        "Paris LOC\nis O\nnice O\n\nPeter B-PER\n",
    ],
)
def test_a_first_word_that_only_resembles_a_name_is_a_word(tmp_path, text):
    first = text.split()[0]
    assert read(tmp_path, text).train.words[0][0] == first


def test_names_may_be_of_a_file_of_lists(tmp_path):
    rows = [{"tokens": ["the", "dog"], "tags": ["O", "B-X"]}]
    lists = written(tmp_path / "dev.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    columns = written(tmp_path / "train.conll", ROWS)
    found = read_tagged(columns, lists, "tokens", "tags")
    assert found.train.words == WORDS
    said = "has no line of column names: its words are column 1 of 2, its tags are column 2 of 2."
    assert found.notes == (f"{columns} {said}",)


@pytest.mark.parametrize("labelled", [None, False])
def test_words_to_answer(tmp_path, labelled):
    """By name where it is there, else by place; which of them is said."""
    layout = Layout(("tokens",), "ner_tags", ("B-X", "O"))
    file = tmp_path / "texts.conll"
    names = "begins with a line of column names: its words are column 1 of "
    places = "has no line of column names: its words are column 1 of 2"
    for text, said in (
        (HEADER + ROWS, f"{names}2 (tokens)"),
        ("tokens\nthe\ndog\n\nthe\n", f"{names}1 (tokens)"),
        ("tokens\tpos\nthe\tDT\ndog\tNN\n\nthe\tDT\n", f"{names}2 (tokens)"),
        (ROWS, places),
        ("the\ndog\n\nthe\n", ""),
    ):
        found = read_further_tagged(written(file, text), layout, labelled)
        assert found.examples.words == WORDS
        assert found.labelled == (labelled is None and "B-X" in text)
        assert [note.startswith(f"{file} {said}") for note in found.notes] == [True] * bool(said)
    with pytest.raises(UserError, match="no column 'tokens' but 'Words', 'ner_tags': name another"):
        read_further_tagged(written(file, HEADER.replace("tokens", "Words")), layout, labelled)


def test_words_to_answer_where_no_column_of_tags_is_known(tmp_path):
    for header, word in ((HEADER, "tokens"), ("text\tlabel\n", "text"), ("", "text")):
        file = written(tmp_path / "texts.tsv", header + ROWS)
        found = read_further_tagged(file, Layout((word,), "", None), labelled=False)
        assert found.examples.words == WORDS
        assert len(found.notes) == 1
    with pytest.raises(UserError, match="no column 'word' but 'the', 'O': name another with"):
        read_further_tagged(file, Layout(("word",), "", None), labelled=False, by_name=True)


def test_a_test_file_beside_files_with_names(tmp_path):
    """Has them too, or words alone."""
    test = written(tmp_path / "test.txt", "the\ndog\n\nthe\n")
    more = {"further_files": {"test": test}}
    found = read(tmp_path, HEADER + ROWS, "tokens", "ner_tags", **more)
    assert found.further["test"].examples.words == WORDS
    test.write_text(ROWS)
    with pytest.raises(UserError, match=r"test\.txt, line 1 has no column 'tokens' but 'the', 'O'"):
        read(tmp_path, HEADER + ROWS, "tokens", "ner_tags", **more)


@pytest.mark.parametrize("labelled", [False, None])
def test_a_line_of_names_is_not_answered(tmp_path, labelled):
    """Where nobody has named a column either, a line that looks like names is refused; a single
    word may be one, which is said.
    """
    layout = Layout(("text",), "", None)
    file = written(tmp_path / "texts.conll", "word\tpos_tag\n" + ROWS)
    if labelled is False:
        with pytest.raises(UserError, match="line 1 has 'word', 'pos_tag', which look like column"):
            read_further_tagged(file, layout, labelled)
        by_number = Layout(("1",), "", None)
        assert read_further_tagged(file, by_number, labelled).examples.words[0][0] == "word"
    file = written(tmp_path / "words.conll", "word\nthe\ndog\n")
    (note,) = read_further_tagged(file, layout, labelled).notes
    assert note.endswith("line 1 is 'word', which is read as a word: if it is a name, take it out.")
