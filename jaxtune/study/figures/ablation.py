"""Figure 9: learning rate x epochs x bias correction."""

from pathlib import Path
from typing import Any

import pandas as pd

from jaxtune.study.context import AT_THE_END, BOTH_ARMS, Study
from jaxtune.study.finding import Claim, Finding
from jaxtune.study.measures import by_correction, failure_gap, score_table, share_of, tally

TITLE = "Figure 9: learning rate x epochs x bias correction"
PAPER = (
    "BERT-large on RTE often fails in 3 epochs without bias correction, and does best with it and"
    " more epochs (2e-5, 20 epochs). With the correction larger learning rates can be used. 450"
    " trials."
)


def ablation_sweep(study: Study) -> Path:
    """The sweep of all arms; figure 8 shows its trials too."""
    config = study.config
    grid = {
        "learning_rate": config.ablation_learning_rates,
        "num_epochs": config.ablation_epochs,
    }
    return study.sweep(
        "ablation", grid=grid | BOTH_ARMS, num_seeds=config.ablation_seeds, eval_every=AT_THE_END
    )


def run(study: Study) -> Finding:
    """Every combination, with every seed."""
    config = study.config
    rows = study.rows(ablation_sweep(study))
    recommended = (
        (rows["learning_rate"] == config.stable_learning_rate)
        & (rows["num_epochs"] == config.stable_epochs)
        & rows["bias_correction"]
    )
    study.write("ablation", trials=score_table(rows).assign(recommended=recommended))
    fewest, largest = min(config.ablation_epochs), max(config.ablation_learning_rates)
    pools = {
        f"{fewest} epochs": rows[rows["num_epochs"] == fewest],
        f"learning rate {largest:g}": rows[rows["learning_rate"] == largest],
    }
    gaps = {at: failure_gap(*by_correction(pool)) for at, pool in pools.items()}
    means = rows.groupby(["learning_rate", "num_epochs", "bias_correction"])["final"].mean()
    best: Any = means.idxmax()
    rate, epochs, corrected = best
    best_arm = (
        f"the highest mean, {means.max():.3f}, has learning rate {rate:g}, {epochs} epochs and"
        f" {'the' if corrected else 'no'} correction"
    )
    return Finding(
        title=TITLE,
        paper=PAPER,
        here=(
            f"Of {len(means)} arms {best_arm}."
            f" Failed without and with correction: {'; '.join(_failures_by_epochs(rows))}."
        ),
        claims=[
            *(
                Claim(f"at {at} more trials fail without correction", gap.words, gap.fails_more)
                for at, gap in gaps.items()
            ),
            Claim(
                f"the best arm has the correction and more than {fewest} epochs",
                best_arm,
                bool(corrected and epochs > fewest),
            ),
        ],
        numbers={
            at: {"without": gap.one, "with": gap.other, "p": gap.test.p} for at, gap in gaps.items()
        }
        | {"means": means.rename("mean").reset_index().to_dict("records")},
        notes=[
            f"{config.ablation_seeds} seeds per arm. The highest of {len(means)} means is partly"
            " luck.",
            "Trials are pooled over arms. Pooled trials of several arms are no random sample of"
            " one rate: the intervals are for reading.",
        ],
    )


def _failures_by_epochs(rows: pd.DataFrame) -> list[str]:
    """Failed trials without and with correction, a part of a sentence for each number of epochs."""
    return [
        f"{number} epochs {' and '.join(tally(share_of(arm)) for arm in by_correction(pool))}"
        for number, pool in rows.groupby("num_epochs")
    ]
