"""`jaxtune export`: one trial, an ensemble or a weight average as a Hugging Face folder.

Whatever is exported is evaluated first, on the dev set and by the compiled program that scored the
trials: what the model card says was measured on the very parameters beside it.
"""

import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Literal

from jaxtune.config.field_groups import INPUT_FIELDS
from jaxtune.core.cli import run
from jaxtune.core.errors import UserError
from jaxtune.core.files import check_place
from jaxtune.core.flags import parse_flags


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Writes what a sweep made of a model as a folder that transformers loads, with a model card.

    The sweep must have kept the parameters: `--save_params final` (or best, or all).
    """

    out: Path = dataclasses.field(metadata={"positional": "OUT"})
    """The sweep's folder."""
    trial: str
    """`best` (by the dev metric), a trial's number, `ensemble` (mean of the logits of the trials
    that did not fail), or `soup` (mean of their weights).
    """
    to: Path
    """Folder to write; it must not exist, or be empty."""
    arm: str | None = None
    """Only the trials of this arm; an ensemble or soup of a sweep with several arms needs it."""
    step: Literal["final", "best"] = "final"
    """Parameters after the last step, or of each trial's best evaluation on the dev set."""
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
    check_target(config.to)
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
    with fresh_folder(config.to) as folder:
        said = write(folder)
    say(f"{said}\nWrote {config.to}")


def check_target(to: Path) -> None:
    """Raises UserError for a folder that holds something, a file, or what cannot be written."""
    check_place(to, "--to")
    if to.is_dir() and not any(to.iterdir()):
        return
    if to.exists():
        raise UserError(f"{to} exists and is not an empty folder; give another --to.")


@contextlib.contextmanager
def fresh_folder(to: Path) -> Generator[Path]:
    """A folder that becomes `to` when the block ends well, and nothing when it does not."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=".export-") as scratch:
        folder = Path(scratch) / "folder"
        folder.mkdir()
        yield folder
        check_target(to)
        folder.replace(to)


if __name__ == "__main__":
    sys.exit(main())
