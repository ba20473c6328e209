"""Tables on how differently the trials of an arm score and answer, and what is behind it: the luck
of the dev examples, or which seed.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from jaxtune.report.findings import ArmFindings, Findings
from jaxtune.report.tables import Table, cell, shown
from jaxtune.stats.intervals import FEWEST_TRIALS
from jaxtune.stats.wording import MISSING, short_p

LUCK_NOTE = (
    "Trials that are equally good still differ on {num_dev} examples, for their mistakes fall on"
    " different ones: that much std comes from these examples, and another dev set would order the"
    " trials otherwise. What is left is the std that the accuracy would show on very many examples,"
    " an estimate without bias before it is cut at 0, with its 95% interval (Jordan 2023),"
    f" which takes {FEWEST_TRIALS} trials."
)
INSTABILITY_NOTE = (
    "Equal scores do not make equal answers."
    " Disagreement: share of dev examples on which two trials differ, mean over pairs."
    " Kappa (Fleiss): 1 is full agreement, 0 what chance gives."
    " Divergence (Jensen-Shannon): in nats, 0 to 0.693."
)
# The same, where a text may have any number of labels.
INSTABILITY_OF_SETS = " Every label of every example counts as an example here: yes or no."
INSTABILITY_OF_WORDS = " Every word counts as an example here."
REPRESENTATIONS_NOTE = (
    "How far apart the states lie that the heads of two trials read of the same dev examples, mean"
    " over pairs of trials whose parameters were kept. 1 - CKA (linear): 0 to 1. Procrustes"
    " (orthogonal, of centred states of norm 1): 0 to 2. 0 is alike up to a rotation and a scale."
)
VARIANCE_NOTE = (
    "Random effects over crossed seeds (ANOVA estimates, negative ones shown as 0)."
    " The rest is the interaction of the streams together with everything that no seed controls."
    " The share has its 95% interval (generalised, for normal effects): few seeds leave it wide."
    " p: F test of no effect."
)

Found = TypeVar("Found")


def luck_table(found: Findings) -> Table:
    """What of an arm's std the dev set brings, of accuracies with predictions."""
    rows = tuple(
        (
            arm.arm.name,
            f"{arm.luck.seen:.4f}",
            f"{arm.luck.from_examples:.4f}",
            cell(arm.luck.beyond, "{:.4f}"),
        )
        for arm in found.arms
        if arm.luck is not None
    )
    columns = ("Arm", "Std seen", "From these examples", "Beyond them")
    return Table("The seeds or the dev set", columns, rows, LUCK_NOTE.format(num_dev=found.num_dev))


def instability_table(found: Findings) -> Table:
    """How differently trials answer, of arms with predictions of two."""
    rows = tuple(
        (
            f"{name}\n{kind}",
            str(one.n),
            *(shown(each.value) for each in (one.disagreement, one.kappa, one.divergence)),
        )
        for name, kind, one in _kinds(found, lambda arm: (arm.instability, arm.of_successes))
        if one and one.disagreement.value is not None
    )
    columns = ("Arm", "Trials", "Disagreement", "Kappa", "Divergence")
    first = found.arms[0].trials[0]
    note = INSTABILITY_NOTE + (INSTABILITY_OF_SETS if first.row.get("several_labels") else "")
    note += INSTABILITY_OF_WORDS if first.sentences is not None else ""
    return Table("Agreement of the predictions", columns, rows, note)


def representations_table(found: Findings) -> Table:
    """How differently trials represent texts, where a sweep's kept ones were compared."""
    rows = tuple(
        (f"{name}\n{kind}", str(one.n), shown(one.cka.value), shown(one.procrustes.value))
        for name, kind, one in _kinds(found, lambda arm: arm.representations or (None, None))
        if one
    )
    columns = ("Arm", "Trials", "1 - CKA", "Procrustes")
    return Table("Agreement of the representations", columns, rows, REPRESENTATIONS_NOTE)


def _kinds(
    found: Findings, two: Callable[[ArmFindings], tuple[Found | None, Found | None]]
) -> Iterator[tuple[str, str, Found | None]]:
    """What was found of all trials of an arm and, where some failed, of those that did not."""
    for arm in found.arms:
        of_all, of_successes = two(arm)
        yield arm.arm.name, "all trials", of_all
        if arm.description.failed.count:
            yield arm.arm.name, "not failed", of_successes


def variance_table(found: Findings) -> Table:
    """Variance by random stream, of arms whose seeds are crossed."""
    rows = tuple(
        (
            f"{arm.arm.name}\n{part.name}",
            f"{part.variance:.2e}",
            cell(part.share, "{:.0%}"),
            str(part.df),
            MISSING if part.p is None else short_p(part.p),
        )
        for arm in found.arms
        for part in arm.split.components
    )
    columns = ("Arm and stream", "Variance", "Share", "df", "p")
    return Table("Where the variance comes from", columns, rows, VARIANCE_NOTE)
