"""`jaxtune predict`: what trained models answer to new texts, or to GLUE's test split."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxtune.core.cli import run
from jaxtune.core.errors import UserError
from jaxtune.core.files import PART, check_place
from jaxtune.core.flags import parse_flags
from jaxtune.predict.settings import PredictConfig


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    return run(
        lambda words: predict(parse_flags("predict", PredictConfig, words)),
        argv,
        "make room or give another place to write to",
    )


def predict(config: PredictConfig) -> None:
    """Writes the answers; raises UserError, and writes nothing, where something is missing."""
    if [config.file is not None, config.glue is not None, config.representations].count(True) != 1:
        raise UserError(
            "One of --file, --glue and --representations is wanted: texts to answer, the zip file"
            " of a submission to GLUE, or a comparison of a sweep's trials."
        )
    _check_used(config)
    if config.glue is not None:
        from jaxtune.predict.glue_submission import write_submission

        check_target(config.glue, "--glue")
        write_submission(config.source, config.trial, config.arm, config.glue)
        return
    if len(config.source) > 1:
        raise UserError(
            f"{len(config.source)} folders are given, and one is answered or compared; give one."
        )
    if config.representations:
        from jaxtune.core import devices
        from jaxtune.predict.representations import write_representations

        devices.set_up()
        write_representations(config.source[0], config.model)
        return
    assert config.file is not None
    target = config.out or config.file.with_name(f"{config.file.stem}_predictions.csv")
    check_target(target, "--out")
    # Imported late: `--help` and usage errors answer before JAX loads.
    from jaxtune.core import devices
    from jaxtune.predict.answering import answer_file
    from jaxtune.predict.members import members_of

    devices.set_up()
    answer_file(members_of(config), config.file, target)


def _check_used(config: PredictConfig) -> None:
    """Raises UserError for a flag that would change nothing."""
    mode = "representations" if config.representations else "glue"
    used = {"representations": ("model",), "glue": ("trial", "arm")}[mode]
    if config.file is not None:
        return
    for field in dataclasses.fields(config)[1:]:
        if field.name not in (mode, *used) and getattr(config, field.name) != field.default:
            raise UserError(f"--{field.name} is given, which --{mode} does not use; leave it out.")


def check_target(file: Path, flag: str) -> None:
    """Raises UserError for a file that is there, or that cannot be written."""
    check_place(file, flag, PART)
    if file.exists():
        raise UserError(f"{file} exists; give another {flag}, or take it away.")


if __name__ == "__main__":
    sys.exit(main())
