"""The command line of a sweep of 23 steps, which tests end on the way and go on with."""


def command(tiny, out, *flags):
    return [
        *("--model", tiny, "--task", "miniature", "--out", str(out), "--max_steps", "23"),
        *("--train_examples", "64", "--log_every", "2", "--eval_every", "5", "--num_seeds", "2"),
        *("--learning_rate", "1e-3", "--save_params", "all", "--grid.bias_correction"),
        *("true", "false", *flags),
    ]
