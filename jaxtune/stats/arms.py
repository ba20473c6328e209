"""The trials of an arm as arrays, which is what the statistics work on."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxtune.config.field_groups import FURTHER_FIELDS
from jaxtune.core.errors import UserError
from jaxtune.core.failure import OUT_OF_PATIENCE, failure_is_known, has_failed
from jaxtune.core.metrics import merit
from jaxtune.core.words import spelled
from jaxtune.stats.intervals import Estimate
from jaxtune.storage.trial_rows import vouches

# What a row says about its trial beside the settings that it was run with.
RESULTS = {
    *("trial", "arm", "seed", "init_seed", "order_seed", "dropout_seed", "metric", "trivial"),
    *("final", "best", "best_step", "train_loss", "failed", "diverged", "constant_prediction"),
    *("higher_is_better", "positive_label", "held_out_best", "marked_failed", "seed_is_known"),
    *("dev_examples", "group"),
    *("num_steps", "stopped_at", "stopped_by", "seconds", "group_size", "per_device"),
}
# Settings that change how a trial is run or watched, and not what it computes.
RUNNING = {
    *("eval_every", "log_every", "trials_per_device", "remat", "scan_layers", "save_params"),
    *("packing", "compact_vocabulary", *FURTHER_FIELDS),
}
UNKNOWN = Estimate(None, reason="the dev labels were not looked at")


@dataclasses.dataclass(frozen=True, eq=False)
class Arm:
    """Final scores of an arm's trials and what is known of each.

    The score of a diverged trial is that of its last logits, where nan predicts class 0 (0 for a
    correlation), and enters means and stds as it is. A trial without a finite score enters with the
    trivial one, which is what a model that predicts nothing is worth.
    """

    name: str
    metric: str
    trivial: float | None  # None where no floor is known, as of runs of other trainers
    final: Float[np.ndarray, " trial"]
    failed: Bool[np.ndarray, " trial"]
    diverged: Bool[np.ndarray, " trial"]
    constant: Bool[np.ndarray, " trial"]
    stopped: Bool[np.ndarray, " trial"]  # early
    out_of_patience: Bool[np.ndarray, " trial"]  # of them
    at_best: Float[np.ndarray, " trial"]  # dev score at the best evaluation; nan without one
    seeds: Int[np.ndarray, "trial stream"]  # init, order, dropout
    settings: dict[str, Any]
    num_unscored: int
    higher_is_better: bool = True
    dev_error: Estimate = UNKNOWN  # see `dev_error`
    judged: bool = True  # whether it is known which trials failed; else `failed` is all False
    seeds_known: bool = True  # else no trial of another arm shares a seed
    # Scores on resamples of the dev examples, the same for all arms; None without predictions.
    draws: Float[np.ndarray, "resample trial"] | None = None
    # Checksums of the trials' predictions, in a sweep.
    answers: tuple[str | None, ...] = ()

    @property
    def merit(self) -> Float[np.ndarray, " trial"]:
        """The scores turned so that larger is better."""
        return merit(self.final, self.higher_is_better)

    @property
    def best(self) -> float:
        """The best score; of errors the smallest."""
        return float(self.final[self.merit.argmax()])

    @property
    def selected(self) -> bool:
        """Whether trials were stopped because others had scored better."""
        return bool(self.stopped.any()) and readable(self.settings.get("keep_trials")) != "null"

    @property
    def shares_seeds(self) -> bool:
        """Whether trials of the arm have a seed in common, as in a crossed design.

        They are not independent then, which every test and interval takes them to be.
        """
        return any(np.unique(column).size < len(self) for column in self.seeds.T)

    @property
    def mostly_failed(self) -> bool:
        """Whether a small std says no more than that failures are alike."""
        return 2 * int(self.failed.sum()) > len(self)

    @property
    def std(self) -> float:
        """Over seeds, ddof 1; nan for a single trial."""
        return float(self.final.std(ddof=1)) if len(self) > 1 else math.nan

    def __len__(self) -> int:
        return self.final.size


def by_arm(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of trials.jsonl by arm, arms in order of their first trial."""
    arms: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["trial"]):
        arms.setdefault(row["arm"], []).append(row)
    return arms


def make_arms(grouped: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Arm]:
    """Arms from the rows of trials.jsonl by arm (`by_arm`), in the same order."""
    return [_make_arm(name, rows) for name, rows in grouped.items()]


