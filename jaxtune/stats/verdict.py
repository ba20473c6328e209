"""Which recipe is more stable, how sure that is, and what to do next.

Stability is asked in this order: which arm fails less often; where that was not shown, whose scores
vary less. Location is reported and decides nothing. Here it is decided; the words are those of
`sentences` and `notes`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from jaxtune.stats import grid_words, sentences, undecided
from jaxtune.stats.arms import Arm, check_comparable
from jaxtune.stats.compare import Comparison, compare_all
from jaxtune.stats.equivalence import check_margin
from jaxtune.stats.holm import ALPHA, least, num_tests
from jaxtune.stats.main_effects import MainEffect, main_effects
from jaxtune.stats.notes import notes
from jaxtune.stats.power import Findable, findable
from jaxtune.stats.sentences import Win
from jaxtune.stats.tasks import TasksWin


class Verdict(NamedTuple):
    """The sentences, what to bear in mind with them, and the numbers behind them."""

    more_stable: str
    how_sure: str
    next_step: str
    notes: tuple[str, ...]
    over_grid: tuple[str, ...] = ()  # what a setting does over all cells of a grid
    leaders: tuple[str, ...] = ()  # the arms to use; empty where none was shown more stable
    wins: tuple[Win, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    open_pair: Comparison | None = None  # of a leader, the nearest to a difference not shown
    findable: tuple[Findable, ...] = ()  # differences in the open pair that more seeds would find
    main_effects: tuple[MainEffect, ...] = ()

    @property
    def decided(self) -> bool:
        """Whether one arm was shown to be more stable than all others."""
        return len(self.leaders) == 1 and self.open_pair is None

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict itself."""
        return self.more_stable, self.how_sure, *self.over_grid, self.next_step

    @property
    def num_tests(self) -> int:
        """Tests that Holm's correction is over."""
        return num_tests(self.comparisons)

    @property
    def text(self) -> str:
        """The sentences, then the notes, a line each."""
        return "\n".join([*self.sentences, *self.notes])

    def __str__(self) -> str:
        return self.text


def judge(
    arms: Sequence[Arm],
    num_dev: int | None = None,
    seed: int = 0,
    margin: float | None = None,
    times: float = 1.0,
) -> Verdict:
    """The verdict over the arms of one or several sweeps; UserError where scores do not compare.

    Args:
        num_dev: examples of the dev set.
        seed: of the permutations.
        margin: the difference of scores that is as good as none.
        times: how many times every p counts, where this is one of several looks.
    """
    check_comparable(arms)
    if margin is not None:
        check_margin(arms, margin)
    named = {arm.name: arm for arm in arms}
    assert len(named) == len(arms), "arms need names of their own"
    if said := _without_a_comparison(arms):
        return Verdict(*said, notes(arms, None, (), num_dev))
    pairs = compare_all(arms, seed, margin, times)
    effects = main_effects(arms, seed, times)
    wins = [win for pair in pairs if (win := find_win(pair, named))]
    leaders = leaders_of(named, wins)
    led = [win for win in wins if win.winner in leaders]
    nearest = _open_pair(leaders, pairs, wins)
    levels = (ALPHA / num_tests(pairs) / times, ALPHA / len(pairs) / times)
    ways = _ways(named, nearest, levels)
    if led:
        said = sentences.shown([named[name] for name in leaders], arms, led, pairs)
        shown = max(led, key=lambda win: win.p).pair  # the least certain one
    elif nearest:  # the leaders have beaten none
        leaders = ()
        said, shown = undecided.not_shown(arms, pairs, nearest, ways), nearest
    else:  # a beats b, b beats c and c beats a
        said, shown = sentences.no_leader(arms), None
    return Verdict(
        *(said if len(leaders) == 1 else _with_keep(said, effects)),
        notes(arms, shown, leaders, num_dev, pairs),
        grid_words.over_grid(effects),
        leaders,
        tuple(wins),
        tuple(pairs),
        nearest,
        ways,
        effects,
    )


def _ways(
    named: Mapping[str, Arm], nearest: Comparison | None, levels: tuple[float, float]
) -> tuple[Findable, ...]:
    """What more seeds would find in the open pair; nothing where every trial of all arms failed."""
    if nearest is None or all(arm.failed.all() for arm in named.values()):
        return ()
    return findable(named[nearest.one], named[nearest.other], *levels, nearest.paired)


def _without_a_comparison(arms: Sequence[Arm]) -> sentences.Sentences | None:
    """What is said where nothing can be compared; None where it can."""
    if any(arm.selected for arm in arms):
        return sentences.selected(arms)
    if any(arm.shares_seeds for arm in arms):
        return sentences.crossed(arms)
    return sentences.one_arm(arms[0]) if len(arms) == 1 else None


def _with_keep(said: sentences.Sentences, effects: Sequence[MainEffect]) -> sentences.Sentences:
    """A lone leader is advice enough; without one the grid says which values to go on with."""
    more_stable, how_sure, next_step = said
    return more_stable, how_sure, f"{grid_words.keep(effects)} {next_step}".strip()


def find_win(pair: Comparison, named: Mapping[str, Arm]) -> Win | None:
    """Who was shown to be more stable: by failures if they differ, else by spread.

    A small std is no win for an arm that fails more often than the other, or mostly: failures are
    alike, so that of two recipes the worse one would often have the smaller std.
    """
    one, other = named[pair.one], named[pair.other]
    p = pair.failures.p
    if p is not None and p <= ALPHA:
        better, worse = sorted((one, other), key=lambda arm: arm.failed.mean())
        return Win(better.name, worse.name, True, p, pair)
    p = pair.spread.p
    if p is not None and p <= ALPHA:
        better, worse = sorted((one, other), key=lambda arm: arm.final.std())
        if better.failed.mean() <= worse.failed.mean() and not better.mostly_failed:
            return Win(better.name, worse.name, False, p, pair)
    return None


def leaders_of(names: Iterable[str], wins: Sequence[Win] | Sequence[TasksWin]) -> tuple[str, ...]:
    """Of those that lose to none, those that beat most; none where every one loses to another."""
    losers = {win.loser for win in wins}
    beaten = {name: sum(win.winner == name for win in wins) for name in names if name not in losers}
    most = max(beaten.values(), default=0)
    return tuple(name for name, number in beaten.items() if number == most)


def _open_pair(
    leaders: Sequence[str], pairs: Sequence[Comparison], wins: Sequence[Win]
) -> Comparison | None:
    """A leader's pair that comes nearest to a difference in stability without showing one."""
    settled = [win.pair for win in wins]
    still_open = [
        pair for pair in pairs if {pair.one, pair.other} & set(leaders) and pair not in settled
    ]
    return min(still_open, key=lambda pair: least(*pair.tests.decisive), default=None)
