"""What a verdict says of a grid: which values of a setting fail less often over all the rest."""

from collections.abc import Sequence

from jaxtune.stats.holm import num_tests
from jaxtune.stats.main_effects import MainEffect
from jaxtune.stats.wording import counted, enumerate_words, show_chance, show_p

MOST_EFFECTS = 3  # of a grid that sentences are about


def over_grid(effects: Sequence[MainEffect]) -> tuple[str, ...]:
    """What values of a setting were shown to fail less often over all others, surest first."""
    tests = num_tests(effects)
    return tuple(_over_grid(effect, tests) for effect in _surest(effects)[:MOST_EFFECTS])


def _surest(effects: Sequence[MainEffect]) -> list[MainEffect]:
    found = [effect for effect in effects if effect.fewer_failures]
    return sorted(found, key=lambda effect: effect.corrected_failures.p or 0.0)


def _over_grid(effect: MainEffect, tests: int) -> str:
    first = (effect.one, effect.other).index(effect.fewer_failures)
    less, more = effect.failed[first], effect.failed[1 - first]
    own, p = effect.failures.p, effect.corrected_failures.p
    assert own is not None  # how often equal values differ so; p is a bound for all tests
    turned = ""
    if less.value >= more.value:
        turned = (
            f" in all, which cells of different sizes turn round: in {effect.fewer_in[first]} of"
            f" {effect.num_strata} it fails less often"
        )
    return (
        f"Over all {effect.num_strata} settings of the rest of the grid"
        f" {effect.setting}={effect.fewer_failures} fails less often than"
        f" {effect.setting}={effect.more_failures}: {less.count} of {less.n} trials"
        f" against {more.count} of {more.n}{turned}. Equal values would differ this much in"
        f" {show_chance(own)} such sweeps ({effect.failures.test}, {show_p(p)} after Holm over"
        f" {counted(tests, effect.times)})."
    )


def keep(effects: Sequence[MainEffect]) -> str:
    """The values to go on with: shown to fail less often than others, and more often than none."""
    found = _surest(effects)
    worse = {(effect.setting, effect.more_failures) for effect in found}
    better = dict.fromkeys((effect.setting, effect.fewer_failures) for effect in found)
    kept: dict[str, list[str]] = {}
    for setting, value in better:
        if (setting, value) not in worse:
            kept.setdefault(setting, []).append(f"{setting}={value}")
    if not kept:
        return ""
    values = enumerate_words([enumerate_words(each, "or") for each in kept.values()])
    return f"Keep {values}, shown to fail less often over the grid."
