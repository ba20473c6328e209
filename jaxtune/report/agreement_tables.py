"""Tables on how differently the trials of an arm answer, and which seed is behind it."""

from jaxtune.report.findings import Findings
from jaxtune.report.tables import Table, cell, shown
from jaxtune.stats.instability import Instability
from jaxtune.stats.wording import MISSING, short_p

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


def instability_table(found: Findings) -> Table | None:
    """How differently trials answer; None where no arm has two trials with predictions."""
    rows = []
    for arm in found.arms:
        kinds = {"all trials": arm.instability}
        if arm.description.failed.count:
            kinds["not failed"] = arm.of_successes
        rows += [
            _instability_row(f"{arm.arm.name}\n{kind}", one)
            for kind, one in kinds.items()
            if one and one.disagreement.value is not None
        ]
    if not rows:
        return None
    columns = ("Arm", "Trials", "Disagreement", "Kappa", "Divergence")
    of_sets = found.arms[0].trials[0].row.get("several_labels", False)
    of_words = found.arms[0].trials[0].sentences is not None
    note = INSTABILITY_NOTE + (INSTABILITY_OF_SETS if of_sets else "")
    note += INSTABILITY_OF_WORDS if of_words else ""
    return Table("Agreement of the predictions", columns, tuple(rows), note)


def _instability_row(name: str, found: Instability) -> tuple[str, ...]:
    values = (found.disagreement.value, found.kappa.value, found.divergence.value)
    return (name, str(found.n), *map(shown, values))


def representations_table(found: Findings) -> Table | None:
    """How differently trials represent texts; None where no sweep's kept trials were compared."""
    rows = [
        (f"{arm.arm.name}\n{kind}", str(one.n), shown(one.cka.value), shown(one.procrustes.value))
        for arm in found.arms
        if arm.representations
        for kind, one in zip(("all trials", "not failed"), arm.representations, strict=True)
        if kind == "all trials" or arm.description.failed.count
    ]
    columns = ("Arm", "Trials", "1 - CKA", "Procrustes")
    if not rows:
        return None
    return Table("Agreement of the representations", columns, tuple(rows), REPRESENTATIONS_NOTE)


def variance_table(found: Findings) -> Table | None:
    """Variance by random stream; None where no arm's seeds are crossed."""
    rows = [
        (
            f"{arm.arm.name}\n{part.name}",
            f"{part.variance:.2e}",
            cell(part.share, "{:.0%}"),
            str(part.df),
            MISSING if part.p is None else short_p(part.p),
        )
        for arm in found.arms
        for part in arm.split.components
    ]
    if not rows:
        return None
    columns = ("Arm and stream", "Variance", "Share", "df", "p")
    return Table("Where the variance comes from", columns, tuple(rows), VARIANCE_NOTE)
