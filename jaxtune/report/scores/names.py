"""Names of arms, tasks and groups: each run has its own, and one thing has one spelling."""

import math
import re
from collections.abc import Iterable, Sequence

from jaxtune.core.errors import UserError
from jaxtune.report.scores.runs import ARM, GROUP, TASK, Run

# A number that is a name, or a setting's value within one such as `lr=2e-5`.
NUMBER = re.compile(r"(?<==)\S+|^\S+$")


def check_names(runs: Sequence[Run]) -> None:
    """Raises UserError for a run without a task, or a group, where others name theirs, and for a
    name in two spellings.
    """
    for kind in (TASK, GROUP):
        named = next((run for run in runs if getattr(run, kind) is not None), None)
        bare = next((run for run in runs if getattr(run, kind) is None), None)
        if named and bare:
            raise UserError(
                f"{bare.where} has no {kind}, and {named.where} has {getattr(named, kind)!r}; give"
                " it to every run, or to none."
            )
    for kind in (ARM, TASK, GROUP):
        check_spellings(kind, [(run.where, getattr(run, kind)) for run in runs])


def check_spellings(kind: str, named: Iterable[tuple[str, str | None]]) -> None:
    """Raises UserError for names that differ in their case alone, or in how a number is written:
    one recipe would be two, and one task two that bear each other out.

    Args:
        named: names, each with where it stands; None has none.
    """
    seen: dict[str, tuple[str, str]] = {}
    for where, name in named:
        if name is None:
            continue
        first_at, first = seen.setdefault(NUMBER.sub(_number, name.casefold()), (where, name))
        if name != first:
            raise UserError(
                f"{where} has the {kind} {name!r}, and {first_at} has {first!r}: give one {kind}"
                " one spelling, or two of them names that differ in more than case and zeros."
            )


def _number(found: re.Match[str]) -> str:
    try:
        value = float(found[0])
    except ValueError:
        return found[0]
    return f"{value:.12g}" if math.isfinite(value) else found[0]
