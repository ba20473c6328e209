"""The command line of a sweep of five steps. Tests that use it share its compiled program."""

EVERYTHING = ("--num_seeds", "3", "--grid.bias_correction", "false", "true", "--save_params", "all")


def command(tiny, out, *flags):
    return [
        *("--model", tiny, "--task", "miniature", "--out", str(out)),
        *("--max_steps", "5", "--train_examples", "64", "--log_every", "2", "--eval_every", "3"),
        *flags,
    ]
