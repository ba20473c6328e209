"""What a study found, beside what the paper did: finding.json."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from jaxtune.core.files import write_json
from jaxtune.stats.intervals import Estimate, Share

FINDING = "finding.json"
Agreement = Literal["yes", "no", "in part", "cannot say"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """The end of a study; every sentence of `here` and `why` is made from the run's numbers."""

    title: str
    paper: str  # what the paper found
    here: str  # what this run found, with intervals
    agrees: Agreement
    why: str  # the rule that gave `agrees`, and how it came out
    numbers: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()  # selection rules and what the numbers do not show


def write_finding(folder: Path, figure: str, finding: Finding, about: Mapping[str, Any]) -> None:
    """finding.json of a figure's folder; `about` is command, settings and seconds."""
    values = dataclasses.asdict(finding) | {"notes": list(finding.notes)}
    write_json(folder / FINDING, {"figure": figure} | values | dict(about))


def read_finding(folder: Path) -> dict[str, Any]:
    """What `write_finding` wrote."""
    return json.loads((folder / FINDING).read_text(encoding="utf-8"))


def agreement(parts: Sequence[bool | None]) -> Agreement:
    """All parts of a claim hold: yes; none: no; some: in part. None is a part that the numbers do
    not decide.
    """
    decided = [part for part in parts if part is not None]
    if not decided:
        return "cannot say"
    if all(decided):
        return "yes" if len(decided) == len(parts) else "in part"
    return "in part" if any(decided) else "no"


def show(estimate: Estimate, digits: int = 3) -> str:
    """A number with its interval, or with why it has none."""
    if estimate.value is None:
        return f"unknown ({estimate.reason})"
    value = f"{estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return f"{value} (no interval: {estimate.reason})"
    return f"{value} (95 % interval {estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def show_share(part: Share) -> str:
    """Such as `12 of 16 failed (95 % interval 51% to 90%)`."""
    return (
        f"{part.count} of {part.n} failed (95 % interval {part.wilson_low:.0%} to"
        f" {part.wilson_high:.0%})"
    )


def above(estimate: Estimate, bound: float = 0.0) -> bool | None:
    """Whether a number lies above a bound, interval and all; None where the interval holds the
    bound or is missing.
    """
    if estimate.low is None or estimate.high is None:
        return None
    if estimate.low > bound:
        return True
    return False if estimate.high < bound else None
