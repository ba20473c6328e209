"""Figure 9: learning rate x epochs x bias correction."""

from pathlib import Path
from typing import Any

import pandas as pd

from jaxtune.stats.hypothesis_tests import failure_test
from jaxtune.stats.intervals import share_difference
from jaxtune.study.context import AT_THE_END, Study, write_table
from jaxtune.study.finding import Finding, agreement, show_share
from jaxtune.study.measures import ALPHA, fails_more, gap_words, score_table, share_of

TITLE = "Figure 9: learning rate x epochs x bias correction"
PAPER = (
    "BERT-large on RTE, 450 trials: without bias correction training for 3 epochs fails often; with"
    " it larger learning rates can be used; bias correction with more epochs does best (2e-5, 20"
    " epochs)."
)
RULE = (
    f"The rule (Boschloo's test at {ALPHA}, trials pooled): without correction more trials fail at"
    " the fewest epochs, and at the largest learning rate; and the arm with the highest mean has"
    " the correction and more than the fewest epochs."
)


def ablation_sweep(study: Study) -> Path:
    """The sweep of all arms; figure 8 shows its trials too."""
    config = study.config
    return study.sweep(
        "ablation",
        grid={
            "learning_rate": config.ablation_learning_rates,
            "num_epochs": config.ablation_epochs,
            "bias_correction": (False, True),
        },
        num_seeds=config.ablation_seeds,
        eval_every=AT_THE_END,
    )


def run(study: Study) -> Finding:
    """Every combination, with every seed."""
    config = study.config
    rows = study.rows(ablation_sweep(study))
    folder = study.folder("ablation")
    recommended = (rows["learning_rate"] == config.stable_learning_rate) & (
        rows["num_epochs"] == config.stable_epochs
    )
    table = score_table(rows)
    table["recommended"] = recommended & rows["bias_correction"]
    write_table(folder / "trials.parquet", table)
    fewest, largest = min(config.ablation_epochs), max(config.ablation_learning_rates)
    parts, said = [], []
    numbers: dict[str, Any] = {}
    for label, pool in (
        (f"{fewest} epochs", rows[rows["num_epochs"] == fewest]),
        (f"learning rate {largest:g}", rows[rows["learning_rate"] == largest]),
    ):
        holds, words, numbers[label] = _correction_effect(pool)
        parts.append(holds)
        said.append(f"At {label} {words}.")
    means = rows.groupby(["learning_rate", "num_epochs", "bias_correction"])["final"].mean()
    best: Any = means.idxmax()
    parts.append(bool(best[2] and best[1] > fewest))
    numbers["means"] = means.rename("mean").reset_index().to_dict("records")
    said.append(
        f"Of {len(means)} arms the highest mean, {means.max():.3f}, has learning rate {best[0]:g},"
        f" {best[1]} epochs and {'the' if best[2] else 'no'} correction."
    )
    for epochs in config.ablation_epochs:
        pool = rows[rows["num_epochs"] == epochs]
        with_it, without = (share_of(pool[pool["bias_correction"] == on]) for on in (True, False))
        said.append(
            f"{epochs} epochs: {without.count} of {without.n} failed without, {with_it.count} of"
            f" {with_it.n} with it."
        )
    notes = [
        f"{config.ablation_seeds} seeds per arm. The highest of {len(means)} means is partly luck.",
        (
            "Pooled trials of several arms are no random sample of one rate: the intervals are for"
            " reading."
        ),
    ]
    return Finding(TITLE, PAPER, " ".join(said), agreement(parts), RULE, numbers, notes)


def _correction_effect(pool: pd.DataFrame) -> tuple[bool | None, str, dict[str, Any]]:
    """Failures without correction against those with it, over the arms of a pool."""
    flags = [
        pool.loc[pool["bias_correction"] == on, "failed"].to_numpy(bool) for on in (False, True)
    ]
    shares = [share_of(pool[pool["bias_correction"] == on]) for on in (False, True)]
    gap, test = share_difference(*shares), failure_test(*flags)
    words = (
        f"{show_share(shares[0])} without correction and {show_share(shares[1])} with it,"
        f" {gap_words(gap, test)}"
    )
    numbers = {"without": shares[0]._asdict(), "with": shares[1]._asdict(), "p": test.p}
    return fails_more(gap, test), words, numbers
