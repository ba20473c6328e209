"""Arms with scores that a test chooses, by way of the rows a sweep writes."""

from jaxtune.arms import Arm, make_arms


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
