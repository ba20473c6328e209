"""What a report over several tasks says, section by section."""

from collections.abc import Callable, Iterator

import numpy as np
from matplotlib.figure import Figure

from jaxtune.core.words import plural
from jaxtune.report.contents import Panel, Section
from jaxtune.report.drawing import Picture, arm_style, line, ribbon, to_svg
from jaxtune.report.figures import MOST_ARMS, MOST_BANDS
from jaxtune.report.final_scores import SIZE, final_scores, floor_in_view, score_keys
from jaxtune.report.findings import ranked
from jaxtune.report.legends import Key
from jaxtune.report.provenance import provenance_table
from jaxtune.report.tables import (
    RANK_COLUMNS,
    Table,
    arms_table,
    cell,
    clearest,
    corrected_p,
    mean_and_failed,
    score_form,
    shown,
)
from jaxtune.report.tasks import ManyFindings
from jaxtune.stats.holm import clearest_first
from jaxtune.stats.intervals import FEWEST_TRIALS
from jaxtune.stats.profiles import Profile
from jaxtune.stats.tasks import OverTasks
from jaxtune.stats.wording import MISSING

RECIPES_NOTE = (
    "Mean score and failed trials of every recipe on every task. Ranks are means over tasks, 1 is"
    " the best: by the failure rate and by the mean. IQM: interquartile mean of all trials, every"
    " task with the same weight, on a scale where 0 is the task's best constant prediction and 1 no"
    " error, with a 95% interval by bootstrap within tasks (Agarwal et al. 2021), of recipes that"
    f" were run on all tasks with {FEWEST_TRIALS} trials or more."
)
PAIRS_NOTE = (
    "Over the tasks that both were run on; trials are compared within their task alone. p after"
    " Holm's correction over failures and spreads, and over means; below it p alone: exact"
    " stratified test of failures (Cochran, Mantel and Haenszel), stratified permutation test of"
    " the spread, stratified Welch's t test of the mean and its permutation test. Std, ratio:"
    f" geometric mean over tasks of {FEWEST_TRIALS} trials an arm and more, of which alone the"
    " spread is tested, with the weights of the test (the more, the less chance moves a task's"
    " ratio). Mean, gap: in stds of a task's trials, mean over tasks; positive where the first is"
    " better."
)
PROFILES_NOTE = (
    "Share of a recipe's trials above each level, every task alike{bands}. A line that lies above"
    " another everywhere is better at every level.{left_out}"
)


def task_sections(found: ManyFindings, report: Callable[[str], None]) -> list[Section]:
    """All sections: over the tasks, then task by task."""
    sections = list(_over_tasks(found))
    for index, task in enumerate(found.tasks):
        report(f"drawing {task}")
        sections.append(_of_task(found, task, index))
    tables = [provenance_table(source) for source in found.sources]
    return [*sections, Section("Provenance", tables=tables, folded=True)]


def _over_tasks(found: ManyFindings) -> Iterator[Section]:
    yield Section("Over all tasks", tables=[recipes_table(found)])
    yield Section("Bear in mind", points=found.verdict.notes)
    if found.verdict.pairs:
        yield Section("Differences over tasks", tables=[pairs_table(found)])
    profiles = [(n, a.profile) for n in _in_order(found) if (a := found.aggregates[n])]
    chosen = dict(profiles[:MOST_ARMS])
    if chosen:
        keys = [Key(name, "line", arm_style(i)) for i, name in enumerate(chosen)]
        picture = to_svg("profiles", draw_profiles, chosen)
        panel = Panel("Share of trials above each level", picture, keys)
        note = _profiles_note(len(chosen), len(found.aggregates))
        yield Section("Performance profiles", note=note, panels=[panel])


def _profiles_note(drawn: int, number: int) -> str:
    bands = ", with 95% bands by bootstrap within tasks" if drawn <= MOST_BANDS else ""
    rest = f" Curves are drawn for {drawn} of {number} recipes, the first with an IQM."
    return PROFILES_NOTE.format(bands=bands, left_out=rest if drawn < number else "")


