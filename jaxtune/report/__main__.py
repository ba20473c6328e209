"""`jaxtune report`: what sweeps or other trainers' runs say, as a page, as Markdown and as CSV."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxtune.core.cli import run
from jaxtune.core.errors import UsageError
from jaxtune.core.flags import parse_flags


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Writes report.html, report.md, arms.csv and trials.csv about the arms of sweeps, or of runs
    of other trainers.

    Works on a sweep that still runs or was cut off; what has finished is in it.
    """

    outs: tuple[Path, ...] = dataclasses.field(default=(), metadata={"positional": "OUT"})
    """Folders that sweeps have left; or tables of runs with the columns arm, seed and score
    (.csv, .tsv, .jsonl, .json, .parquet), and folders ARM/SEED of the Hugging Face Trainer or with
    TensorBoard's event files, all of which are read as one table."""
    margin: float | None = None
    """The difference of scores that is as good as none, such as 0.01: arms may be shown to be equal
    within it."""
    across_models: bool = False
    """Compare recipes within each model, and over models, as within each task and over tasks."""
    to: Path | None = None
    """Folder for the report; without it the first OUT, or NAME_report beside a table NAME."""

    # Runs of other trainers
    scores: tuple[str, ...] = ()
    """Scores of an arm, such as --scores A=0.71,0.69,0.53 --scores B=0.72,0.73,0.72; the verdict is
    printed, and written where --to says."""
    floor: float | None = None
    """The score of the best constant prediction: no better than it, a run has failed. Of an
    accuracy the share of the largest class, of a correlation 0."""
    metric: str | None = None
    """What the scores are, such as accuracy; where a table has no column score, its column."""
    lower_is_better: bool = False
    """The scores are errors."""
    arm_column: tuple[str, ...] = ()
    """The column that names a run's recipe, where it is not arm; of several, all their values."""
    seed_column: str | None = None
    """The column with a run's seed, where it is not seed."""
    dev_examples: int | None = None
    """How many examples the runs were scored on, for what an accuracy owes to their luck."""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    return run(
        lambda words: report(parse_flags("report", ReportConfig, words)),
        argv,
        "make room or give another --to",
    )


def report(config: ReportConfig) -> None:
    """Reads the sweeps or runs and writes the four files."""
    if not config.outs and not config.scores:
        raise UsageError(
            "OUT is not given; give folders that sweeps have left, tables of runs, or --scores."
        )
    if config.outs and config.scores:
        raise UsageError("OUT and --scores are both given; put the scores into a table.")
    if config.margin is not None and not config.margin > 0:
        raise UsageError(f"--margin is {config.margin:g}; give a number above 0, such as 0.01.")
    if config.scores and config.across_models:
        raise UsageError("--across_models is given, and --scores names no models: leave it out.")
    # Imported late: `--help` and usage errors answer before pandas and scipy load.
    from jaxtune.report.scores.check_given import OF_SCORES, check_given, check_is_read
    from jaxtune.report.scores.read import word_source
    from jaxtune.report.scores.runs import Given

    given = Given(
        config.floor,
        config.metric,
        config.lower_is_better,
        config.arm_column,
        config.seed_column,
        config.dev_examples,
    )
    check_given(given, config.margin)
    if config.scores:
        check_is_read(given, OF_SCORES, "--scores has no columns")
    if config.scores and config.to is None:
        from jaxtune.report.terminal import say_verdict

        return say_verdict([word_source(config.scores, given)], config.margin)
    from jaxtune.report.writing import write_report  # with matplotlib

    write_report(config.outs, config.scores, config.to, given, config.margin, config.across_models)
    return None


if __name__ == "__main__":
    sys.exit(main())
