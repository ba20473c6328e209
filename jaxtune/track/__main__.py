"""`jaxtune track`: a sweep's trials as runs of W&B, MLflow or trackio."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxtune.config.settings import TrackerName
from jaxtune.config.validate_places import check_tracker
from jaxtune.core.cli import run
from jaxtune.core.flags import parse_flags


@dataclasses.dataclass(frozen=True)
class TrackConfig:
    """Sends the trials of a sweep, and its report, to a tracker of experiments: what `jaxtune sweep
    --track` does at its end.

    What has been sent is noted in OUT/tracked.json and not sent again.
    """

    out: Path = dataclasses.field(metadata={"positional": "OUT"})
    """Folder that a sweep has left, or still fills."""
    to: TrackerName
    """W&B is offline in OUT/wandb unless WANDB_MODE says otherwise; MLflow is OUT/mlflow.db unless
    MLFLOW_TRACKING_URI is set; trackio is its own folder unless TRACKIO_DIR, TRACKIO_SPACE_ID or
    TRACKIO_SERVER_URL is set."""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    return run(
        lambda words: track(parse_flags("track", TrackConfig, words)),
        argv,
        "what has been sent is noted: make room, and give the same command again",
    )


def track(config: TrackConfig) -> None:
    """Sends what has not been sent."""
    check_tracker(config.to)
    # Imported late: `--help` and usage errors answer before pandas loads.
    from jaxtune.track.sending import send

    send(config.out, config.to)


if __name__ == "__main__":
    sys.exit(main())
