"""Reads, judges, draws and writes a report, and says what it says."""

from collections.abc import Callable, Sequence
from pathlib import Path

from jaxtune.core.console import ProgressLine, say
from jaxtune.core.errors import UserError
from jaxtune.core.files import write_text
from jaxtune.report.contents import sections
from jaxtune.report.findings import find
from jaxtune.report.formats import arms_csv, markdown, trials_csv
from jaxtune.report.page import html
from jaxtune.report.scores.folders import is_folder_of_runs
from jaxtune.report.scores.read import places_source, word_source
from jaxtune.report.scores.runs import Given
from jaxtune.report.sources import Source, read_sources
from jaxtune.report.terminal import say_findings
from jaxtune.storage.paths import CONFIG, MANIFEST, REPORT, TRIALS


def write_report(
    outs: Sequence[Path], scores: Sequence[str], to: Path | None, given: Given
) -> None:
    """Leaves the four files in `to`, or beside the first of `outs`; UserError without any trial."""
    folder = to or _folder(outs[0])
    with ProgressLine("report", 3) as line:
        line.update(0, "reading")
        sources = _sources(outs, scores, given, lambda _, text: line.update(0, text))
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
    say_findings(found)
    say(f"\nWrote {', '.join(REPORT)} in {folder}")


def _folder(out: Path) -> Path:
    """A sweep's own, or one beside a table."""
    return out.with_name(f"{out.stem}_report") if out.is_file() else out


def _sources(
    outs: Sequence[Path],
    scores: Sequence[str],
    given: Given,
    report: Callable[[int, str], None],
) -> list[Source]:
    """Those of sweeps, and one of all else; raises UserError for an arm that is in both."""
    if scores:
        return [word_source(scores, given)]
    others = [out for out in outs if _is_of_another_trainer(out)]
    sweeps = [out for out in outs if out not in others]
    sources = read_sources(sweeps, report) if sweeps else []
    if not others:
        return sources
    runs = places_source(others, given)
    arms = {row["arm"] for source in sources for row in source.rows}
    both = [row["arm"] for row in runs.rows if row["arm"] in arms]
    if both:
        raise UserError(
            f"[{both[0]}] is an arm of a sweep and of {runs.name}; give it another name there."
        )
    return [*sources, runs]


def _is_of_another_trainer(out: Path) -> bool:
    if out.is_dir():
        of_sweep = any((out / name).exists() for name in (TRIALS, CONFIG, MANIFEST))
        return not of_sweep and is_folder_of_runs(out)
    return bool(out.suffix)
