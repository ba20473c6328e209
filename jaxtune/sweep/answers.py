"""What the trials of each arm answer together to the further sets, as tables for a reader."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.core.answers import answer_columns, answer_rows, as_csv
from jaxtune.core.console import say
from jaxtune.core.failure import is_usable
from jaxtune.core.files import write_text
from jaxtune.core.words import plural
from jaxtune.stats.arms import by_arm
from jaxtune.storage.paths import ANSWERS
from jaxtune.storage.results import further_sets, read_classes, read_ids, read_predictions


def write_answers(out: Path, rows: list[dict[str, Any]], called: Path) -> None:
    """A CSV file for each further set that OUT has answers to; where it lies is said.

    The trials that failed or were stopped early are left out of an arm's answer.

    Args:
        called: what OUT is called when where it lies is said.
    """
    for name in further_sets(out):
        classes, ids = read_classes(out), read_ids(out, name)
        table, several, trials = [], False, 0
        for arm, own in by_arm(rows).items():
            usable = [row["trial"] for row in own if is_usable(row)]
            # Where a trial diverged late its logits are no numbers, whatever it scored.
            logits = [each for each in read_predictions(out, usable, name).values() if _whole(each)]
            if logits:
                # One trial alone has no agreement with others: its column is empty.
                lines = answer_rows(ids, logits, classes, rows[0].get("several_labels", False))
                table += [[arm, *line] for line in lines]
                several, trials = several or len(logits) > 1, trials + len(logits)
        if not table:
            say(
                f"Every trial failed or ended early: what they answer to the {name} examples"
                " together is not written."
            )
            continue
        header = ["arm", *answer_columns(classes, several)]
        padded = [line + [""] * (len(header) - len(line)) for line in table]
        write_text(out / f"{name}{ANSWERS}", as_csv(header, padded))
        say(
            f"Answers to the {name} examples, by the {plural(trials, 'trial')} that did not fail"
            f" or end early, together: {called / f'{name}{ANSWERS}'}"
        )


def _whole(logits: np.ndarray) -> bool:
    return bool(np.isfinite(logits).all())
