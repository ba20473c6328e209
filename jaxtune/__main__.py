"""`jaxtune COMMAND ...`: the same as `python -m jaxtune.COMMAND ...`."""

import importlib
import sys
from collections.abc import Sequence

from jaxtune.core.cli import run
from jaxtune.core.fields import suggestion
from jaxtune.core.help import beside

COMMANDS = {
    "sweep": "Fine-tunes many seeds of a recipe; without flags a first example, offline.",
    "merge": "Joins the shards of a sweep, each run by a command of its own.",
    "report": "Says what sweeps, or any trainer's runs, show: as a page, Markdown and CSV.",
    "export": "Writes a trial, an ensemble or a weight average as a Hugging Face folder.",
    "track": "Sends a sweep's trials to W&B, MLflow or trackio.",
    "predict": "Labels and probabilities for new texts, or a submission to GLUE.",
    "pretrain": "Pre-trains a small encoder from scratch.",
    "study": "Repeats the experiments of the paper.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status of the command, and 2 where there is none of that name."""
    words = sys.argv[1:] if argv is None else list(argv)
    if not words or words[0] in ("--help", "-h"):
        table = [beside(name, purpose) for name, purpose in COMMANDS.items()]
        page = ["usage: jaxtune COMMAND ...", "", *table, "", "jaxtune COMMAND --help says more."]
        place = sys.stdout if words else sys.stderr
        status = run(lambda _: print("\n".join(page), file=place), [], "give another place")
        return status if words or status else 2
    if words[0] not in COMMANDS:
        print(f"error: {words[0]} is no command; {suggestion(words[0], COMMANDS)}", file=sys.stderr)
        return 2
    return importlib.import_module(f"jaxtune.{words[0]}.__main__").main(words[1:])


if __name__ == "__main__":
    sys.exit(main())
