"""How many steps a dispatch takes."""

from collections.abc import Iterator, Sequence

# What a dispatch costs beside its steps may be this share of it.
EDGE_SHARE = 0.01
# The display, an interruption and a checkpoint wait for a dispatch to end.
LONGEST_DISPATCH = 2.0


class Pace:
    """Doubles the steps of a dispatch until its own cost is hidden, or until it gets long.

    That cost is measured: where dispatches of 1 and 2 steps took t1 and t2, it is 2 t1 - t2. It
    changes no result: a step does the same arithmetic wherever a dispatch begins.
    """

    def __init__(self, most: int):
        self.most = most
        self.count = 1
        self._seconds: dict[int, float] = {}  # of a dispatch of so many steps, the shortest seen
        self._began: float | None = None  # when the devices went on to the dispatch under way

    def began(self, now: float) -> None:
        """A dispatch was given to idle devices."""
        self._began = now

    def ended(self, count: int, now: float) -> None:
        """A dispatch of so many steps has ended; the next, if there is one, is under way."""
        if self._began is not None:
            seconds = now - self._began  # a program's first holds its compilation: others are less
            self._seconds[count] = min(seconds, self._seconds.get(count, seconds))
        self._began = now
        if count == self.count and self._grows():
            self.double()

    def double(self) -> None:
        """Twice the steps from the next dispatch on, as far as the program holds them."""
        self.count = min(2 * self.count, self.most)

    def dispatches(self, step: int, to: int, cuts: Sequence[int]) -> Iterator[int]:
        """Steps of each dispatch from `step` to `to`, none across a multiple of a number of
        `cuts`.
        """
        while step < to:
            count = min(self.count, to - step, *(every - step % every for every in cuts))
            yield count
            step += count

    def _grows(self) -> bool:
        now, half = self._seconds.get(self.count), self._seconds.get(self.count // 2)
        if now is None or 2 * now > LONGEST_DISPATCH:
            return False
        return half is None or 2 * half - now > EDGE_SHARE * now
