"""Numbers over the trials of an arm, and what they allow one to say."""

import itertools
from typing import Any

import numpy as np
from scipy import stats


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One arm's trials: n, mean, std (ddof 1), min, median, max, IQM, and failures with a 95 % Wilson interval.

    Every finished trial counts, failed and diverged ones too. The std of a single trial is null.
    """
    final = np.array([row["final"] for row in rows], np.float64)
    failed = sum(row["failed"] for row in rows)
    interval = stats.binomtest(failed, len(rows)).proportion_ci(method="wilson")
    return {
        "n": len(rows),
        "metric": rows[0]["metric"],
        "mean": float(final.mean()),
        "std": float(final.std(ddof=1)) if len(rows) > 1 else None,
        "min": float(final.min()),
        "median": float(np.median(final)),
        "max": float(final.max()),
        "iqm": float(stats.trim_mean(final, 0.25)),
        "trivial": rows[0]["trivial"],
        "failed": failed,
        "failed_low": float(interval.low),
        "failed_high": float(interval.high),
        "diverged": sum(row["diverged"] for row in rows),
        "constant_predictions": sum(row["constant_prediction"] for row in rows),
    }


def by_arm(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of trials.jsonl by arm, arms in order of their first trial."""
    arms: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["trial"]):
        arms.setdefault(row["arm"], []).append(row)
    return arms


def conclusion(summaries: dict[str, dict[str, Any]]) -> str:
    """What the failure counts show and do not show, in one sentence."""
    limits = (
        "this is one model, one task and one setting of everything that was not swept, so it says nothing about other "
        "learning rates, durations or data"
    )
    if len(summaries) == 1:
        (arm,) = summaries.values()
        return f"{_failures(arm)} trials failed (no better than the best constant prediction); {limits}."
    pairs = itertools.combinations(summaries.items(), 2)
    (low_name, low), (high_name, high) = max(pairs, key=lambda pair: _gap(pair[0][1], pair[1][1]))
    if low["failed"] / low["n"] > high["failed"] / high["n"]:
        (low_name, low), (high_name, high) = (high_name, high), (low_name, low)
    apart = low["failed_high"] < high["failed_low"]
    relation = (
        "fails more often than"
        if apart
        else "was not shown to fail more or less often than (the intervals overlap)"
    )
    return f"[{high_name}] ({_failures(high)} failed) {relation} [{low_name}] ({_failures(low)}); {limits}."


def _gap(one: dict[str, Any], other: dict[str, Any]) -> float:
    return abs(one["failed"] / one["n"] - other["failed"] / other["n"])


def _failures(arm: dict[str, Any]) -> str:
    return f"{arm['failed']}/{arm['n']}, 95 % interval {arm['failed_low']:.0%} to {arm['failed_high']:.0%}"
