"""What a report says, section by section, whatever it is written to."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxtune.core.schedules import effective_rates, show_rate
from jaxtune.report.drawing import FAILED, FLOOR, INK, SUCCEEDED, Style, arm_style
from jaxtune.report.figures import (
    Band,
    band,
    band_limits,
    expected_best,
    final_scores,
    gradient_norms,
    learning_rates,
    loss_limits,
    padded,
    trial_curves,
)
from jaxtune.report.findings import ArmFindings, Findings
from jaxtune.report.provenance import provenance_table, throughput_table
from jaxtune.report.sources import DEV, LOSS
from jaxtune.report.tables import (
    Table,
    arms_table,
    instability_table,
    pairs_table,
    power_table,
    variance_table,
)
from jaxtune.stats.wording import names

# Whose curves are drawn, in the order of the sweep; every arm is in the tables and in the plot of
# final scores.
MOST_ARMS = 8
MOST_GRADIENT_ARMS = 4


class Key(NamedTuple):
    """An entry of a legend."""

    label: str
    mark: str  # line, dot, cross, box, diamond
    style: Style


class Panel(NamedTuple):
    """One drawing with its title."""

    title: str
    svg: str
    keys: Sequence[Key] = ()  # of a legend of its own


class Section(NamedTuple):
    """A heading, how to read what is below it, and that."""

    title: str
    lede: str = ""
    points: Sequence[str] = ()
    tables: Sequence[Table] = ()
    keys: Sequence[Key] = ()
    panels: Sequence[Panel] = ()
    columns: int = 2  # of panels, where there is room


KIND_KEYS = (
    Key("successful trials", "line", SUCCEEDED),
    Key("failed trials", "line", FAILED),
)
FLOOR_KEY = Key("best constant prediction", "line", FLOOR)


def sections(found: Findings, report: Callable[[str], None] = lambda text: None) -> list[Section]:
    """All sections that there is something to say in.

    Args:
        report: is told what is drawn next.
    """
    makers = (_arms, _scores, _pairs, _curves, _gradients, _rates, _agreement, _origin)
    made = []
    for make in makers:
        report(f"drawing {make.__name__.strip('_')}")
        made += list(make(found))
    return made


def _arms(found: Findings) -> Iterator[Section]:
    yield Section("Arms", tables=[arms_table(found)])
    yield Section("Bear in mind", points=found.verdict.notes)


def _scores(found: Findings) -> Iterator[Section]:
    shown = found.arms[:MOST_ARMS]
    styles = [arm_style(index) for index in range(len(shown))]
    yield Section(
        "Final scores",
        "Every trial, with a box over all of them (middle half and median; whiskers to the"
        " extremes); and what the best of so many seeds is expected to score, with one standard"
        " deviation of it. That best is chosen on the dev set it is scored on."
        f"{_left_out(found, MOST_ARMS)}",
        panels=[
            Panel(
                "All trials",
                final_scores(found.arms, found.metric, found.trivial),
                [
                    Key("successful", "dot", SUCCEEDED),
                    Key("failed", "cross", FAILED),
                    Key("mean", "diamond", Style(INK, ())),
                    FLOOR_KEY,
                ],
            ),
            Panel(
                "Expected best of so many seeds",
                expected_best(list(zip(shown, styles, strict=True)), found.metric, found.trivial),
                [
                    Key(arm.arm.name, "line", style)
                    for arm, style in zip(shown, styles, strict=True)
                ],
            ),
        ],
    )


def _left_out(found: Findings, most: int, preferred: str = "") -> str:
    if len(found.arms) <= most:
        return ""
    which = f", before all for those with {preferred}" if preferred else ", the first ones"
    return f" Curves are drawn for {most} of {len(found.arms)} arms{which}."


def _pairs(found: Findings) -> Iterator[Section]:
    tables = [table for table in (pairs_table(found), power_table(found)) if table]
    if tables:
        yield Section("Differences between arms", tables=tables)


def _curves(found: Findings) -> Iterator[Section]:
    shown = found.arms[:MOST_ARMS]
    trials = [trial for arm in shown for trial in arm.trials]
    known = [trial for trial in trials if trial.curves]
    if not known:
        return
    losses = loss_limits(known)
    dev = [trial.curves[DEV].values for trial in known if DEV in trial.curves]
    scores = padded([*np.concatenate([*dev, [found.trivial]])])
    panels = []
    for index, arm in enumerate(shown):
        if not any(trial.curves for trial in arm.trials):
            continue
        name = arm.arm.name
        panels += [
            Panel(
                f"{name}: training loss",
                trial_curves(f"loss{index}", arm.trials, LOSS, "loss", losses),
            ),
            Panel(
                f"{name}: {found.metric} on the dev set",
                trial_curves(f"dev{index}", arm.trials, DEV, found.metric, scores, found.trivial),
            ),
        ]
    missing = len(trials) - len(known)
    without = f" The history of {missing} of {len(trials)} trials is not there." if missing else ""
    yield Section(
        "Training",
        "A line per trial. Losses are means over blocks of steps; a line that leaves the panel or"
        " ends has diverged."
        f"{without}{_left_out(found, MOST_ARMS)}",
        keys=[*KIND_KEYS, FLOOR_KEY],
        panels=panels,
    )


def _gradients(found: Findings) -> Iterator[Section]:
    # Arms in which trials of both kinds can be compared come first.
    mixed = sorted(found.arms, key=lambda arm: not 0 < arm.description.failed.count < len(arm.arm))
    chosen = {arm.arm.name for arm in mixed[:MOST_GRADIENT_ARMS]}
    shown = [arm for arm in found.arms if arm.arm.name in chosen]
    drawings = [(arm, layer, *_bands(arm, layer)) for arm in shown for layer in _layers(arm)]
    if not drawings:
        return
    columns = max(len(_layers(arm)) for arm in shown)
    width = 340.0 if columns == 3 else 440.0
    limits = band_limits(each for drawing in drawings for each in drawing[2:])
    yield Section(
        "Gradient norms",
        "L2 norm of a layer's gradient before clipping: median and middle half of the trials of a"
        " kind, at the logged steps. In the study the lower layers' gradients vanish in failed"
        " trials and recover in successful ones."
        f"{_left_out(found, MOST_GRADIENT_ARMS, 'trials of both kinds')}",
        keys=KIND_KEYS,
        panels=[
            Panel(
                f"{arm.arm.name}: {layer}",
                gradient_norms(f"norms{index}", failed, succeeded, limits, width),
            )
            for index, (arm, layer, failed, succeeded) in enumerate(drawings)
        ],
        columns=columns,
    )


def _layers(arm: ArmFindings) -> list[str]:
    """First, middle and last layer; none where no trial's history is there."""
    names = dict.fromkeys(name for trial in arm.trials for name in trial.curves)
    return sorted(
        (name for name in names if name not in (LOSS, DEV)), key=lambda name: int(name.split()[1])
    )


