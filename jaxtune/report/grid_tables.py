"""Tables on a grid: what each setting does over all others, whether that depends on them, and the
cells themselves.
"""

from jaxtune.report.findings import ArmFindings, Findings
from jaxtune.report.tables import (
    Table,
    clearest,
    corrected_p,
    mean_and_failed,
    score_form,
    shown,
)
from jaxtune.stats.arms import differences, readable
from jaxtune.stats.holm import clearest_first, num_tests
from jaxtune.stats.main_effects import MainEffect
from jaxtune.stats.wording import MISSING

MAIN_EFFECTS_NOTE = (
    "One value of a setting against another over all settings of the rest of the grid: the trials"
    " of each, and p after Holm's correction over the {num_tests} tests of failures and spread of"
    " this table, below it p alone. Mean, gap: in stds of the trials of both values in one setting"
    " of the rest, mean over these settings; positive where the first is better. The mean and"
    " whether it depends decide nothing and have corrections of their own; depends: p of Zelen's"
    " test that the odds of failing differ alike in all settings of the rest. Where that p is small"
    " there is an interaction, and the cells say more than the setting."
)
CELLS_NOTE = "Mean score and failed trials of every cell of the grid."


def main_effects_table(found: Findings) -> Table:
    """A row per pair of values of a setting, where two settings were swept together."""
    effects = clearest_first(found.verdict.main_effects)
    columns = (
        *("Setting", "Settings of the rest", "Failed", "p, failures", "p, spread"),
        *("Mean, gap", "p, mean", "Depends on the rest, p"),
    )
    note = MAIN_EFFECTS_NOTE.format(num_tests=num_tests(effects))
    return clearest("Main effects", columns, effects, _effect_row, note)


def _effect_row(effect: MainEffect) -> tuple[str, ...]:
    failed = [f"{part.count} of {part.n}" for part in effect.failed]
    return (
        f"{effect.setting}\n{effect.one} against {effect.other}",
        str(effect.num_strata),
        " and ".join(failed) if effect.judged else MISSING,
        corrected_p(effect.corrected_failures, effect.failures),
        corrected_p(effect.corrected_spread, effect.spread),
        shown(effect.location_gap, "{:+.2f}"),
        corrected_p(effect.corrected_location, effect.location),
        corrected_p(effect.corrected_depends, effect.depends),
    )


def cells_table(found: Findings) -> Table | None:
    """The values of one setting by those of the other; None where not exactly two were swept."""
    arms = sorted(found.arms, key=lambda arm: arm.arm.name)
    first = arms[0].arm
    swept = sorted({name for arm in arms[1:] for name in differences(first, arm.arm)})
    if len(swept) != 2 or not found.verdict.main_effects:
        return None
    cells: dict[tuple[str, ...], ArmFindings] = {}
    for arm in arms:
        place = tuple(readable(arm.arm.settings.get(name)) for name in swept)
        if place in cells:
            return None  # from two sweeps
        cells[place] = arm
    form = score_form(found)
    rows, columns = (sorted({place[i] for place in cells}, key=_in_order) for i in (0, 1))
    return Table(
        "Cells of the grid",
        (swept[0], *(f"{swept[1]}={value}" for value in columns)),
        tuple(
            (row, *(_cell(cells.get((row, column)), form) for column in columns)) for row in rows
        ),
        CELLS_NOTE,
    )


def _in_order(value: str) -> tuple[bool, float, str]:
    """Numbers as numbers, before words."""
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def _cell(found: ArmFindings | None, form: str) -> str:
    return MISSING if found is None else mean_and_failed(found.arm, form)
