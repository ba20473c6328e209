"""Arms and sweeps with scores that a test chooses, by way of the rows a sweep writes."""

from pathlib import Path

import numpy as np

from jaxtune.core.records import StepRecords
from jaxtune.stats.arms import Arm, make_arms
from jaxtune.storage.curves import History, write_predictions
from jaxtune.storage.trial_rows import append_rows

RNG = np.random.default_rng(0)  # begun again for every test of tests/stats
LAYERS = ("layer_00/layer", "layer_01/layer", "layer_02/layer")
RECIPE = {
    "learning_rate": 2e-5,
    "warmup_ratio": 0.1,
    "schedule": "linear",
    "bias_correction": True,
    "adam_b1": 0.9,
    "adam_b2": 0.999,
}


def made_up_rows(scores, name="all", trivial=0.6, seeds=None, **settings):
    """Rows of trials.jsonl; a score of at most `trivial` has failed, None has diverged."""
    return [
        {
            "trial": number,
            "arm": name,
            "init_seed": seed,
            "order_seed": seed,
            "dropout_seed": seed,
            "metric": "accuracy",
            "task": "rte",
            "final": score,
            "trivial": trivial,
            "failed": score is None or score <= trivial,
            "diverged": score is None,
            "constant_prediction": score == trivial,
            "log_every": 10,
        }
        | settings
        for number, (score, seed) in enumerate(
            zip(scores, seeds or range(len(scores)), strict=True)
        )
    ]


def made_up_arm(scores, name="all", **more) -> Arm:
    (arm,) = make_arms({name: made_up_rows(list(scores), name, **more)})
    return arm


def arm(name, scores, **settings) -> Arm:
    """`made_up_arm`, its name first: in tests of several arms that is what one looks for."""
    return made_up_arm(scores, name, **settings)


def normal(mean, std, n):
    """Scores with exactly this mean and std."""
    if n < 2:
        return np.full(n, mean)
    x = RNG.normal(size=n)
    return mean + std * (x - x.mean()) / x.std(ddof=1)


def write_made_up_sweep(out: Path, arms, num_steps=6, num_dev=50, num_labels=2, **settings):
    """A folder as a sweep leaves it, without config and manifest; `arms` are scores by name."""
    rows = []
    for name, scores in arms.items():
        for row in made_up_rows(scores, name, **RECIPE | settings):
            about = {"trial": len(rows), "seed": row["trial"], "model": "made-up"}
            rows.append(row | about | {"num_steps": num_steps, "seconds": 1.0})
    for row in rows:
        number, score = row["trial"], row["final"] or 0.0
        history = History(log_every=2)
        rng = np.random.default_rng(number)
        loss = 1 - score + 0.1 * rng.random((1, num_steps), np.float32)
        norms = rng.random((1, num_steps, len(LAYERS)), np.float32)
        history.steps([number], 0, StepRecords(loss, 2e-5 * loss, norms, LAYERS))
        history.evaluation([number], num_steps, [{row["metric"]: score}])
        history.write(out / "history")
        write_predictions(out, number, rng.normal(size=(num_dev, num_labels)))
    append_rows(out, rows)
    return out
