"""Runs one study or all of them: sweeps, numbers, finding, pictures, page."""

import importlib
import time
from collections.abc import Sequence

from jaxtune.core.console import duration, say
from jaxtune.core.files import write_text
from jaxtune.study.context import PlannedOnlyError, Study, check_models, clear
from jaxtune.study.drawing.draw import draw
from jaxtune.study.finding import Finding, write_finding
from jaxtune.study.page import write_page
from jaxtune.study.selection import NothingToShowError
from jaxtune.study.settings import FIGURES, StudyConfig, as_yaml, check_text


def run_studies(config: StudyConfig, argv: Sequence[str]) -> None:
    """The study asked for, or all; each is complete on disk before the next begins."""
    study = Study(config)
    asked = [*FIGURES] if config.figure == "all" else [config.figure]
    began = time.monotonic()
    # Before any sweep: what is wrong with the last study's input is to be known before the first
    # has run.
    if "forgetting" in asked:
        check_text(config)
    if {"gradient_norms", "bias_correction"} & {*asked}:
        check_models([config.model, *config.more_models])
    if "depth" in asked:
        check_models(config.depth_models)
    for number, figure in enumerate(asked, 1):
        say(f"\n== {figure} ({number} of {len(asked)})")
        _run(study, figure, argv)
    if config.dry_run:
        return
    write_text(config.out / "study.yaml", as_yaml(config))
    page = write_page(config.out, [*FIGURES])
    say(f"\n{duration(time.monotonic() - began)} in all. Page: {page}")


def _run(study: Study, figure: str, argv: Sequence[str]) -> None:
    """One study; a study that has nothing to show says so in its finding and draws nothing."""
    began = time.monotonic()
    module = importlib.import_module(f"jaxtune.study.figures.{figure}")
    try:
        finding: Finding = module.run(study)
    except PlannedOnlyError:
        return
    except NothingToShowError as nothing:
        clear(study.folder(figure), ".parquet", ".npz")
        finding = Finding(
            title=module.TITLE,
            paper=module.PAPER,
            here=str(nothing),
            agrees="cannot say",
            why="The trials that this study is about did not occur.",
        )
        drawn = False
    else:
        drawn = True
    about = {
        "command": ["python", "-m", "jaxtune.study", *argv],
        "settings": as_yaml(study.config),
        "seconds": round(time.monotonic() - began, 1),
    }
    folder = study.folder(figure)
    clear(folder, ".png", ".svg")
    write_finding(folder, figure, finding, about)
    if drawn:
        draw(folder)
    say(
        f"\n{finding.title}\n{finding.paper}\n{finding.here}\nSame: {finding.agrees}. {finding.why}"
    )
    for note in finding.notes:
        say(f"- {note}")
