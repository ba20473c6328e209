"""The command line of a sweep of 20 steps, after half of which early stopping ends trials."""

STEPS, STOP = 20, 10


def command(tiny, out, *flags):
    return [
        *("--model", tiny, "--task", "miniature", "--out", str(out), "--max_steps", str(STEPS)),
        *("--train_examples", "64", "--log_every", "2", "--eval_every", "5", "--num_seeds", "6"),
        *("--learning_rate", "1e-2", "--save_params", "all", "--grid.bias_correction"),
        *("true", "false", *flags),
    ]


KEEP = ("--early_stop", "0.5", "--keep_trials", "2")


def nobody(*_):
    """So that rank alone decides."""
    return False
