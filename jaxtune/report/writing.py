"""Reads, judges, draws and writes a report, and says what it says."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxtune.core.console import ProgressLine, say
from jaxtune.core.errors import UserError
from jaxtune.core.files import write_text
from jaxtune.core.words import listed
from jaxtune.report.contents import Section, sections
from jaxtune.report.findings import find
from jaxtune.report.formats import arms_csv, markdown, task_arms_csv, trials_csv
from jaxtune.report.page import Head, facts, head_of, html
from jaxtune.report.scores.check_given import OF_SCORES, check_is_read
from jaxtune.report.scores.folders import is_folder_of_runs
from jaxtune.report.scores.names import check_spellings
from jaxtune.report.scores.read import places_source, word_source
from jaxtune.report.scores.runs import ARM, TASK, Given
from jaxtune.report.sources import Source, read_sources, task_of
from jaxtune.report.tables import Table, arms_table
from jaxtune.report.task_contents import recipes_table, task_sections
from jaxtune.report.tasks import by_task, facts_over_tasks, find_many
from jaxtune.report.terminal import say_findings
from jaxtune.stats.tasks_words import TasksVerdict
from jaxtune.stats.verdict import Verdict
from jaxtune.storage.paths import CONFIG, MANIFEST, REPORT, TRIALS


def write_report(
    outs: Sequence[Path],
    scores: Sequence[str],
    to: Path | None,
    given: Given,
    margin: float | None,
    across_models: bool,
) -> None:
    """Leaves the four files in `to`, or else in the first of `outs`, beside it where that is a
    table; UserError without any trial.
    """
    folder = to or _folder(outs[0])
    _check_target(folder, outs)
    with ProgressLine("report", 3) as line:
        line.update(0, "reading")
        sources = _sources(outs, scores, given, across_models, lambda _, text: line.update(0, text))
        tasks = by_task(sources, across_models)

        def report(text: str) -> None:
            line.update(1, text)

        if len(tasks) > 1:
            made = _over_tasks(sources, tasks, margin, report)
        else:
            made = _on_one_task(sources, margin, report)
        texts = (
            html(made.head, made.sections),
            markdown(made.head, made.sections),
            made.arms_csv,
            trials_csv(sources),
        )
    try:
        for name, text in zip(REPORT, texts, strict=True):
            write_text(folder / name, text)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}); give another folder with --to."
        ) from error
    say_findings(sources, made.verdict, made.table)
    say(f"\nWrote {', '.join(REPORT)} in {folder}")


def write_page(out: Path, folder: Path) -> Path:
    """The page on one sweep, alone, in a folder, without a word; returns the file."""
    made = _on_one_task(read_sources([out]), None, lambda text: None)
    page = folder / REPORT[0]
    write_text(page, html(made.head, made.sections))
    return page


class Made(NamedTuple):
    """A report before it is written."""

    head: Head
    sections: list[Section]
    arms_csv: str
    verdict: Verdict | TasksVerdict
    table: Table  # for the terminal


def _on_one_task(
    sources: Sequence[Source], margin: float | None, report: Callable[[str], None]
) -> Made:
    found = find(sources, report, margin)
    head = head_of(sources, facts(found), found.verdict.sentences)
    contents, table = sections(found, report), arms_table(found)
    return Made(head, contents, arms_csv(found), found.verdict, table)


def _over_tasks(
    sources: Sequence[Source],
    tasks: Mapping[str, Sequence[Source]],
    margin: float | None,
    report: Callable[[str], None],
) -> Made:
    many = find_many(sources, tasks, report, margin)
    head = head_of(sources, facts_over_tasks(many), many.verdict.sentences)
    contents, table = task_sections(many, report), recipes_table(many)
    return Made(head, contents, task_arms_csv(many.tasks), many.verdict, table)


def _folder(out: Path) -> Path:
    """A sweep's own, or one beside a table."""
    return out.with_name(f"{out.stem}_report") if out.is_file() else out


def _check_target(folder: Path, outs: Sequence[Path]) -> None:
    """Raises UserError where a file of the report would be written over what is to be read, or over
    files of such names in a folder that has no report and is no sweep's.
    """
    held = [name for name in REPORT if (folder / name).exists()]
    read = {out.resolve() for out in outs}
    if given := [name for name in held if (folder / name).resolve() in read]:
        raise UserError(
            f"{folder / given[0]} is to be read, and a report has a file of that name; give"
            " another --to."
        )
    if held and REPORT[0] not in held and not (folder / TRIALS).exists():
        raise UserError(
            f"{folder} holds {listed(held)}, and no {REPORT[0]} beside; give another --to."
        )


def _sources(
    outs: Sequence[Path],
    scores: Sequence[str],
    given: Given,
    across_models: bool,
    report: Callable[[int, str], None],
) -> list[Source]:
    """Those of sweeps, and one of all else; raises UserError for an arm that is in both."""
    if scores:
        return [word_source(scores, given)]
    others = [out for out in outs if _is_of_another_trainer(out)]
    sweeps = [out for out in outs if out not in others]
    sources = read_sources(sweeps, report, across_models) if sweeps else []
    if not others:
        check_is_read(given, (), "OUT says what a sweep's scores are")
        return sources
    if all(out.is_dir() for out in others):
        check_is_read(given, OF_SCORES, "the folders' names are arm and seed")
    runs = places_source(others, given)
    if sources:
        _check_tasks(sources, runs)
    arms = {(task_of(row), row["arm"]) for source in sources for row in source.rows}
    both = [row["arm"] for row in runs.rows if (task_of(row), row["arm"]) in arms]
    if both:
        raise UserError(
            f"[{both[0]}] is an arm of a sweep and of {runs.name}; give it another name there."
        )
    return [*sources, runs]


def _check_tasks(sweeps: Sequence[Source], runs: Source) -> None:
    """Raises UserError for runs of which it is not known whether a sweep's task is theirs."""
    first = sweeps[0]
    task = first.rows[0]["task"]
    if any(row["task"] is None for row in runs.rows):
        raise UserError(
            f"{runs.name} names no task, and {first.name} is of the task {task}: give a table with"
            f" a column task, {task} for runs that were scored on the same dev set."
        )
    for kind in (TASK, ARM):
        named = [(each.name, str(row[kind])) for each in (*sweeps, runs) for row in each.rows]
        check_spellings(kind, named)


def _is_of_another_trainer(out: Path) -> bool:
    if not out.is_dir():
        return bool(out.suffix)
    if any((out / name).exists() for name in (TRIALS, CONFIG, MANIFEST)):
        return False
    if not is_folder_of_runs(out):
        raise UserError(
            f"{out} holds neither a sweep's trials ({TRIALS}) nor another trainer's runs"
            " (trainer_state.json, all_results.json, event files): give a folder that does, or a"
            " table of scores."
        )
    return True
