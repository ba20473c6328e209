"""Everything a report says in numbers: the verdict, and what there is to say about each arm."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.core.metrics import METRICS, evaluate, predict
from jaxtune.core.schedules import NEEDED, Peak, peak
from jaxtune.core.words import listed
from jaxtune.report.sources import Source, TrialRecord, times_of_looks
from jaxtune.stats.arms import Arm, by_arm, check_comparable, make_arms
from jaxtune.stats.describe import Description, ExpectedMax, describe, expected_best
from jaxtune.stats.dev_error import SAME, bootstrapped
from jaxtune.stats.instability import Instability, VarianceSplit, instability, variance_split
from jaxtune.stats.new_examples import Luck, luck_of_examples, resampled_scores
from jaxtune.stats.representations import Dissimilarity, dissimilarity
from jaxtune.stats.verdict import Verdict, judge

Report = Callable[[str], None]


class ArmFindings(NamedTuple):
    """One arm."""

    arm: Arm
    trials: tuple[TrialRecord, ...]  # in the order of the arm's scores
    description: Description
    best: ExpectedMax
    instability: Instability | None  # None where no predictions are there
    of_successes: Instability | None  # the same without failed trials
    # How differently they, and those that did not fail, represent the dev set; None where that was
    # not asked for (`jaxtune predict OUT --representations`).
    representations: tuple[Dissimilarity, Dissimilarity] | None
    split: VarianceSplit
    luck: Luck | None  # of the dev examples; of accuracies with predictions
    num_steps: int | None  # None of runs of other trainers
    peak: Peak | None  # of the effective learning rate; None where the rows do not tell


class Findings(NamedTuple):
    """All arms, which have been scored on the same dev examples by the same metric."""

    sources: tuple[Source, ...]
    arms: tuple[ArmFindings, ...]
    verdict: Verdict
    metric: str
    trivial: float | None  # None where no floor is known
    num_dev: int | None  # None where no predictions are there


def find(
    sources: Sequence[Source],
    report: Report = lambda text: None,
    margin: float | None = None,
) -> Findings:
    """Judges and describes the arms of all sources; UserError where their scores do not compare.

    Args:
        report: is told what comes next, for these are seconds per arm and pair of arms.
        margin: the difference of scores that is as good as none.
    """
    own = [(source, name, ts) for source in sources for name, ts in _by_arm(source).items()]
    trials = {name: ts for _, name, ts in own}
    compared = {name: _compared(source, ts) for source, name, ts in own}
    arms = make_arms({name: [trial.row for trial in ts] for name, ts in trials.items()})
    report("drawing the dev examples anew")
    arms = [_with_draws(_with_dev_error(arm, trials[arm.name]), trials[arm.name]) for arm in arms]
    check_comparable(arms)
    num_dev = _num_dev(arms, trials)
    _check_dev_labels(sources)
    report(f"comparing {len(arms)} arms")
    verdict = judge(arms, num_dev, margin=margin, times=times_of_looks(sources))
    described = []
    for arm in arms:
        report(f"statistics of {arm.name}")
        described.append(_describe(arm, trials[arm.name], num_dev, compared[arm.name]))
    return Findings(
        sources=tuple(sources),
        arms=tuple(described),
        verdict=verdict,
        metric=arms[0].metric,
        trivial=arms[0].trivial,
        num_dev=num_dev,
    )


def ranked(found: Findings) -> tuple[ArmFindings, ...]:
    """The arms as a reader wants them: the more stable ones, then by failures, then by the mean."""

    def place(arm: ArmFindings) -> tuple[bool, float, float]:
        scores = arm.arm
        leads = scores.name in found.verdict.leaders
        return not leads, float(scores.failed.mean()), -float(scores.merit.mean())

    return tuple(sorted(found.arms, key=place))


def _by_arm(source: Source) -> dict[str, tuple[TrialRecord, ...]]:
    records = {trial.row["trial"]: trial for trial in source.trials}
    return {
        name: tuple(records[row["trial"]] for row in rows)
        for name, rows in by_arm(source.rows).items()
    }


def _with_dev_error(arm: Arm, trials: Sequence[TrialRecord]) -> Arm:
    """An accuracy has a formula for it, but not of words, which depend on those beside them."""
    first, logits = trials[0], [trial.logits for trial in trials]
    if arm.metric == "accuracy" and first.sentences is None:
        return arm
    error = bootstrapped(arm, logits, first.labels, _positive(first), sentences=first.sentences)
    return dataclasses.replace(arm, dev_error=error)


def _positive(trial: TrialRecord) -> int:
    """The class that F1 is of."""
    positive = trial.row.get("positive_label")
    return 1 if positive is None else positive


def _with_draws(arm: Arm, trials: Sequence[TrialRecord]) -> Arm:
    """Scores on resamples of the examples, where every trial's predictions give its score."""
    logits, labels = _whole_logits(trials), trials[0].labels
    if logits is None or labels is None or arm.metric not in METRICS or arm.num_unscored:
        return arm
    first = trials[0]
    draws = resampled_scores(
        arm.metric, logits, labels, _positive(first), sentences=first.sentences
    )
    return dataclasses.replace(arm, draws=draws)


