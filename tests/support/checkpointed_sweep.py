"""The command line of a sweep of eight steps, every second of which leaves a checkpoint."""


def command(tiny, out, *flags):
    return [
        *("--model", tiny, "--task", "miniature", "--out", str(out), "--max_steps", "8"),
        *("--train_examples", "48", "--eval_every", "4", "--checkpoint_every", "2", *flags),
    ]
