"""Reads, judges, draws and writes a report, and says what it says."""

from collections.abc import Sequence
from pathlib import Path

from jaxtune.core.console import ProgressLine, console, say
from jaxtune.core.errors import UserError
from jaxtune.core.files import write_text
from jaxtune.report.contents import sections
from jaxtune.report.findings import Findings, find
from jaxtune.report.formats import arms_csv, markdown, terminal_table, trials_csv
from jaxtune.report.page import html
from jaxtune.report.sources import read_sources
from jaxtune.report.tables import arms_table
from jaxtune.storage.paths import REPORT


def write_report(outs: Sequence[Path], to: Path | None) -> None:
    """Leaves the four files in `to`, or in the first of `outs`; UserError without any trial."""
    folder = outs[0] if to is None else to
    with ProgressLine("report", 3) as line:
        line.update(0, "reading")
        sources = read_sources(outs, lambda _, text: line.update(0, text))
        found = find(sources, lambda text: line.update(1, text))
        contents = sections(found, lambda text: line.update(2, text))
        texts = (
            html(found, contents),
            markdown(found, contents),
            arms_csv(found),
            trials_csv(found),
        )
    try:
        for name, text in zip(REPORT, texts, strict=True):
            write_text(folder / name, text)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}); give another folder with --to."
        ) from error
    _say(found, folder)


def _say(found: Findings, folder: Path) -> None:
    for source in found.sources:
        if source.status:
            say(f"{source.status}\n")
    say("\n".join(found.verdict.sentences))
    console.print(terminal_table(arms_table(found)))
    say("\n".join(f"- {note}" for note in found.verdict.notes))
    say(f"\nWrote {', '.join(REPORT)} in {folder}")
