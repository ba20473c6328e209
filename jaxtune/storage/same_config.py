"""Configs of sweeps compared: which of their lines differ, whatever they leave to defaults and
wherever model and data lie.
"""

import dataclasses
import difflib
from pathlib import Path
from typing import Any

import yaml

from jaxtune.config.field_groups import FURTHER_FIELDS, INPUT_FIELDS, SEED_FIELDS
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import shown
from jaxtune.storage.inputs import from_root, further_from_root
from jaxtune.storage.paths import CONFIG


def config_changes(before: str, now: str, paths_too: bool, seeds_too: bool = False) -> list[str]:
    """The lines in which the texts of two configs differ, with - or + in front.

    Args:
        paths_too: whether the places of model and data count.
        seeds_too: whether the seeds count.
    """
    # With `keep_trials` more seeds would change who goes on.
    seeds_too = seeds_too or any(map(_keeps_trials, (before, now)))
    one, other = (comparable(text, paths_too, seeds_too).splitlines() for text in (before, now))
    lines = difflib.unified_diff(one, other, n=0, lineterm="")
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("---", "+++")]


def settings_in(text: str) -> dict[str, Any] | None:
    """The settings that a config's text gives; None where it is no config."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return values if isinstance(values, dict) else None


def _keeps_trials(text: str) -> bool:
    return bool((settings_in(text) or {}).get("keep_trials"))


def comparable(text: str, paths_too: bool, seeds_too: bool = False) -> str:
    """A config with the defaults of fields that it is too old to know.

    Args:
        paths_too: whether the places of model and data count; else only whether they are given.
        seeds_too: whether the seeds count.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(SweepConfig)}
    apart = () if seeds_too else SEED_FIELDS
    try:
        values = defaults | yaml.safe_load(text)
        kept = {name: value for name, value in values.items() if name not in apart}
        grid = dict(kept.get("grid") or {})
        for name in INPUT_FIELDS:
            if name in grid:  # the arms are called by it
                grid[name] = [shown(name, value, grid[name]) for value in grid[name]]
            if kept[name] is not None:
                kept[name] = from_root(name, kept[name]) if paths_too else "given"
        further = further_from_root(kept)
        if not paths_too:
            further["test_file"] = kept["test_file"] and "given"
            further["more_dev_files"] = [e.partition("=")[0] for e in kept["more_dev_files"]]
        kept |= further
        # No arm has the value beside a grid; of model and data it is as given.
        kept = {name: v for name, v in kept.items() if name not in grid or name in INPUT_FIELDS}
    except (yaml.YAMLError, AttributeError, TypeError):
        return text
    return yaml.safe_dump(kept | ({"grid": grid} if grid else {}))


def same_places(out: Path, settings: Settings) -> bool:
    """Whether OUT's config names model and data as these settings do, from the root on."""
    path = out / CONFIG
    if not path.exists():
        return False
    texts = (path.read_text(encoding="utf-8"), settings.as_yaml())
    before, now = (settings_in(comparable(text, paths_too=True)) for text in texts)
    if before is None or now is None:
        return False
    return all(before.get(name) == now.get(name) for name in (*INPUT_FIELDS, *FURTHER_FIELDS))
