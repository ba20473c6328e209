"""What the terminal shows of the tables of a page."""

from jaxtune.report.tables import ARM_COLUMNS, RANK_COLUMNS, Table
from jaxtune.report.terminal import TERMINAL_COLUMNS, terminal_table


def titles(*columns):
    made = terminal_table(Table("", columns, (("1",) * len(columns),)))
    return [str(column.header) for column in made.columns]


def test_every_column_of_the_terminal_is_one_of_the_page():
    """One that is renamed there would vanish here without a word."""
    shown = [title.replace("\n", " ") for title in titles(*ARM_COLUMNS)]
    assert shown == list(TERMINAL_COLUMNS)


def test_of_recipes_all_is_shown_but_the_ranks():
    assert titles("Recipe", "rte", "cola", *RANK_COLUMNS) == ["Recipe", "rte", "cola"]
