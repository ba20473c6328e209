"""What arms score on further sets: other dev files, a test file with labels, parts of a dev set."""

from jaxtune.report.decimals import form_of
from jaxtune.report.findings import Findings
from jaxtune.report.tables import Table, shown
from jaxtune.stats.describe import further_scores
from jaxtune.stats.wording import MISSING

NOTE = (
    "After a trial's last step: mean, and below it the std over the trials that have a score there."
    " Neither failures nor the verdict go by these; whoever chooses by them has made them dev sets."
)


def further_table(found: Findings) -> Table | None:
    """A row per arm; None where only the dev set was scored."""
    scores = {
        each.arm.name: further_scores([trial.row for trial in each.trials]) for each in found.arms
    }
    names = tuple(dict.fromkeys(name for own in scores.values() for name in own))
    if not names:
        return None
    form = form_of(
        value for own in scores.values() for score in own.values() for value in score.values()
    )
    rows = tuple(
        (arm, *(_cell(own.get(name), form) for name in names)) for arm, own in scores.items()
    )
    return Table("On further sets", ("Arm", *names), rows, NOTE)


def _cell(score: dict[str, float | None] | None, form: str) -> str:
    if score is None or score["mean"] is None:
        return MISSING
    return f"{shown(score['mean'], form)}\nstd {shown(score['std'], form)}"