def _bands(arm: ArmFindings, layer: str) -> tuple[Band | None, Band | None]:
    """Of failed and of successful trials."""
    failed = [trial for trial in arm.trials if trial.failed]
    return band(failed, layer), band([trial for trial in arm.trials if not trial.failed], layer)


def _rates(found: Findings) -> Iterator[Section]:
    """Arms with the same curve share a line."""
    alike: dict[bytes, list[ArmFindings]] = {}
    for arm in found.arms:
        if arm.peak is not None:
            rates = effective_rates(arm.trials[0].row, arm.num_steps)
            alike.setdefault(rates.tobytes(), []).append(arm)
    lines = list(alike.items())[:MOST_ARMS]
    if not lines:
        return
    styles = [arm_style(index) for index in range(len(lines))]
    rates = [np.frombuffer(curve) for curve, _ in lines]
    yield Section(
        "Effective learning rate",
        "Without bias correction, Adam's t-th update is 1 / c(t) times as large,"
        " c(t) = sqrt(1 - b2^t) / (1 - b1^t): the same as corrected Adam with the learning rate"
        " drawn here (eps left aside). Arms that differ in the correction differ in this, too;"
        " which of the two matters shows only when each arm has its own best learning rate."
        f"{_head_only(found)}",
        keys=[
            Key(_rate_label(arms), "line", style)
            for (_, arms), style in zip(lines, styles, strict=True)
        ],
        panels=[
            Panel("Over the steps", learning_rates(list(zip(rates, styles, strict=True)))),
        ],
    )


def _head_only(found: Findings) -> str:
    decays = [arm.arm.settings.get("layerwise_lr_decay", 1.0) for arm in found.arms]
    return " With layerwise_lr_decay it is the head's." if set(decays) != {1.0} else ""


def _rate_label(arms: Sequence[ArmFindings]) -> str:
    top, alike = arms[0].peak, names([arm.arm.name for arm in arms])
    assert top is not None
    multiple = f"{top.multiple:.2g} times what was set" if top.multiple >= 1.005 else "as set"
    return f"{alike}: peak {show_rate(top.rate)} at step {top.step}, {multiple}"


def _agreement(found: Findings) -> Iterator[Section]:
    tables = [table for table in (instability_table(found), variance_table(found)) if table]
    if tables:
        yield Section("Agreement between trials", tables=tables)


def _origin(found: Findings) -> Iterator[Section]:
    yield Section("Throughput", tables=[throughput_table(found)])
    yield Section("Provenance", tables=[provenance_table(source) for source in found.sources])
