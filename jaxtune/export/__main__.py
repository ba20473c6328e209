"""`jaxtune export`: one trial, an ensemble or a weight average as a Hugging Face folder.

Whatever is exported is evaluated first, on the dev set and by the compiled program that scored the
trials: what the model card says was measured on the very parameters beside it.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jaxtune.config.field_groups import INPUT_FIELDS
from jaxtune.core.cli import run
from jaxtune.core.flags import parse_flags
from jaxtune.storage.new_folder import check_new, new_folder


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Writes what a sweep made of a model as a folder that transformers loads, with a model card.

    The sweep must have kept the parameters: `--save_params final` (or best, or all).
    """

    out: Path = dataclasses.field(metadata={"positional": "OUT"})
    """The sweep's folder."""
    trial: str
    """`best` (by the dev metric), a trial's number, `ensemble` (mean of the probabilities of the
    trials that did not fail or end early), or `soup` (mean of their weights).
    """
    to: Path
    """Folder to write; it must not exist, or be empty."""
    arm: str | None = None
    """Only the trials of this arm; an ensemble or soup of a sweep with several arms needs it."""
    step: Literal["final", "best"] = "final"
    """Parameters after the last step, or of each trial's best evaluation."""
    adapters: bool = False
    """Of a sweep with lora_rank: the adapters and the head alone, as a folder that peft loads."""
    model: str | None = None
    """Where the sweep's model lies now, if it has been moved; checked by its sha256, as are these.
    """
    data_dir: str | None = None
    """Where the sweep's data_dir lies now."""
    train_file: str | None = None
    """Where the sweep's train_file lies now."""
    dev_file: str | None = None
    """Where the sweep's dev_file lies now."""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    return run(
        lambda words: export(parse_flags("export", ExportConfig, words)),
        argv,
        "make room or give another --to",
    )


def export(config: ExportConfig) -> None:
    """Writes the folder; raises UserError, and leaves nothing, where something is missing."""
    check_new(config.to)
    # Imported late: `--help` and usage errors answer before JAX loads.
    from jaxtune.core import devices
    from jaxtune.core.console import say
    from jaxtune.export.choose import choose
    from jaxtune.export.members import read_sweep

    places = {field: getattr(config, field) for field in INPUT_FIELDS}
    moved = {field: path for field, path in places.items() if path is not None}
    sweep = read_sweep(config.out, config.step, moved)
    devices.set_up()
    write = choose(sweep, config.trial, config.arm, config.adapters)
    with new_folder(config.to) as folder:
        said = write(folder)
    say(f"{said}\nWrote {config.to}")


if __name__ == "__main__":
    sys.exit(main())