def _of_task(found: ManyFindings, task: str, index: int) -> Section:
    one = found.tasks[task]
    one = one._replace(arms=ranked(one))
    scored = one.metric, floor_in_view(one), one.verdict.leaders
    drawn = to_svg(f"scores{index}", final_scores, one.arms, *scored)
    return Section(
        f"{task} by itself",
        points=one.verdict.sentences,
        tables=[arms_table(one)._replace(title=f"Arms on {task}")],
        panels=[Panel("All trials", drawn, score_keys(one))],
    )


def draw_profiles(profiles: dict[str, Profile]) -> Figure:
    """A line for each recipe."""
    figure = Picture(*SIZE)
    axes = figure.add_subplot()
    for index, profile in enumerate(profiles.values()):
        style = arm_style(index)
        if len(profiles) <= MOST_BANDS:
            ribbon(axes, profile.levels, profile.low, profile.high, style, 0.13)
        line(axes, profile.levels, profile.share, style, linewidth=2)
    last = max(float(np.max(p.levels[p.share > 0], initial=0.0)) for p in profiles.values())
    axes.set(xlim=(profiles[next(iter(profiles))].levels[0], min(1.0, last + 0.05)), ylim=(0, 1.02))
    axes.set_xlabel("level: 0 is the best constant prediction, 1 no error")
    axes.set_ylabel("share of trials above it")
    return figure


def recipes_table(found: ManyFindings) -> Table:
    """A row per recipe, a column per task."""
    columns = ("Recipe", *found.tasks, *RANK_COLUMNS)
    rows = tuple(_recipe_row(found, name) for name in _in_order(found))
    title = f"Recipes over {plural(len(found.tasks), 'task')}"
    return Table(title, columns, rows, RECIPES_NOTE)


def _in_order(found: ManyFindings) -> list[str]:
    """The more stable recipes first, then by their ranks."""

    def place(name: str) -> tuple[bool, float, float]:
        rank, follows = found.rankings.get(name), name not in found.verdict.leaders
        return (follows, rank.by_failures or 0.0, rank.by_mean) if rank else (follows, 0.0, 0.0)

    return sorted(found.aggregates, key=place)


def _recipe_row(found: ManyFindings, name: str) -> tuple[str, ...]:
    cells = []
    for one in found.tasks.values():
        arm = next((each.arm for each in one.arms if each.arm.name == name), None)
        cells.append(MISSING if arm is None else mean_and_failed(arm, score_form(one)))
    rank, total = found.rankings.get(name), found.aggregates[name]
    return (
        name + ("\nmore stable" if name in found.verdict.leaders else ""),
        *cells,
        shown(rank.by_failures if rank else None, "{:.2g}"),
        shown(rank.by_mean if rank else None, "{:.2g}"),
        cell(total.iqm) if total else MISSING,
    )


def pairs_table(found: ManyFindings) -> Table:
    """A row per pair of recipes that share tasks."""
    pairs = clearest_first(found.verdict.pairs)
    columns = (
        *("Pair", "Tasks", "Failed", "p, failures"),
        *("Std, ratio", "p, std", "Mean, gap", "p, mean"),
    )
    return clearest("Pairs of recipes", columns, pairs, _pair_row, PAIRS_NOTE)


def _pair_row(pair: OverTasks) -> tuple[str, ...]:
    failed = [f"{k} of {n}" for k, n in zip(pair.failed, pair.trials, strict=True)]
    ratio = 0.0 if pair.log_std_ratio is None else float(np.exp(pair.log_std_ratio))
    return (
        f"{pair.one}\nagainst {pair.other}",
        str(len(pair.tasks)),
        " and ".join(failed) if pair.judged else MISSING,
        corrected_p(pair.corrected_failures, pair.failures),
        f"{ratio:.2g}" if 0.01 < ratio < 100 else MISSING,  # not tested, or an arm does not vary
        corrected_p(pair.corrected_spread, pair.spread),
        shown(pair.location_gap, "{:+.2f}"),
        corrected_p(pair.corrected_location, pair.location),
    )
