"""What a report says, section by section, whatever it is written to."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxtune.core.schedules import HEAD_FIRST, SIZE_LINKS, effective_rates, link_of, show_rate
from jaxtune.report.agreement_tables import (
    instability_table,
    luck_table,
    representations_table,
    variance_table,
)
from jaxtune.report.drawing import arm_style, to_svg
from jaxtune.report.figures import (
    MOST_ARMS,
    MOST_BANDS,
    MOST_GRADIENT_ARMS,
    SMALL,
    RateLine,
    arm_keys,
    expected_best,
    kind_keys,
    layer_norms,
    learning_rates,
    norm_limits,
    norm_rows,
    trial_curves,
)
from jaxtune.report.final_scores import SIZE, final_scores, floor_in_view, score_keys
from jaxtune.report.findings import Findings, ranked
from jaxtune.report.grid_tables import cells_table, main_effects_table
from jaxtune.report.legends import FLOOR_KEY, Key
from jaxtune.report.pair_tables import (
    findable_table,
    new_examples_table,
    order_table,
    pairs_table,
)
from jaxtune.report.points import Limits, loss_limits, padded
from jaxtune.report.provenance import provenance_table, throughput_table
from jaxtune.report.sources import DEV, LOSS
from jaxtune.report.tables import Table, arms_table, further_table, times
from jaxtune.stats.wording import names


class Panel(NamedTuple):
    """One drawing with its title."""

    title: str
    svg: str
    keys: Sequence[Key] = ()  # of a legend of its own


class Section(NamedTuple):
    """A heading, how to read what is below it, and that."""

    title: str
    lede: str = ""
    note: str = ""  # the same, below it
    points: Sequence[str] = ()
    tables: Sequence[Table] = ()
    keys: Sequence[Key] = ()
    panels: Sequence[Panel] = ()
    columns: int = 2  # of panels, where there is room
    folded: bool = False


def sections(found: Findings, report: Callable[[str], None] = lambda text: None) -> list[Section]:
    """All sections that there is something to say in.

    Args:
        report: is told what is drawn next.
    """
    found = found._replace(arms=ranked(found))
    makers = (_scores, _arms, _pairs, _curves, _gradients, _rates, _agreement, _origin)
    made = []
    for make in makers:
        report(f"drawing {make.__name__.strip('_')}")
        made += list(make(found))
    return made


def _arms(found: Findings) -> Iterator[Section]:
    yield Section("Arms", tables=_filled(found, arms_table, further_table))
    yield Section("Bear in mind", points=found.verdict.notes)


def _scores(found: Findings) -> Iterator[Section]:
    shown = found.arms[:MOST_ARMS]
    scored = found.metric, floor_in_view(found)
    band = ", with one standard deviation of it" if len(shown) <= MOST_BANDS else ""
    yield Section(
        "Final scores",
        note="Every trial, with a box over all of them (middle half and median; whiskers to the"
        f" extremes); and what the best of so many seeds is expected to score{band}. That best is"
        " chosen on the dev set it is scored on."
        f"{_left_out(found, MOST_ARMS)}",
        panels=[
            Panel(
                "All trials",
                to_svg("scores", final_scores, found.arms, *scored, found.verdict.leaders),
                score_keys(found),
            ),
            Panel(
                "Expected best of so many seeds",
                to_svg("best", expected_best, shown, *scored),
                arm_keys(shown),
            ),
        ],
    )


def _left_out(found: Findings, most: int, preferred: str = "") -> str:
    if len(found.arms) <= most:
        return ""
    which = f", before all for those with {preferred}" if preferred else ", the first of the table"
    return f" Curves are drawn for {most} of {len(found.arms)} arms{which}."


def _pairs(found: Findings) -> Iterator[Section]:
    makers = (
        *(pairs_table, order_table, new_examples_table),
        *(main_effects_table, cells_table, findable_table),
    )
    if tables := _filled(found, *makers):
        yield Section("Differences between arms", tables=tables)


def _filled(found: Findings, *makers: Callable[[Findings], Table | None]) -> list[Table]:
    """Those that have a row."""
    return [table for make in makers if (table := make(found)) and table.rows]


def _curves(found: Findings) -> Iterator[Section]:
    shown = found.arms[:MOST_ARMS]
    trials = [trial for arm in shown for trial in arm.trials]
    known = [trial for trial in trials if trial.curves]
    if not known:
        return
    dev = [trial.curves[DEV].values for trial in known if DEV in trial.curves]
    floor = [] if found.trivial is None else [found.trivial]
    scores = padded([*np.concatenate([*dev, floor])])
    # Title, label, limits and floor of each kind of curve.
    kinds: dict[str, tuple[str, str, Limits, float | None]] = {
        LOSS: ("training loss", "loss", loss_limits(known), None),
        DEV: (f"{found.metric} on the dev set", found.metric, scores, found.trivial),
    }
    panels = [
        Panel(
            f"{arm.arm.name}: {title}",
            to_svg(f"{kind}{index}", trial_curves, arm.trials, kind, label, limits, level),
        )
        for index, arm in enumerate(shown)
        for kind, (title, label, limits, level) in kinds.items()
        if any(kind in trial.curves for trial in arm.trials)
    ]
    if not panels:
        return
    missing = len(trials) - len(known)
    without = f" The history of {missing} of {len(trials)} trials is not there." if missing else ""
    yield Section(
        "Training",
        "A line per trial. Losses are means over blocks of steps; a line that leaves the panel or"
        " ends has diverged."
        f"{without}{_left_out(found, MOST_ARMS)}",
        keys=[*kind_keys(found), *([FLOOR_KEY] if floor and dev else [])],
        panels=panels,
    )


def _gradients(found: Findings) -> Iterator[Section]:
    rows = norm_rows(found.arms)
    if not rows:
        return
    columns = max(map(len, rows))
    size = SMALL if columns == 3 else SIZE
    limits = norm_limits(rows)
    yield Section(
        "Gradient norms",
        "L2 norm of a layer's gradient before clipping: median and middle half of the trials of a"
        " kind, at the logged steps. In the study the lower layers' gradients vanish in failed"
        " trials and recover in successful ones."
        f"{_left_out(found, MOST_GRADIENT_ARMS, 'trials of both kinds')}",
        keys=kind_keys(found),
        panels=[
            Panel(
                f"{each.arm}: {each.layer}",
                to_svg(f"norms{index}", layer_norms, each, limits, size),
            )
            for index, each in enumerate(each for row in rows for each in row)
        ],
        columns=columns,
    )


def _rates(found: Findings) -> Iterator[Section]:
    """Arms with the same curve share a line, in the style that the first has everywhere."""
    lines: dict[bytes, RateLine] = {}
    for index, arm in enumerate(found.arms):
        if arm.peak is not None and arm.num_steps is not None:
            curve = effective_rates(arm.trials[0].row, arm.num_steps)
            own = RateLine(curve, arm.peak, arm_style(index), [])
            lines.setdefault(curve.tobytes(), own).arms.append(arm.arm.name)
    shown = list(lines.values())[:MOST_ARMS]
    if not shown:
        return
    yield Section(
        "Effective learning rate",
        "Without bias correction, Adam's t-th update is 1 / c(t) times as large,"
        " c(t) = sqrt(1 - b2^t) / (1 - b1^t): the same as corrected Adam with the learning rate"
        " drawn here (eps left aside). Arms that differ in the correction differ in this, too;"
        " which of the two matters shows only when each arm has its own best learning rate."
        f"{_about_links(found)}{_head_only(found)}{_head_first(found)}"
        f"{_no_rates(found, sum(len(line.arms) for line in shown))}",
        keys=[Key(_rate_label(line), "line", line.style) for line in shown],
        panels=[Panel("Over the steps", to_svg("rates", learning_rates, shown))],
    )


def _no_rates(found: Findings, drawn: int) -> str:
    if drawn == len(found.arms):
        return ""
    return (
        f" Curves are drawn for {drawn} of {len(found.arms)} arms: in the order of the table at"
        f" most {MOST_ARMS} different ones, of arms whose settings are known."
    )


def _head_only(found: Findings) -> str:
    decays = [arm.arm.settings.get("layerwise_lr_decay", 1.0) for arm in found.arms]
    return " With layerwise_lr_decay it is the head's." if set(decays) != {1.0} else ""


def _head_first(found: Findings) -> str:
    """What the curve is of arms that train the head alone before everything."""
    if all(arm.arm.settings.get("train") != HEAD_FIRST for arm in found.arms):
        return ""
    return (
        f" With train {HEAD_FIRST} it is two runs, one after the other, with a schedule and moments"
        " of their own: the head's alone, and that of everything, whose peak is marked."
    )


def _about_links(found: Findings) -> str:
    """What the curve leaves open of arms with other links than the correction."""
    rows = [arm.trials[0].row for arm in found.arms if arm.peak is not None]
    if all(link_of(row, name) == off for row in rows for name, off in SIZE_LINKS.items()):
        return ""
    return (
        " Of arms with other links of Adam it is that of gradients whose size stays what it is at"
        " the first step; steps of RAdam that are not divided by the second moment's root have the"
        " gradient's size, and count as 0."
    )


def _rate_label(line: RateLine) -> str:
    top = line.peak
    set_ = "as set" if (multiple := times(top)) == "as set" else f"{multiple} what was set"
    return f"{names(line.arms)}: peak {show_rate(top.rate)} at step {top.step}, {set_}"


def _agreement(found: Findings) -> Iterator[Section]:
    makers = (luck_table, instability_table, representations_table, variance_table)
    if tables := _filled(found, *makers):
        yield Section("Agreement between trials", tables=tables)


def _origin(found: Findings) -> Iterator[Section]:
    if any("seconds" in row for source in found.sources for row in source.rows):
        yield Section("Throughput", tables=[throughput_table(found)], folded=True)
    tables = [provenance_table(source) for source in found.sources]
    yield Section("Provenance", tables=tables, folded=True)
