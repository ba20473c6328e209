"""Which trials go to which worker, a group at a time: nothing is handed out before it is asked for.

So a fast worker takes from a slow one only what nobody has begun, and no trial runs twice unless
the worker that had it was lost.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

MOST_LOSSES = 3  # workers on living nodes that a trial may take with it


class HandOut:
    """The trials of each program that nobody has, by their numbers."""

    def __init__(self, pending: Sequence[Sequence[int]]):
        self._free = [list(numbers) for numbers in pending]
        self.losses: Counter[int] = Counter()

    def left(self) -> int:
        """Trials that nobody has."""
        return sum(map(len, self._free))

    def program_for(self, at: int | None, workers: Mapping[int, int]) -> int | None:
        """The program that a worker is to run: the one that it is at while that has trials, for
        another is compiled anew; else the one with most trials for each worker that is at it. None
        where nothing is left.

        Args:
            workers: how many are at each program, this one left out.
        """
        if at is not None and self._free[at]:
            return at
        waiting = [program for program, free in enumerate(self._free) if free]
        share = {p: len(self._free[p]) / (workers.get(p, 0) + 1) for p in waiting}
        return max(waiting, key=lambda program: share[program], default=None)

    def share(self, program: int, workers: int) -> list[int]:
        """The trials that a worker would have if all workers had as many; at least one."""
        free = self._free[program]
        return free[: max(1, -(-len(free) // max(workers, 1)))]

    def take(self, program: int, most: int) -> list[int]:
        """The next trials of a program, at most so many."""
        taken, self._free[program] = self._free[program][:most], self._free[program][most:]
        return taken

    def give_back(self, program: int, numbers: Sequence[int]) -> None:
        """These run again, before those that nobody has had."""
        self._free[program] = sorted([*numbers, *self._free[program]])

    def lost(self, program: int, numbers: Sequence[int], blamed: bool) -> list[int]:
        """Gives trials back whose worker was lost; those that have been lost too often.

        Args:
            blamed: whether the trials may be why: their node lives.
        """
        self.give_back(program, numbers)
        if blamed:
            self.losses.update(numbers)
        return [number for number in numbers if self.losses[number] >= MOST_LOSSES]
