"""`jaxtune report`: what one or several sweeps say, as a page, as Markdown and as CSV."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxtune.core.cli import run
from jaxtune.core.flags import parse_flags


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Writes report.html, report.md, arms.csv and trials.csv about the arms of sweeps.

    Works on a sweep that still runs or was cut off; what has finished is in it.
    """

    outs: tuple[Path, ...] = dataclasses.field(metadata={"positional": "OUT"})
    """Folders that sweeps have left."""
    to: Path | None = None
    """Folder for the report; without it, the first OUT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    return run(
        lambda words: report(parse_flags("report", ReportConfig, words)),
        argv,
        "make room or give another --to",
    )


def report(config: ReportConfig) -> None:
    """Reads the sweeps and writes the four files."""
    # Imported late: `--help` and usage errors answer before pandas, scipy and matplotlib load.
    from jaxtune.report.writing import write_report

    write_report(config.outs, config.to)


if __name__ == "__main__":
    sys.exit(main())
