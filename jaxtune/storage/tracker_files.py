"""What trackers leave in OUT, where other programs may keep their own."""

from pathlib import Path

from jaxtune.core.console import say
from jaxtune.core.errors import UserError
from jaxtune.core.files import read_json
from jaxtune.storage.paths import MLFLOW_DATABASE, MLFLOW_FILES, TRACKED

WANDB = "wandb"
TRACKERS = (WANDB, MLFLOW_DATABASE, MLFLOW_FILES)


def left_by_trackers(out: Path) -> set[str]:
    """Of `TRACKERS` those that hold this sweep's runs, as tracked.json has it; none where that is
    damaged, which is said.
    """
    if not (out / TRACKED).exists():
        return set()
    try:
        places = [*map(str, read_json(out / TRACKED)["places"])]
    except (UserError, LookupError, TypeError):
        say(f"{out / TRACKED} is damaged: what trackers have left in {out} stays.")
        return set()
    left = set()
    for place in places:
        # Behind the tracker's name a server's address may stand, or ` in ` and another folder.
        if place.partition(", ")[0] == "mlflow":
            left |= {MLFLOW_DATABASE, MLFLOW_FILES}
        elif place.startswith(WANDB) and " in " not in place:
            left.add(WANDB)
    return left
