"""Figure 14: training loss and dev metric of failed and successful trials."""

import numpy as np
import pandas as pd

from jaxtune.stats.intervals import Share, share
from jaxtune.stats.wording import show_share, show_wilson
from jaxtune.study.context import Study
from jaxtune.study.finding import Claim, Finding
from jaxtune.study.measures import by_correction, choose, share_of, tally

TITLE = "Figure 14: training curves of failed and successful trials"
PAPER = (
    "Failed RTE trials stay at the training loss they began with and at the dev accuracy of a"
    " constant prediction; successful ones learn. Ten of each are shown."
)
# A failed trial has learned nothing if its last tenth of training loss is at least this share of
# the first tenth's.
STAYS = 0.9


def run(study: Study) -> Finding:
    """Loss and dev metric of the first few failed and successful trials without correction."""
    sweep = study.main()
    rows, _ = by_correction(study.rows(sweep))
    chosen = choose(rows, study.config.most_curves, sweep)
    numbers = [*chosen.failed, *chosen.successful]
    curves = study.history(sweep, numbers)
    curves = curves[curves["name"].isin(["loss", f"dev/{rows['metric'].iloc[0]}"])]
    curves["failed"] = curves["trial"].isin(chosen.failed)
    curves["trivial"] = rows["trivial"].iloc[0]
    study.write("training_curves", curves=curves)
    left = {number: _share_left(curves, number) for number in numbers}
    stay = share(np.array([left[number] >= STAYS for number in chosen.failed]))
    learn = share(np.array([left[number] < STAYS for number in chosen.successful]))
    return Finding(
        title=TITLE,
        paper=PAPER,
        here=(
            f"Of the trials shown {tally(stay)} failed ones end at {STAYS:.0%} or more"
            f" of the loss they began with, and {tally(learn)} successful ones below."
            f" In the sweep, {show_share(share_of(rows))} without correction."
        ),
        claims=[
            Claim(
                f"most failed trials end at {STAYS:.0%} or more of their first loss",
                _words(stay),
                stay.value > 0.5,
            ),
            Claim(
                f"most successful trials end below {STAYS:.0%} of it",
                _words(learn),
                learn.value > 0.5,
            ),
        ],
        numbers={"last_of_first_loss": left},
        notes=[f"Shown: {chosen.rule}. A diverged trial has no last loss to compare."],
    )


def _words(part: Share) -> str:
    return f"{tally(part)} (95% interval {show_wilson(part)})"


def _share_left(curves: pd.DataFrame, number: int) -> float:
    """Mean loss of the last tenth of a trial's steps, over that of the first tenth."""
    loss = curves[(curves["trial"] == number) & (curves["name"] == "loss")]["value"].to_numpy()
    tenth = max(1, len(loss) // 10)
    return float(loss[-tenth:].mean() / loss[:tenth].mean())
