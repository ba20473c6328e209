"""How long a group takes on this cluster, by those that have ended: who is slow, and who silent."""

import statistics
from collections.abc import Sequence

from jaxtune.training.plan import ProgramPlan


class UsualTime:
    """Seconds of a group by what its trials compute: programs differ in epochs and batches, and a
    first leg is a small part of the steps.

    By the slots of one trial, however many ran at once: as workers differ in how many that is, and
    a step of many takes little longer than one of few.
    """

    def __init__(self, plans: Sequence[ProgramPlan]):
        self._plans = plans
        self._rates: list[list[float]] = [[] for _ in plans]  # seconds a slot, of ended groups

    def note(self, program: int, steps: int, seconds: float) -> None:
        """A group of so many steps has ended."""
        self._rates[program].append(seconds / self._slots(program, steps))

    def of(self, program: int, steps: int) -> float | None:
        """Seconds of a group of so many steps, by the program's own groups; by those of others
        where none of it has ended, and None where none has at all.
        """
        rates = self._rates[program] or [rate for each in self._rates for rate in each]
        return statistics.median(rates) * self._slots(program, steps) if rates else None

    def _slots(self, program: int, steps: int) -> float:
        """That a trial takes in its first steps, padding included."""
        plan = self._plans[program]
        return float(plan.rows[:, :steps].mean(axis=0).sum()) * plan.task.shape.slots
