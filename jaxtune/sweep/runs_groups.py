"""What trains the trials of a sweep: the devices of this process, or the nodes of a cluster."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtune.config.trials import Trial
from jaxtune.sweep.results import Keep


@runtime_checkable
class RunsGroups(Protocol):
    """Trains trials in groups, and keeps what each group leaves."""

    def run(
        self,
        pending: Sequence[Sequence[Trial]],
        first_leg: bool = False,
        keep: Keep | None = None,
    ) -> None:
        """Trains these trials of each plan, whole or to its stop step; returns when all have left
        their results.

        Args:
            keep: what to do with the results, if not what a sweep does.
        """