def _make_arm(name: str, rows: Sequence[Mapping[str, Any]]) -> Arm:
    first = rows[0]
    scores = np.array([row["final"] for row in rows], np.float64)
    scored = np.isfinite(scores)
    # Whoever has no floor has been refused trials without a score.
    trivial = None if first["trivial"] is None else float(first["trivial"])
    judged = all(map(failure_is_known, rows))
    streams = ("init_seed", "order_seed", "dropout_seed")
    return Arm(
        name=name,
        metric=first["metric"],
        trivial=trivial,
        final=np.where(scored, scores, math.nan if trivial is None else trivial),
        failed=np.array([judged and has_failed(row) for row in rows]),
        diverged=np.array([bool(row["diverged"]) for row in rows]),
        constant=np.array([bool(row["constant_prediction"]) for row in rows]),
        stopped=np.array([row.get("stopped_at") is not None for row in rows]),
        out_of_patience=np.array([row.get("stopped_by") == OUT_OF_PATIENCE for row in rows]),
        at_best=np.array([row.get("best") for row in rows], np.float64),
        seeds=np.array([[int(row[stream]) for stream in streams] for row in rows]),
        settings={key: value for key, value in first.items() if not is_result(key)},
        num_unscored=int((~scored).sum()),
        higher_is_better=bool(first.get("higher_is_better", True)),
        judged=judged,
        seeds_known=bool(first.get("seed_is_known", True)),
        answers=tuple(row.get("predictions_sha256") for row in rows),
    )


def is_result(column: str) -> bool:
    """Whether a row's column says what came of a trial, and not how it was run."""
    # Scores of further sets are called NAME/METRIC.
    return column in RESULTS or vouches(column) or "/" in column


def readable(value: Any) -> str:
    """A setting as it is written on the command line; nan is what pandas makes of null."""
    return spelled(None if value != value else value)


def differences(one: Arm, other: Arm) -> dict[str, tuple[str, str]]:
    """Settings in which two arms differ, as they are typed: where to look for a cause."""
    shared = [name for name in one.settings if name in other.settings and name not in RUNNING]
    pairs = {
        name: (readable(one.settings[name]), readable(other.settings[name])) for name in shared
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def matched_scores(
    one: Arm, other: Arm
) -> tuple[Float[np.ndarray, " seed"], Float[np.ndarray, " seed"]]:
    """The scores of the seeds that both arms ran, in one order; seeds are not shared within one."""
    first, second = matched_trials(one, other)
    return one.final[first], other.final[second]


def matched_trials(
    one: Arm, other: Arm
) -> tuple[Int[np.ndarray, " seed"], Int[np.ndarray, " seed"]]:
    """Where the trials of the seeds that both arms ran stand in each, in one order."""
    places = [{tuple(own): i for i, own in enumerate(arm.seeds.tolist())} for arm in (one, other)]
    shared = [seeds for seeds in places[0] if seeds in places[1]]
    in_order = [np.array([place[seeds] for seeds in shared], np.int64) for place in places]
    return in_order[0], in_order[1]


def check_comparable(arms: Sequence[Arm]) -> None:
    """Raises UserError where arms have been scored on different things."""
    first, *others = arms
    for arm in others:
        if arm.judged != first.judged:
            known, unknown = (first, arm) if first.judged else (arm, first)
            raise UserError(
                f"It is known which trials of [{known.name}] failed, and not of [{unknown.name}];"
                " give a floor for both, or a column failed."
            )
        tasks = first.settings.get("task"), arm.settings.get("task")
        if tasks[0] != tasks[1]:
            raise UserError(
                f"[{first.name}] was trained on {tasks[0]} and [{arm.name}] on {tasks[1]};"
                " compare arms of one task."
            )
        if first.metric != arm.metric:
            raise UserError(
                f"[{first.name}] was scored by {first.metric} and [{arm.name}] by {arm.metric};"
                " compare arms of one metric."
            )
        # Rows of version 0.1 name no class.
        classes = [each.settings.get("positive_class") for each in (first, arm)]
        if arm.metric == "f1" and None not in classes and classes[0] != classes[1]:
            raise UserError(
                f"[{first.name}] was scored by F1 of the class {classes[0]!r} and [{arm.name}] of"
                f" {classes[1]!r}; compare arms of one --positive_class."
            )
