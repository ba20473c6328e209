"""The verdict and the comparison of two arms as a notebook shows them and a prompt prints them."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from html import escape

import pandas as pd

from jaxtune.core.words import plural
from jaxtune.stats import compare, undecided, verdict
from jaxtune.stats.arms import Arm
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.wording import show_p

ROWS = ("difference or ratio", "low", "high", "p", "holm")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Verdict:
    """Which arm is more stable, how sure that is, what to do next, and what to bear in mind.

    `numbers` holds what is behind the sentences: the leader, the wins, every comparison.
    """

    status: tuple[str, ...]  # of sweeps that have not finished, of scores what may be meant else
    numbers: verdict.Verdict

    def __repr__(self) -> str:
        return "\n".join([*self.status, *self.numbers.sentences, *self.numbers.notes])

    def _repr_html_(self) -> str:
        head, *rest = map(escape, self.numbers.sentences)
        return "".join(
            [
                *(f"<p><b>{escape(text)}</b></p>" for text in self.status),
                '<div style="border-left: 5px solid #0072b2; padding-left: 1em">',
                f'<p style="font-size: 1.3em"><b>{head}</b></p>',
                *(f"<p>{text}</p>" for text in rest),
                "</div><ul>",
                *(f"<li>{escape(note)}</li>" for note in self.numbers.notes),
                "</ul>",
            ]
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What sets two arms apart, in a table and a sentence.

    `numbers` holds every test and effect of the first arm against the second, `num_tests` is how
    many tests Holm's correction is over: those of all pairs of the sweep.
    """

    numbers: compare.Comparison
    num_tests: int
    arms: Mapping[str, Arm]  # by name

    @cached_property
    def sentence(self) -> str:
        """Which of the two is more stable, as the verdict decides it."""
        win = verdict.find_win(self.numbers, dict(self.arms))
        if win is None:
            two = [self.arms[name] for name in (self.numbers.one, self.numbers.other)]
            return undecided.headline(two, [self.numbers])
        better = "fewer of its trials fail" if win.by_failures else "its scores vary less"
        p = show_p(win.p, win.test.at_most)
        return f"[{win.winner}] is more stable than [{win.loser}]: {better} ({p})."

    @cached_property
    def table(self) -> pd.DataFrame:
        """A column each for mean, std, failure rate and wins.

        Wins are the chance that a trial of the first arm beats one of the second, ties half. The
        rows: both arms; the first's difference from the second (the ratio of the stds, the wins'
        share) with an interval at the level that its p was held to; p of its test, and p after
        Holm's correction.
        """
        pair = self.numbers
        one, other = (self.arms[name] for name in (pair.one, pair.other))
        tests, effects = pair.tests, pair.effects
        columns = {
            f"mean {one.metric}": [
                *(one.final.mean(), other.final.mean(), *_ends(effects.mean)),
                *(tests.location.p, pair.location.p),
            ],
            "std": [
                *(one.std, other.std, *_ends(effects.std_ratio)),
                *(tests.spread.p, pair.spread.p),
            ],
            "failure rate": [
                *(_failure_rate(one), _failure_rate(other), *_ends(effects.failures)),
                *(tests.failures.p, pair.failures.p),
            ],
            "wins": [None, None, *_ends(effects.improvement), None, None],
        }
        return pd.DataFrame(columns, index=[one.name, other.name, *ROWS], dtype=float)

    def __repr__(self) -> str:
        table = self.table.to_string(float_format=_short, na_rep="-")
        return f"{self.sentence}\n{table}\n{self._note()}"

    def _repr_html_(self) -> str:
        table = self.table.to_html(float_format=_short, na_rep="-")
        sentence, note = escape(self.sentence), escape(self._note())
        return f"<p><b>{sentence}</b></p>{table}<p><small>{note}</small></p>"

    def _note(self) -> str:
        tests = self.numbers.tests
        return (
            f"p: {tests.location.test} (mean), {tests.spread.test}, {tests.failures.test} (failure"
            f" rate); holm: after Holm over {self.num_tests} tests of failure rate and spread, the"
            f" mean apart. Failed trials are in everything.{self._shared()}"
        )

    def _shared(self) -> str:
        """Over what the means were compared, where that is not all trials."""
        pair = self.numbers
        if not pair.paired or pair.num_shared == pair.num_seeds:
            return ""
        means = " and ".join(map(_short, pair.means))
        seeds = plural(pair.num_shared, "seed")
        return f" The means are compared over the {seeds} that both ran, where they are {means}."


def _failure_rate(arm: Arm) -> float | None:
    return float(arm.failed.mean()) if arm.judged else None


def _ends(found: Estimate) -> tuple[float | None, ...]:
    return found.value, found.low, found.high


def _short(value: float) -> str:
    """Three decimals, or two digits of what is smaller."""
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"
