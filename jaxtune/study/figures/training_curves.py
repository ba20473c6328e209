"""Figure 14: training loss and dev metric of failed and successful trials."""

import numpy as np

from jaxtune.stats.intervals import share
from jaxtune.study.context import Study, write_table
from jaxtune.study.finding import Finding, agreement, show_share
from jaxtune.study.selection import choose

TITLE = "Figure 14: training curves of failed and successful trials"
PAPER = (
    "Ten failed RTE trials stay at the training loss they began with and at the dev accuracy of a"
    " constant prediction; ten successful ones learn."
)
# A failed trial has learned nothing if its last tenth of training loss is at least this share of
# the first tenth's.
STAYS = 0.9


def run(study: Study) -> Finding:
    """Loss and dev metric of the first few failed and successful trials without correction."""
    sweep = study.main()
    rows = study.rows(sweep)
    rows = rows[~rows["bias_correction"]]
    chosen = choose(rows, study.config.most_curves, sweep)
    numbers = [*chosen.failed, *chosen.successful]
    metric = f"dev/{rows['metric'].iloc[0]}"
    curves = study.history(sweep, numbers)
    curves = curves[curves["name"].isin(["loss", metric])]
    curves["failed"] = curves["trial"].isin(chosen.failed)
    curves["trivial"] = rows["trivial"].iloc[0]
    folder = study.folder("training_curves")
    write_table(folder / "curves.parquet", curves)
    stays = {number: _share_left(curves, number) for number in numbers}
    failed = share(np.array([stays[n] >= STAYS for n in chosen.failed]))
    learned = share(np.array([stays[n] < STAYS for n in chosen.successful]))
    parts = [failed.value > 0.5, learned.value > 0.5]
    here = (
        f"Of the failed trials shown, {failed.count} of {failed.n} end at {STAYS:.0%} or more of"
        f" the loss they began with (95 % interval {failed.wilson_low:.0%} to"
        f" {failed.wilson_high:.0%}); of the successful ones {learned.count} of {learned.n} end"
        f" below that ({learned.wilson_low:.0%} to {learned.wilson_high:.0%}). In the sweep,"
        f" {show_share(share(rows['failed'].to_numpy(bool)))} without correction."
    )
    why = (
        f"The rule: more than half of the failed trials stay at {STAYS:.0%} of their first loss,"
        " and more than half of the successful ones do not."
    )
    return Finding(
        TITLE,
        PAPER,
        here,
        agreement(parts),
        why,
        {"last_of_first_loss": stays},
        [f"Shown: {chosen.rule}."],
    )


def _share_left(curves, number: int) -> float:
    """Mean loss of the last tenth of a trial's steps, over that of the first tenth."""
    loss = curves[(curves["trial"] == number) & (curves["name"] == "loss")]["value"].to_numpy()
    tenth = max(1, len(loss) // 10)
    return float(loss[-tenth:].mean() / loss[:tenth].mean())
