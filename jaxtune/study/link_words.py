"""What the study `correction` says of its questions: the claims of its table, and its words."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from jaxtune.core.schedules import show_rate
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.wording import show_p
from jaxtune.study.finding import Claim, decided, show
from jaxtune.study.link_arms import ADAM, CLIPPING, EPS, NONE, SCHEDULE
from jaxtune.study.link_tests import BestGap, Gap
from jaxtune.study.measures import share_of, tally

# An area from which on a variable is said to predict failures.
PREDICTS = 0.9


def claims_at_one_rate(gaps: Mapping[str, Gap]) -> list[Claim]:
    """Each part by itself, and what might do the same."""
    asked = {
        SCHEDULE: "the schedule alone",
        EPS: "what the correction does to eps, alone,",
        CLIPPING: "update clipping alone",
    }
    return [
        _claim(f"at one learning rate {what} makes fewer trials fail", gaps.get(arm))
        for arm, what in asked.items()
    ]


def claims_at_best(gaps: Mapping[str, BestGap]) -> list[Claim]:
    """The correction as the paper has it, and as Adam has it."""
    return [
        Claim(
            f"with each at its own best learning rate [{arm}] does better than [{NONE}]",
            gap.words if gap else "no trials of both",
            gap.better if gap else None,
        )
        for arm, gap in ((arm, gaps.get(arm)) for arm in (SCHEDULE, ADAM))
    ]


def claims_of_steps(
    areas: Mapping[str, Mapping[str, Estimate]], at_one_step: Mapping[str, Gap]
) -> list[Claim]:
    """Whether one variable tells failures, and whether an arm does more than change it."""
    found = "; ".join(
        f"{norms}: {show(both['step'], 2)}, the learning rate as set {show(both['rate'], 2)}"
        for norms, both in areas.items()
    )
    differ = [arm for arm, gap in at_one_step.items() if gap.fails_less is not None]
    words = "; ".join(f"[{arm}]: {at_one_step[arm].words}" for arm in differ)
    none = f"of {len(at_one_step)} arms none was shown to differ"
    return [
        Claim(
            "the largest effective step tells which trials fail, whatever the arm"
            f" (held-out AUC above {PREDICTS})",
            found,
            _predicts([both["step"] for both in areas.values()]),
        ),
        Claim(
            f"at the same step some arm still fails more or less than [{NONE}]",
            words or none,
            True if differ else None,
        ),
    ]


def _predicts(areas: Sequence[Estimate]) -> bool | None:
    """Whether all intervals lie above PREDICTS; False if one lies below."""
    lows, highs = [area.low for area in areas], [area.high for area in areas]
    return decided(
        bool(lows) and all(low is not None and low > PREDICTS for low in lows),
        any(high is not None and high < PREDICTS for high in highs),
    )


def claims_of_models(norms: Gap | None, depths: Mapping[str, Gap]) -> list[Claim]:
    """The place of the norms, and depth by family."""
    return [
        _claim("at the same settings a ModernBERT (norms before) fails less than a BERT", norms),
        *(
            _claim(f"{family}: the shallower model fails less at the same settings", gap)
            for family, gap in depths.items()
        ),
    ]


def _claim(asks: str, gap: Gap | None) -> Claim:
    if gap is None:
        return Claim(asks, "no trials of both", None)
    return Claim(asks, gap.words, gap.fails_less)


def in_words(
    deep: pd.DataFrame,
    best: pd.DataFrame,
    areas: Mapping[str, Mapping[str, Estimate]],
    gaps: Mapping[str, Mapping[str, Gap]],
) -> str:
    """What was found: a sentence that stands alone, then which arms were shown to differ.

    Args:
        gaps: of every arm, by where it is compared with `none`.
    """

    def failed(rows: pd.DataFrame, arm: str) -> str:
        return tally(share_of(rows[rows["arm"] == arm]))

    def differing(found: Mapping[str, Gap]) -> str:
        parts = [
            f"{', '.join(f'[{a}]' for a, gap in found.items() if gap.fails_less is less)} {how}"
            for less, how in ((True, "less"), (False, "more"))
            if any(gap.fails_less is less for gap in found.values())
        ]
        return " and ".join(parts) or "none"

    steps = ", ".join(f"{show(both['step'], 2)} ({norms})" for norms, both in areas.items())
    shown = "; ".join(f"{where} {differing(found)}" for where, found in gaps.items())
    return (
        f"Over all learning rates {failed(deep, NONE)} trials failed without correction and"
        f" {failed(deep, SCHEDULE)} with it as a schedule, at each arm's own best rate"
        f" {failed(best, NONE)} and {failed(best, SCHEDULE)} fresh ones; the AUC of the largest"
        f" effective step is {steps}. Shown to fail less or more than [{NONE}]:"
        f" {shown}."
    )


def arm_notes(
    at_one_rate: Mapping[str, Gap],
    at_their_best: Mapping[str, BestGap],
    at_one_step: Mapping[str, Gap],
) -> list[str]:
    """What was found of each arm, a note for every one."""

    def note(arm: str) -> str:
        best, step = at_their_best.get(arm), at_one_step.get(arm)
        parts = [f"at one learning rate {at_one_rate[arm].counts}"]
        if step:
            parts.append(f"at one effective step {step.counts}")
        if best:
            mean = f"mean {show(best.mean)} ({show_p(best.location_p, best.location.at_most)})"
            parts.append(f"at its best rate {best.failures.counts}, {mean}")
        return f"[{arm}] against [{NONE}]: {'; '.join(parts)}."

    return [note(arm) for arm in at_one_rate]


def rate_notes(rates: Mapping[tuple[Any, ...], float]) -> list[str]:
    """The best rates, a note for every family and b2."""
    by_place: dict[str, list[str]] = {}
    for (family, b2, arm), rate in rates.items():
        by_place.setdefault(f"{family}, b2 {b2:g}", []).append(f"[{arm}] {show_rate(rate)}")
    return [f"Best rates, {place}: {', '.join(found)}." for place, found in by_place.items()]
