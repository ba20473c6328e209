"""Settings of `--config` files and flags, as the tests of config write them."""

import dataclasses
from pathlib import Path

from jaxtune.config.parse import Settings, parse
from jaxtune.config.settings import SweepConfig

NEEDED = "model: m\ntask: rte\n"


def parsed(folder: Path, flags: str, *texts: str) -> Settings:
    """Of flags after `--config` files, which hold a model and a task, and then the texts."""
    argv: list[str] = []
    for number, text in enumerate((NEEDED, *texts)):
        file = folder / f"{number}.yaml"
        file.write_text(text, encoding="utf-8")
        argv += ["--config", str(file)]
    return parse([*argv, *flags.split()])


def changes(config: SweepConfig) -> dict[str, object]:
    """The fields that differ from the defaults, apart from model and task."""
    default = dataclasses.asdict(SweepConfig(model="m", task="rte"))
    return {k: v for k, v in dataclasses.asdict(config).items() if v != default[k]}
