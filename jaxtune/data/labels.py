"""The classes that files were labelled with, or why their labels are no classes."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.unseen import UNSEEN
from jaxtune.core.words import quoted

# How tables spell that nothing is there.
MISSING = {
    *("", "?", "nan", "-nan", "none", "null", "na", "n/a", "<na>", "nat"),
    *("#n/a", "#na", "#null!", "#value!", "#ref!", "#div/0!", "#name?", "#num!"),  # spreadsheets
}
# More classes than this are looked at for scores and for the wrong column.
MANY_CLASSES = 20
# What labels may differ in and still be one to a reader.
_NO_DIFFERENCE = re.compile(rf"""[\s{UNSEEN}"'`]+""")
LARGEST = float(np.finfo(np.float32).max)
# Of the range of all scores: what they may lose in float32 where some become equal. Of many scores
# with long fractions some always do, and no metric shows it.
ROUNDING = 1e-5


class Label(NamedTuple):
    """A label as a file has it, without the spaces around it."""

    where: str  # file and line
    text: str


def number(text: str) -> float | None:
    """A text as a finite float32 number; None where it is none."""
    try:
        value = float("nan" if "_" in text else text)  # 1_5 is 15 to Python and a slip in a table
    except ValueError:
        return None
    return value if abs(value) <= LARGEST else None


def check_apart(source: str, scores: Sequence[float]) -> None:
    """Raises UserError for distinct scores that float32, which a model is trained and judged in,
    makes equal although they lie apart, as of large numbers that differ little.
    """
    exact = np.unique(np.array(scores, np.float64))
    rounded = exact.astype(np.float32)
    equal = np.flatnonzero(rounded[1:] == rounded[:-1])
    if not len(equal) or np.abs(exact - rounded).max() <= ROUNDING * (exact[-1] - exact[0]):
        return
    one, other = (f"{score:.17g}" for score in exact[equal[0] :][:2])
    raise UserError(
        f"{source} has the scores {one} and {other}, which are one number in float32: take the same"
        f" constant, such as {exact[0]:.17g}, from all scores"
    )


def classes_of(train: Sequence[Label], dev: Sequence[Label]) -> tuple[str, ...]:
    """The distinct labels of the training split, in order; raises UserError where the labels of
    either split look like slips, or like anything but classes.
    """
    first: dict[str, Label] = {}
    for label in (*train, *dev):
        first.setdefault(label.text, label)
    for label in first.values():
        _check_missing(label)
    _check_alike(first.values())
    counts = Counter(label.text for label in train)
    if len(counts) > MANY_CLASSES:
        _check_are_classes(train[0].where, counts)
    return in_order(counts)


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Numbers by value, so that 2 comes before 10; other labels by spelling."""
    values = {label: number(label) for label in labels}
    if None in values.values():
        return tuple(sorted(values))
    return tuple(sorted(values, key=lambda label: (values[label], label)))


def _check_missing(label: Label) -> None:
    if label.text.casefold() in MISSING:
        # An empty name is none that --classes could have.
        named = ", or name every class with --classes if it is one" if label.text else ""
        raise UserError(
            f"{label.where} has the label {label.text!r}, which stands for a missing one: fill it"
            f" in or take the row out{named}"
        )


def _check_alike(labels: Iterable[Label]) -> None:
    """Raises UserError for distinct labels that are one to a reader: Pos and pos, 1 and 1.0,
    and those that only what nobody sees tells apart.
    """
    read: dict[str, Label] = {}
    for label in labels:
        known = read.setdefault(_normal(label.text), label)
        if known is not label:
            raise UserError(
                f"{label.where} has the label {label.text!r} and {known.where} has {known.text!r},"
                " which differ only in case, spaces, unseen characters, quotes, Unicode form or"
                " the way a number is written: write them alike, or name every class with --classes"
            )


def _normal(label: str) -> str:
    value = number(label)
    if value is not None:
        return repr(value + 0.0)  # so that -0 is 0
    # Tags of quotes are quotes, such as `` and ''.
    return _NO_DIFFERENCE.sub("", unicodedata.normalize("NFKC", label).casefold()) or label


def fractions(labels: Iterable[str]) -> list[str]:
    """Of labels that are all numbers, those that are not whole: scores, more likely."""
    values = {label: number(label) for label in labels}
    if None in values.values():
        return []
    return [label for label, value in values.items() if value != int(value or 0)]


def _check_are_classes(where: str, counts: Counter[str]) -> None:
    """Raises UserError for many labels with fractions, or that occur once: scores, or texts."""
    single = sum(count == 1 for count in counts.values())
    are_numbers, parts = None not in map(number, counts), fractions(counts)
    if not parts and single < len(counts) * (0.25 if are_numbers else 0.5):
        return
    what = "numbers" if are_numbers else "texts"
    why = "which are not whole" if parts else f"and {single} of them occur once"
    do = (
        "say --regression true to predict a number"
        if are_numbers
        else "give the column of the classes with --label_column"
    )
    raise UserError(
        f"{where.rpartition(', ')[0]} has {len(counts)} distinct {what} as labels, such as"
        f" {quoted((parts or list(counts))[:3])}, {why}: {do}, or name every class with --classes"
    )
