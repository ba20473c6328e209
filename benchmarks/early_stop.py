"""What stopping early saves: replays finished sweeps as if they had been stopped.

`python benchmarks/early_stop.py OUT [OUT ...]`

1. The rule for trials that have learnt nothing: of the trials that end failed, and of those that do
   not, how many it stops, and the share of all steps that it saves.
2. Keeping the best (Dodge et al. 2020): the expected best final score of `budget` whole runs,
   against that of more runs of which some go on, at the same number of steps; sampled with
   replacement from the arm's trials, as they did. Only as fine as the sweep's `--eval_every`.
"""

import sys
from pathlib import Path

import numpy as np

import jaxtune
from jaxtune.config.parse import parse
from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import make_trials, program_config
from jaxtune.core.failure import constant_loss
from jaxtune.core.metrics import METRICS, merit
from jaxtune.core.schedules import stop_step
from jaxtune.sweep.early_stop import has_learnt_nothing
from jaxtune.training.prepare import prepare

SHARES = (0.1, 0.2, 0.3, 0.5)
BUDGETS = (4, 8)
KEPT = (1, 2, 4)
SAMPLES = 20_000


def config_of(out: Path) -> SweepConfig:
    return make_trials(parse(["--config", str(out / "config.yaml")]))[0].config


def rule(out: Path) -> None:
    results = jaxtune.load_results(out)
    constant = constant_loss(prepare(program_config(config_of(out))).train.labels)
    print("| stop after | arm | failed, stopped | not failed, stopped | steps saved |")
    print("|---|---|---|---|---|")
    curves = results.history.groupby(["trial", "name"], observed=True)["value"]
    norms = "grad_norm/layer_00/layer"
    for share in SHARES:
        for arm, rows in results.trials.groupby("arm"):
            counts, saved = {True: [0, 0], False: [0, 0]}, 0
            for row in rows.itertuples():
                stop = stop_step(share, row.num_steps)
                losses = curves.get_group((row.trial, "loss")).to_numpy()[:stop]
                lowest = curves.get_group((row.trial, norms)).to_numpy()
                lowest = lowest[: -(-stop // row.log_every)]
                stopped = has_learnt_nothing(losses, lowest, constant)
                counts[row.failed][0] += stopped
                counts[row.failed][1] += 1
                saved += stopped * (row.num_steps - stop)
            failed, others = (f"{a} of {b}" for a, b in (counts[True], counts[False]))
            total = rows["num_steps"].sum()
            print(f"| {share:.0%} | {arm} | {failed} | {others} | {saved / total:.0%} |")


def keeping(out: Path) -> None:
    results = jaxtune.load_results(out)
    metric = results.trials["metric"][0]
    higher = METRICS[metric].higher_is_better
    sign = 1 if higher else -1
    scores = results.history[results.history["name"] == f"dev/{metric}"]
    rng = np.random.default_rng(0)
    print("\n| arm | budget | whole runs | stop after | trials, kept | expected best |")
    print("|---|---|---|---|---|---|")
    for arm, rows in results.trials.groupby("arm"):
        table = scores[scores["trial"].isin(rows["trial"])].pivot(
            index="trial", columns="step", values="value"
        )
        merits, steps = merit(table.to_numpy(), higher), table.columns.to_numpy()
        final = merits[:, -1]
        for budget in BUDGETS:
            draws = rng.integers(len(final), size=(SAMPLES, budget))
            whole = final[draws].max(axis=1).mean()
            for share in SHARES[1:]:
                seen = steps <= share * steps[-1] + 0.5
                if not seen.any():
                    continue
                early = merits[:, seen].max(axis=1)
                true_share = steps[seen][-1] / steps[-1]
                for kept in KEPT:
                    trials = int((budget - kept * (1 - true_share)) / true_share)
                    if not kept < trials or kept >= budget:
                        continue
                    draws = rng.integers(len(final), size=(SAMPLES, trials))
                    order = np.argsort(-early[draws], axis=1, kind="stable")[:, :kept]
                    best = final[np.take_along_axis(draws, order, axis=1)].max(axis=1).mean()
                    print(
                        f"| {arm} | {budget} | {sign * whole:.4f} | {true_share:.0%} |"
                        f" {trials}, {kept} | {sign * best:.4f} |"
                    )


def main() -> None:
    for name in sys.argv[1:]:
        print(f"\n{name}\n")
        rule(Path(name))
        keeping(Path(name))


if __name__ == "__main__":
    main()
