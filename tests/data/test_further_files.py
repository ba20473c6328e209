"""Files to answer, with labels or without: none of their rows and labels is lost in silence, and
what is said names the flags that are meant.
"""

import json
import re

import pytest

from jaxtune.core.errors import UserError
from jaxtune.data.csv_rows import Dialect
from jaxtune.data.custom import read_further
from jaxtune.data.examples import Layout
from jaxtune.data.rows import Wanted
from jaxtune.data.sentences import read_further_tagged
from jaxtune.data.tables import read_table

LAYOUT = Layout(("text",), "label", ("a", "b"))
SWALLOWED = 'id;text;note\n1;"the dog;x\n2;the singer;y\n3;the wolf";z\n4;the end;y\n'


def written(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("labelled", [0, 1])
def test_labels_of_some_rows_are_refused(tmp_path, labelled):
    rows = [{"text": "the dog"}, {"text": "the singer"}]
    rows[labelled]["label"] = "a"
    file = written(tmp_path / "test.jsonl", *rows)
    missing = f"test.jsonl, line {2 - labelled} has no column 'label', which others have"
    with pytest.raises(UserError, match=re.escape(missing)):
        read_further(file, LAYOUT)
    # To a reader of texts alone they are nothing.
    assert not read_further(file, LAYOUT, labelled=False).labelled
    everywhere = written(file, *({"text": "the dog", "label": "a"} for _ in range(2)))
    assert read_further(everywhere, LAYOUT).labelled


@pytest.mark.parametrize("tagged", [0, 1])
def test_tags_of_some_sentences_are_refused(tmp_path, tagged):
    rows = [{"tokens": ["the", "dog"]}, {"tokens": ["a"]}]
    rows[tagged]["tags"] = ["a"] * len(rows[tagged]["tokens"])
    file = written(tmp_path / "test.jsonl", *rows)
    with pytest.raises(UserError, match=f"line {2 - tagged} has no column 'tags', which others"):
        read_further_tagged(file, Layout(("tokens",), "tags", ("a", "b")), None)


@pytest.mark.parametrize("labelled", [None, False])
def test_a_quote_that_swallows_rows_without_labels_is_refused(tmp_path, labelled):
    """By their number of cells, for there is no label to go by."""
    (tmp_path / "texts.csv").write_text(SWALLOWED.replace(";", ","))
    with pytest.raises(UserError, match="line 2 opens a quote that closes in line 4"):
        read_further(tmp_path / "texts.csv", LAYOUT, labelled=labelled)


def test_a_quote_that_swallows_rows_of_a_test_file_with_labels_is_refused(tmp_path):
    text = 'text,label\n"foo he said,a\nbar,b\nqux,a\nbaz",a\nend,b\n'
    (tmp_path / "test.csv").write_text(text)
    with pytest.raises(UserError, match="line 2 opens a quote that closes in line 5"):
        read_further(tmp_path / "test.csv", LAYOUT)


@pytest.mark.parametrize(("text", "line"), [("text\na\n\nb\n", 3), ('text\n\n\n"a\nb"\n', 2)])
def test_a_blank_line_before_a_text_is_refused(tmp_path, text, line):
    """It vanished, and the answers to the texts behind it had the numbers of others."""
    (tmp_path / "texts.csv").write_text(text)
    with pytest.raises(UserError, match=f"texts.csv, line {line} is empty: fill it in or take"):
        read_further(tmp_path / "texts.csv", LAYOUT, labelled=False)
    for rest in ("text\na\nb\n\n\n", "id,text\n0,a\n\n1,b\n", '\ntext\n"a\n\n"\nb\n'):
        (tmp_path / "texts.csv").write_text(rest)
        assert len(read_further(tmp_path / "texts.csv", LAYOUT, labelled=False).ids) == 2


def test_a_text_of_several_lines_is_one(tmp_path):
    (tmp_path / "texts.csv").write_text('id,text,note\n1,"the dog,\nand, so, on\nbye",x\n2,a,y\n')
    found = read_further(tmp_path / "texts.csv", LAYOUT, labelled=False)
    assert found.examples.first == ["the dog,\nand, so, on\nbye", "a"]
    (tmp_path / "alone.csv").write_text('text\n"a\nb"\na\nb\n')
    found = read_further(tmp_path / "alone.csv", LAYOUT, labelled=False)
    assert found.examples.first == ["a\nb", "a", "b"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_flags_that_are_named_are_those_that_help(tmp_path, suffix):
    import pandas as pd

    frame = pd.DataFrame({"words": ["a", "b"], "answer": ["x", "y"]})
    file = tmp_path / f"texts{suffix}"
    if suffix == ".csv":
        frame.to_csv(file, index=False)
    elif suffix == ".jsonl":
        frame.to_json(file, orient="records", lines=True)
    else:
        frame.to_parquet(file)
    for wanted, named in (
        (Wanted(("text",)), False),
        (Wanted(("text",), ("label",)), True),
        (Wanted(("text",), ("label",), optional=True), True),
    ):
        with pytest.raises(UserError, match="no column 'text' but 'words'") as error:
            read_table(file, wanted)
        assert "name others with --text_columns" in str(error.value)
        assert ("--label_column" in str(error.value)) == named


def test_columns_in_one_word_are_told_apart(tmp_path):
    (tmp_path / "texts.csv").write_text("a,b\nx,y\n")
    with pytest.raises(UserError, match="others with --text_columns a b, with spaces between, or,"):
        read_table(tmp_path / "texts.csv", Wanted(("a,b",)))


@pytest.mark.parametrize(("mark", "named"), [(";", "';'"), ("\t", "tab"), ("|", "'|'")])
def test_cells_that_all_are_in_quotes_say_what_is_between_them(tmp_path, mark, named):
    rows = (("id", "text"), ("1", "the dog"))
    text = "".join(mark.join(f'"{cell}"' for cell in row) + "\n" for row in rows)
    (tmp_path / "texts.csv").write_text(text)
    with pytest.raises(UserError, match=f"say --delimiter {re.escape(named)}"):
        read_further(tmp_path / "texts.csv", LAYOUT, labelled=False)


def test_what_reads_labels_of_another_kind_is_named_where_there_are_labels(tmp_path):
    file = written(tmp_path / "test.jsonl", {"text": ["the", "dog"], "label": ["a", "b"]})
    tags = written(tmp_path / "test.conll", {})
    for labelled in (None, False):
        with pytest.raises(UserError, match="has a list in column 'text': write a text") as listed:
            read_further(file, LAYOUT, labelled=labelled)
        with pytest.raises(UserError, match="has an unknown suffix") as unknown:
            read_further(tags, LAYOUT, labelled=labelled)
        for error in (listed, unknown):
            assert ("say --token_classification true" in str(error.value)) == (labelled is None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('text\n"first line\nsecond"\nfoo\n', 'line 2 has "first line, whose quotes may hold'),
        ("text\nfirst\rsecond\nfoo\n", "line 2 has a carriage return within"),
    ],
)
def test_a_text_of_several_lines_in_one_column_of_a_tsv_is_refused(tmp_path, text, says):
    """It became two, and the answers behind it had the numbers of others."""
    file = tmp_path / "texts.tsv"
    file.write_text(text, newline="")
    with pytest.raises(UserError, match=re.escape(says)):
        read_further(file, LAYOUT, labelled=False)
    if "\r" not in text:
        found = read_further(file, LAYOUT, Dialect(quoting=True), labelled=False)
        assert found.examples.first == ["first line\nsecond", "foo"]
        assert len(read_further(file, LAYOUT, Dialect(quoting=False), labelled=False).ids) == 3
    # Quotes that hold no file together, line ends of their own, and those that Windows doubles.
    for whole, number in (
        ('text\n"a" b\n"c\n', 2),
        ('text\n"a," b\nb c"\n', 2),
        ('text\n"a"\nb c\n"d" e\n', 3),
        ("text\ra\rb\rc\r", 3),
        ("text\tid\r\r\na\tx\r\r\nb\ty\r\r\n", 2),
    ):
        file.write_text(whole, newline="")
        assert len(read_further(file, LAYOUT, labelled=False).ids) == number


def test_a_file_without_labels_may_leave_their_column_out(tmp_path):
    file = written(tmp_path / "test.jsonl", {"text": "a", "label": None})
    out = ", or take the line out, or the column where there are no labels"
    with pytest.raises(
        UserError, match=f"has null in column 'label': write a text or a number{out}"
    ):
        read_further(file, LAYOUT)
    with pytest.raises(UserError, match=r"or take the line out$"):
        read_further(file, LAYOUT, labelled=True)


def test_names_of_other_code_points_are_said_to_be(tmp_path):
    """An accented letter may be one code point or two, and looks the same."""
    file = tmp_path / "texts.csv"
    file.write_text("te\u0301xt,label\nx,cafe\u0301\n")
    with pytest.raises(UserError, match=r"it looks as .* \(NFC and NFD\); write both in one"):
        read_further(file, Layout(("t\u00e9xt",), "label", ("a", "b")))
    with pytest.raises(
        UserError, match=r"has the label .* \(NFC and NFD\); write both in one form"
    ):
        read_further(file, Layout(("te\u0301xt",), "label", ("a", "caf\u00e9")))


def test_what_parts_columns_is_the_same_in_all_files(tmp_path):
    (tmp_path / "texts.csv").write_text("text,label\nx,a\n")
    says = "say --delimiter ',' if that parts its columns; all files are read with the same one"
    with pytest.raises(UserError, match=says):
        read_further(tmp_path / "texts.csv", LAYOUT, Dialect(";"))


def test_columns_of_labels_are_named_by_their_flag(tmp_path):
    (tmp_path / "texts.csv").write_text("text,a\nx,1\n")
    with pytest.raises(UserError, match=r"no column 'b' .*--text_columns and --label_columns"):
        read_table(tmp_path / "texts.csv", Wanted(("text",), ("a", "b")))
