"""What arms score on further sets: other dev files, a test file with labels, parts of a dev set."""

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
    rows = tuple((arm, *(_cell(own.get(name)) for name in names)) for arm, own in scores.items())
    return Table("On further sets", ("Arm", *names), rows, NOTE)


def _cell(score: dict[str, float | None] | None) -> str:
    if score is None or score["mean"] is None:
        return MISSING
    return f"{shown(score['mean'])}\nstd {shown(score['std'])}"