def _whole_logits(trials: Sequence[TrialRecord]) -> list[np.ndarray] | None:
    """Of every trial; None where some are missing, or are not those that its score is of."""
    found = []
    for trial in trials:
        row, labels = trial.row, trial.labels
        if trial.logits is None or labels is None or len(trial.logits) != len(labels):
            return None
        if row["final"] is None or row["metric"] not in METRICS:
            return None
        metric = row["metric"]
        about = (trial.logits, labels, _positive(trial), trial.sentences)
        score = evaluate([metric], *about)[metric]
        if not abs(score - row["final"]) <= SAME:
            return None
        found.append(trial.logits)
    return found


def _luck(arm: Arm, trials: Sequence[TrialRecord]) -> Luck | None:
    labels = trials[0].labels
    if arm.metric != "accuracy" or arm.draws is None or labels is None or len(arm) < 2:
        return None
    # Of texts with several labels an answer is no class, and words are no independent examples.
    if labels.ndim > 1 or trials[0].sentences is not None:
        return None
    classes = np.stack([predict(t.logits) for t in trials if t.logits is not None])
    return luck_of_examples(classes, labels, arm.final)


def _num_dev(arms: Sequence[Arm], trials: dict[str, tuple[TrialRecord, ...]]) -> int | None:
    """Examples of the dev set; raises UserError where trials were scored on different ones."""
    sizes: dict[int, str] = {}
    for name, own in trials.items():
        for size in filter(None, map(_examples, own)):
            sizes.setdefault(size, name)
    if len(sizes) > 1:
        where = listed(f"[{name}] {size:,} examples" for size, name in sizes.items())
        raise UserError(
            f"Trials were scored on different dev sets ({where}); compare trials of one dev set."
        )
    first, *rest = arms
    for arm in rest:
        if arm.trivial != first.trivial:
            floors = (
                f"{floor:g}" if floor is not None else "not given"
                for floor in (first.trivial, arm.trivial)
            )
            raise UserError(
                f"[{first.name}] and [{arm.name}] were scored on different dev sets (best constant"
                f" prediction {' and '.join(floors)}); compare sweeps of one dev set."
            )
    return next(iter(sizes), None)


def _examples(trial: TrialRecord) -> int | None:
    """By its predictions, or as another trainer's run has it; of words their sentences."""
    if trial.sentences is not None:
        return len(trial.sentences.lengths)
    return trial.row.get("dev_examples") if trial.logits is None else len(trial.logits)


def _check_dev_labels(sources: Sequence[Source]) -> None:
    """Raises UserError where sweeps had other classes or other right answers; 0.1 kept neither."""
    for name, value in (
        ("classes", lambda s: s.classes),
        ("dev labels", lambda s: s.labels),
        ("dev sentences", _lengths),
    ):
        known = [(source.name, value(source)) for source in sources if value(source) is not None]
        for other, found in known[1:]:
            if not np.array_equal(found, known[0][1]):
                raise UserError(
                    f"{known[0][0]} and {other} have different {name}, and their scores do not"
                    " compare; report on each by itself, or give sweeps of one dev set with the"
                    " same classes and its examples in the same order."
                )


def _lengths(source: Source) -> Any:
    """How many words each dev sentence has; None where words have no tags."""
    sentences = source.trials[0].sentences
    return None if sentences is None else sentences.lengths


def _describe(
    arm: Arm,
    trials: tuple[TrialRecord, ...],
    num_dev: int | None,
    representations: tuple[Dissimilarity, Dissimilarity] | None,
) -> ArmFindings:
    row = trials[0].row
    num_steps = row.get("num_steps")
    known = num_steps is not None and all(row.get(name) is not None for name in NEEDED)
    return ArmFindings(
        arm=arm,
        trials=trials,
        description=describe(arm, num_dev),
        best=expected_best(arm),
        instability=_instability(trials),
        of_successes=_instability([trial for trial in trials if not trial.failed]),
        representations=representations,
        split=variance_split(arm.final, arm.seeds),
        luck=_luck(arm, trials),
        num_steps=num_steps,
        peak=peak(row, num_steps) if known else None,
    )


def _compared(
    source: Source, trials: Sequence[TrialRecord]
) -> tuple[Dissimilarity, Dissimilarity] | None:
    """Of an arm's trials whose states were compared; more may have run since."""
    failed = {trial.row["trial"]: trial.failed for trial in trials}
    for numbers, between in source.representations:
        if failed.keys() >= set(numbers):
            lost = np.array([failed[number] for number in numbers])
            every = np.arange(len(numbers))
            return dissimilarity(between, every), dissimilarity(between, every[~lost])
    return None


def _instability(trials: Sequence[TrialRecord]) -> Instability | None:
    logits = [trial.logits for trial in trials if trial.logits is not None]
    several_labels = bool(trials) and trials[0].row.get("several_labels", False)
    return instability(np.stack(logits), several_labels) if logits else None
