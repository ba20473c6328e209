"""Runs one study or all of them: sweeps, numbers, finding, pictures, page."""

import importlib
import time
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from jaxtune.core.console import console, duration, say
from jaxtune.core.files import write_text
from jaxtune.study.context import PlannedOnlyError, Study, by_depth, check_models, clear
from jaxtune.study.drawing.draw import draw
from jaxtune.study.finding import HOLDS, Finding, write_finding
from jaxtune.study.measures import NothingToShowError
from jaxtune.study.page import first_sentence, write_page
from jaxtune.study.settings import CORRECTION, FIGURES, StudyConfig, as_yaml, check_text


def run_studies(config: StudyConfig, argv: Sequence[str]) -> None:
    """The study asked for, or all; each is complete on disk before the next begins."""
    study = Study(config)
    asked = [*FIGURES] if config.figure == "all" else [config.figure]
    began = time.monotonic()
    _check(config, asked)
    findings = {}
    for number, figure in enumerate(asked, 1):
        say(f"\n== {figure} ({number} of {len(asked)})")
        try:
            findings[figure] = _run(study, figure, argv)
        except PlannedOnlyError:
            continue
        say_finding(findings[figure])
    if config.dry_run:
        return
    write_text(config.out / "study.yaml", as_yaml(config))
    page = write_page(config.out, (*FIGURES, CORRECTION))
    if len(findings) > 1:
        say_findings(findings)
    say(f"\n{duration(time.monotonic() - began)} in all. All numbers and pictures: {page}")


def _check(config: StudyConfig, asked: Sequence[str]) -> None:
    """What is wrong with the last study's input is to be known before the first one's sweeps."""
    if "forgetting" in asked:
        check_text(config)
    if {"gradient_norms", "bias_correction"} & {*asked}:
        check_models([config.model, *config.more_models])
    if "depth" in asked:
        check_models(config.depth_models)
        by_depth(config.depth_models)


def _run(study: Study, figure: str, argv: Sequence[str]) -> Finding:
    """One study; one that has nothing to show says so in its finding and draws nothing."""
    began = time.monotonic()
    module = importlib.import_module(f"jaxtune.study.figures.{figure}")
    try:
        finding: Finding = module.run(study)
        to_draw = True
    except NothingToShowError as nothing:
        clear(study.folder(figure), ".parquet", ".npz")
        finding = Finding(module.TITLE, module.PAPER, str(nothing))
        to_draw = False
    about = {
        "command": ["python", "-m", "jaxtune.study", *argv],
        "settings": as_yaml(study.config),
        "seconds": round(time.monotonic() - began, 1),
    }
    folder = study.folder(figure)  # not before: a dry run makes none
    clear(folder, ".png", ".svg")
    write_finding(folder, figure, finding, about)
    if to_draw:
        draw(folder)
    return finding


def say_finding(finding: Finding) -> None:
    """The rule's claims as a table, then what the paper found, what this run did, and the rule."""
    say(f"\n{finding.title}")
    if finding.claims:
        claims = ((claim.asks, claim.found, HOLDS[claim.holds]) for claim in finding.claims)
        _say_table(("the paper's claim", "here", "holds"), claims)
    say(f"The paper: {first_sentence(finding.paper)} Here: {first_sentence(finding.here)}")
    say(f"The same? {finding.agrees}. {finding.why}")


def say_findings(findings: Mapping[str, Finding]) -> None:
    """All studies in one table."""
    say("")
    _say_table(
        ("study", "same as the paper?", "found here"),
        ((name, found.agrees, first_sentence(found.here)) for name, found in findings.items()),
    )


def _say_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))  # as text: names may hold brackets
    console.print(table)
