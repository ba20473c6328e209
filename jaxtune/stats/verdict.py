"""Which recipe is more stable, how sure that is, and what to do next.

Stability is asked in this order: which arm fails less often; where that was not shown, whose scores
vary less. Location is reported and decides nothing. Here it is decided; the words are those of
`sentences` and `notes`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtune.stats import sentences
from jaxtune.stats.arms import Arm, check_comparable
from jaxtune.stats.compare import Comparison, compare_all
from jaxtune.stats.notes import notes
from jaxtune.stats.power import PowerTable, power_table
from jaxtune.stats.sentences import ALPHA, Win

MOST_PAIRS = 3  # that notes are about, the least certain ones


class Verdict(NamedTuple):
    """Three sentences, what to bear in mind with them, and the numbers behind them."""

    more_stable: str
    how_sure: str
    next_step: str
    notes: tuple[str, ...]
    leader: str | None = None  # the arm to use; None where none was shown to be more stable
    wins: tuple[Win, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    open_pair: Comparison | None = None  # of the leader, the nearest to a difference not shown
    power: PowerTable | None = None  # of the open pair

    @property
    def sentences(self) -> tuple[str, str, str]:
        """The verdict itself."""
        return self.more_stable, self.how_sure, self.next_step

    @property
    def text(self) -> str:
        """The three sentences, then the notes, a line each."""
        return "\n".join([*self.sentences, *self.notes])

    def __str__(self) -> str:
        return self.text


def judge(arms: Sequence[Arm], num_dev: int | None = None, seed: int = 0) -> Verdict:
    """The verdict over the arms of one or several sweeps; UserError where scores do not compare.

    Args:
        num_dev: examples of the dev set.
        seed: of bootstrap, permutations and simulated power.
    """
    check_comparable(arms)
    if any(arm.selected for arm in arms):
        return Verdict(*sentences.selected(arms), notes(arms, [], None, num_dev, ALPHA, 0))
    if len(arms) == 1:
        return Verdict(*sentences.one_arm(arms[0]), notes(arms, [], None, num_dev, ALPHA, 0))
    pairs = compare_all(arms, seed)
    named, num_tests = {arm.name: arm for arm in arms}, 3 * len(pairs)
    assert len(named) == len(arms), "arms need names of their own"
    wins = [win for pair in pairs if (win := find_win(pair, named))]
    leader = _leader(arms, wins)
    led = [win for win in wins if win.winner == leader.name]
    nearest = _open_pair(leader, pairs, wins)
    power = None
    if nearest and not all(arm.failed.all() for arm in arms):
        alpha = ALPHA / num_tests
        power = power_table(named[nearest.one], named[nearest.other], alpha, seed=seed)
    if led:
        said = sentences.shown(leader, arms, led, num_tests)
        shown = [win.pair for win in sorted(led, key=lambda win: -win.p)[:MOST_PAIRS]]
    else:
        assert nearest, "an arm that beats none has open pairs"
        said = sentences.not_shown(arms, nearest, power, num_tests)
        shown = [nearest]
    name = leader.name if led else None
    bear_in_mind = notes(arms, shown, name, num_dev, ALPHA, num_tests)
    return Verdict(*said, bear_in_mind, name, tuple(wins), tuple(pairs), nearest, power)


def find_win(pair: Comparison, named: dict[str, Arm]) -> Win | None:
    """Who was shown to be more stable: by failures if they differ, else by spread.

    A small std is no win for an arm most of whose trials failed.
    """
    assert pair.holm
    one, other = named[pair.one], named[pair.other]
    p = pair.holm.failures
    if p is not None and p <= ALPHA:
        better, worse = sorted((one, other), key=lambda arm: arm.failed.mean())
        return Win(better.name, worse.name, True, p, pair)
    p = pair.holm.spread
    if p is not None and p <= ALPHA:
        better, worse = sorted((one, other), key=lambda arm: arm.final.std())
        if not better.mostly_failed:
            return Win(better.name, worse.name, False, p, pair)
    return None


def _leader(arms: Sequence[Arm], wins: Sequence[Win]) -> Arm:
    """Of the arms that lose to none, the one that beats most.

    Of several, the one with the fewest failures, then the smallest std, then the highest mean.
    """
    losers = {win.loser for win in wins}
    unbeaten = [arm for arm in arms if arm.name not in losers] or list(arms)

    def rank(arm: Arm) -> tuple[int, float, float, float]:
        won = sum(win.winner == arm.name for win in wins)
        scores = arm.final
        return -won, float(arm.failed.mean()), float(scores.std()), -float(scores.mean())

    return min(unbeaten, key=rank)


def _open_pair(leader: Arm, pairs: Sequence[Comparison], wins: Sequence[Win]) -> Comparison | None:
    """The leader's pair that comes nearest to a difference in stability without showing one."""
    settled = [win.pair for win in wins]
    still_open = [
        pair for pair in pairs if leader.name in (pair.one, pair.other) and pair not in settled
    ]

    def nearest(pair: Comparison) -> float:
        return min((p for p in pair.p[:2] if p is not None), default=1.0)

    return min(still_open, key=nearest, default=None)
