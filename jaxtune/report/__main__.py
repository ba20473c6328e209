"""`python -m jaxtune.report`: what one or several sweeps say, as a page, as Markdown and as CSV
(DESIGN 2.1).
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from jaxtune.core.cli import exit_status


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Writes report.html, report.md, arms.csv and trials.csv about the arms of one or several
    sweeps.

    Works on a sweep that still runs or was cut off; what has finished is in it.
    """

    outs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="OUT [OUT ...]")]
    """Folders that sweeps have left."""
    to: Path | None = None
    """Folder for the report; without it, the first OUT."""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status: 0 done, 1 error (one sentence), 2 wrong usage, 130
    interrupted.
    """
    config = tyro.cli(
        ReportConfig, args=argv, prog="python -m jaxtune.report", use_underscores=True
    )
    if not config.outs:
        print("No OUT is given; name one or more folders that sweeps have left.", file=sys.stderr)
        return 2
    return exit_status(lambda: report(config), "make room or give another --to")


def report(config: ReportConfig) -> None:
    """Reads the sweeps and writes the four files."""
    # Imported late: `--help` and usage errors answer before pandas, scipy and matplotlib load.
    from jaxtune.report.writing import write_report

    write_report(config.outs, config.to)


if __name__ == "__main__":
    sys.exit(main())
