"""What a study found, beside what the paper did: the claims of its rule, and finding.json."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from jaxtune.core.files import write_json
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.wording import show_estimate

FINDING = "finding.json"
Agreement = Literal["yes", "no", "in part", "cannot say"]
HOLDS = {True: "yes", False: "no", None: "not decided"}
MOST_LISTED = 5  # trials that are named one by one


class Claim(NamedTuple):
    """A part of what the paper found, as the study's rule asks it of this run."""

    asks: str  # a statement that holds or does not
    found: str  # what decides it, with intervals
    holds: bool | None  # None: the numbers do not decide


@dataclasses.dataclass
class Finding:
    """The end of a study; `here` and the claims are made from the run's numbers.

    The first sentences of `paper` and `here` stand alone: the terminal shows no more.
    """

    title: str
    paper: str  # what the paper found
    here: str  # what this run found
    claims: Sequence[Claim] = ()  # the rule: the same as the paper if all of them hold
    numbers: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()  # selection rules and what the numbers do not show

    def __post_init__(self) -> None:
        self.numbers = plain(self.numbers)

    @property
    def agrees(self) -> Agreement:
        """Whether the run found what the paper did."""
        return agreement([claim.holds for claim in self.claims])

    @property
    def why(self) -> str:
        """The rule in a sentence, and how it came out."""
        if not self.claims:
            return "The trials that this study is about did not occur."
        yes, no, undecided = ([c.holds for c in self.claims].count(x) for x in (True, False, None))
        return (
            f"The rule asks that all {len(self.claims)} claims hold: {yes} do, {no} do not,"
            f" {undecided} undecided."
        )


def write_finding(folder: Path, figure: str, finding: Finding, about: Mapping[str, Any]) -> None:
    """finding.json of a figure's folder; `about` is command, settings and seconds."""
    values = {
        "figure": figure,
        "title": finding.title,
        "paper": finding.paper,
        "here": finding.here,
        "agrees": finding.agrees,
        "why": finding.why,
        "claims": plain(finding.claims),
        "numbers": finding.numbers,
        "notes": list(finding.notes),
    }
    write_json(folder / FINDING, values | dict(about))


def read_finding(folder: Path) -> dict[str, Any]:
    """What `write_finding` wrote."""
    return json.loads((folder / FINDING).read_text(encoding="utf-8"))


def plain(value: Any) -> Any:
    """The value as JSON has it: estimates and shares as mappings, numpy's numbers as Python's."""
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value.item() if isinstance(value, np.generic) else value


def agreement(parts: Sequence[bool | None]) -> Agreement:
    """All parts of a claim hold: yes; none: no; some: in part. None: a part that is not decided."""
    if all(part is None for part in parts):
        return "cannot say"
    if all(parts):
        return "yes"
    return "in part" if any(parts) else "no"


def decided(yes: bool, no: bool) -> bool | None:
    """True or False where the one or the other was shown; None where neither was."""
    return True if yes else False if no else None


def above(estimate: Estimate) -> bool | None:
    """Whether a number and its interval lie above 0; None where that is not decided."""
    if estimate.low is None or estimate.high is None:
        return None
    return decided(estimate.low > 0, estimate.high < 0)


def show(estimate: Estimate, digits: int = 3) -> str:
    """A number with its interval, or with why it has none."""
    return show_estimate(estimate, f"{{:.{digits}f}}")


def listed(values: Sequence[float], show_one: Callable[[float], str]) -> str:
    """Each of a few values; of many the median and the range."""
    if len(values) <= MOST_LISTED:
        return ", ".join(map(show_one, values))
    low, middle, high = map(show_one, (min(values), float(np.median(values)), max(values)))
    return f"{middle} ({low} to {high}, median and range of {len(values)})"
