"""What a report says in the terminal: what was read, the verdict, the arms and the notes."""

from collections.abc import Sequence

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from jaxtune.core.console import Name, console, say
from jaxtune.report.findings import find
from jaxtune.report.sources import Source
from jaxtune.report.tables import RANK_COLUMNS, Table, arms_table
from jaxtune.stats.tasks_words import TasksVerdict
from jaxtune.stats.verdict import Verdict

# Of those of `arms_table`; of recipes over tasks all are shown but the ranks.
TERMINAL_COLUMNS = ("Arm", "Failed", "Mean", "Std", "Min", "Max", "Peak learning rate")


def say_verdict(sources: Sequence[Source], margin: float | None) -> None:
    """Judges what was read and says it, without a page."""
    found = find(sources, margin=margin)
    say_findings(sources, found.verdict, arms_table(found))


def say_findings(sources: Sequence[Source], verdict: Verdict | TasksVerdict, table: Table) -> None:
    """What was read and how much of it is there, the sentences, the table of arms, or of recipes
    over tasks, as far as there is room, and the notes.
    """
    for source in sources:
        for text in (source.status, " ".join(source.reading)):
            if text:
                say(f"{text}\n")
    say("\n".join(verdict.sentences))
    console.print(terminal_table(table))
    say("\n".join(f"- {note}" for note in verdict.notes))


def terminal_table(table: Table) -> RichTable:
    """The columns that a terminal has room for, of a table of arms or of recipes over tasks."""
    of_arms = table.columns[0] == "Arm"
    shown = [
        i
        for i, name in enumerate(table.columns)
        if (name in TERMINAL_COLUMNS if of_arms else name not in RANK_COLUMNS)
    ]
    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for index in shown:
        title = table.columns[index].replace(" learning", "\nlearning")
        made.add_column(title, justify="right" if index else "left", no_wrap=index > 0)
    for row in table.rows:
        # Intervals of scores stay in the page.
        cells = [
            cell.split("\n")[0] if table.columns[i] in ("Mean", "Std") else cell
            for i, cell in enumerate(row)
        ]
        made.add_row(*(Text(cells[index]) if index else Name(cells[0]) for index in shown))
    return made
