"""What sweeps answered to GLUE's test split, in the files that the benchmark takes.

Each file is called as its leaderboard asks, has the header `index` and `prediction` and a line for
every example of the test split, numbered from 0 on. The files and what stands in them:
https://gluebenchmark.com/faq.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxtune.core.answers import Logits, together
from jaxtune.core.console import say
from jaxtune.core.errors import UserError
from jaxtune.core.files import replace_file
from jaxtune.core.words import plural
from jaxtune.data.glue import GLUE_TASKS
from jaxtune.data.glue_files import DIAGNOSTIC
from jaxtune.export.choose import members_named
from jaxtune.export.members import read_sweep
from jaxtune.storage.paths import PREDICTIONS
from jaxtune.storage.results import read_ids, read_predictions


class Wanted(NamedTuple):
    """A file of a submission."""

    name: str
    examples: int  # of the test split


# Task -> the name of its answers -> the file.
FILES: dict[str, dict[str, Wanted]] = {
    "cola": {"test": Wanted("CoLA.tsv", 1063)},
    "sst2": {"test": Wanted("SST-2.tsv", 1821)},
    "mrpc": {"test": Wanted("MRPC.tsv", 1725)},
    "stsb": {"test": Wanted("STS-B.tsv", 1379)},
    "mnli": {
        "test": Wanted("MNLI-m.tsv", 9796),
        "test_mismatched": Wanted("MNLI-mm.tsv", 9847),
        DIAGNOSTIC: Wanted("AX.tsv", 1104),
    },
    "qnli": {"test": Wanted("QNLI.tsv", 5463)},
    "qqp": {"test": Wanted("QQP.tsv", 390_965)},
    "rte": {"test": Wanted("RTE.tsv", 3000)},
    "wnli": {"test": Wanted("WNLI.tsv", 146)},
}
# The others are told by number.
BY_WORD = ("mnli", "qnli", "rte")
LOWEST, HIGHEST = 0.0, 5.0  # of STS-B
# A zip file keeps times, and the same answers are to be the same bytes.
NO_TIME = (1980, 1, 1, 0, 0, 0)


def write_submission(outs: Sequence[Path], trial: str, arm: str | None, target: Path) -> None:
    """Writes the zip file and says what it lacks; raises UserError for what is no submission."""
    texts: dict[str, str] = {}
    for out in outs:
        for name, text in _files_of(out, trial, arm).items():
            if name in texts:
                raise UserError(f"{out} is the second folder that gives {name}; give one of them.")
            texts[name] = text

    def write(part: Path) -> None:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in sorted(texts.items()):
                archive.writestr(zipfile.ZipInfo(name, NO_TIME), text, zipfile.ZIP_DEFLATED)

    replace_file(target, write)
    say(f"Wrote {target}: {', '.join(sorted(texts))}.")
    every = [wanted.name for files in FILES.values() for wanted in files.values()]
    if missing := [name for name in every if name not in texts]:
        say(f"GLUE takes eleven files; missing are {', '.join(missing)}.")


def _files_of(out: Path, trial: str, arm: str | None) -> dict[str, str]:
    """The files that a sweep gives, by name."""
    sweep = read_sweep(out, "final", needed=())
    task = str(sweep.members[0].trial.config.task)
    if task not in FILES:
        raise UserError(f"{out} is of task {task}, which is none of GLUE's; leave it out.")
    chosen = members_named(sweep, trial, arm)
    found = {}
    for name, wanted in FILES[task].items():
        if not (out / PREDICTIONS / name).is_dir():
            if name == DIAGNOSTIC:
                continue
            raise UserError(
                f"{out} has no answers to GLUE's test split ({PREDICTIONS}/{name}); sweep with"
                " --predict_test."
            )
        ids = read_ids(out, name)
        _check_numbered(out, name, ids)
        if len(ids) != wanted.examples:
            say(
                f"Warning: {wanted.name} has {plural(len(ids), 'example')}, and GLUE's test split"
                f" {wanted.examples:,}."
            )
        answers = read_predictions(out, [member.number for member in chosen], name)
        _check_finite(out, answers)
        found[wanted.name] = _text(task, together(list(answers.values())))
    return found


def _check_numbered(out: Path, name: str, ids: Sequence[str]) -> None:
    if list(ids) != [str(number) for number in range(len(ids))]:
        raise UserError(
            f"The examples that {out} calls {name} are not numbered from 0 on, as GLUE's are; sweep"
            " with the test split as GLUE publishes it."
        )


def _check_finite(out: Path, answers: Mapping[int, Logits]) -> None:
    for number, logits in answers.items():
        if not np.isfinite(logits).all():
            raise UserError(
                f"{out}: trial {number} gives logits that are not finite; give another --trial."
            )


def _text(task: str, answer: Logits) -> str:
    lines = [f"{i}\t{label}" for i, label in enumerate(_labels(task, answer))]
    return "\n".join(["index\tprediction", *lines]) + "\n"


def _labels(task: str, answer: Logits) -> list[str]:
    names = GLUE_TASKS[task].label_names
    if names is None:
        return [f"{score:.3f}" for score in np.clip(answer[:, 0], LOWEST, HIGHEST)]
    return [names[i] if task in BY_WORD else str(i) for i in answer.argmax(axis=1)]
