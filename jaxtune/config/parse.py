"""Flags, YAML files, recipes and Python arguments to the settings of a sweep.

All spell the fields of `jaxtune.config.settings`. Later wins: defaults, then each recipe and each
config file in order, then flags or arguments. A wrong word of a command line is a UsageError
(status 2); what is wrong in a file or a call is a UserError, which names a file's line and key.
"""

import dataclasses
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from types import GenericAlias
from typing import Any

import yaml

from jaxtune.config.field_groups import (
    COMMAND_FIELDS,
    INPUT_FIELDS,
    NOT_SWEPT,
    OVERRIDDEN,
    PATH_FIELDS,
    SEED_LISTS,
    switched_off,
)
from jaxtune.config.recipe_files import recipe_file, recipe_table
from jaxtune.config.settings import SweepConfig
from jaxtune.config.text_values import seed_text, seeds_in
from jaxtune.config.validate import check
from jaxtune.config.validate_unused import check_used
from jaxtune.config.yaml_files import Entry, as_written, converted, entries, read_file
from jaxtune.core.errors import UsageError, UserError
from jaxtune.core.fields import hints_of, shown, suggestion
from jaxtune.core.flags import read_flags
from jaxtune.core.words import spelled

QUICKSTART = Path(__file__).parents[1] / "data" / "miniature" / "quickstart.yaml"
FIELDS = hints_of(SweepConfig)
SWEPT_FIELDS = tuple(name for name in FIELDS if name not in NOT_SWEPT)
GRID_FLAGS = {f"grid.{name}": GenericAlias(tuple, (FIELDS[name], ...)) for name in SWEPT_FIELDS}


@dataclasses.dataclass(frozen=True)
class SweepFlags(SweepConfig):
    __doc__ = SweepConfig.__doc__

    # Settings from files: a later one wins, and flags win over all
    recipe: tuple[str, ...] = ()
    """Packaged recipes, in the list below; read before any --config."""
    config: tuple[Path, ...] = ()
    """YAML files with the names above; `grid:` maps names to lists of values."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """A parsed command: the base settings, the swept values as given, and one config per arm."""

    base: SweepConfig
    grid: dict[str, tuple[Any, ...]]
    arms: tuple[SweepConfig, ...]

    def as_yaml(self) -> str:
        """The resolved config: `--config` of this text repeats the sweep."""
        values: dict[str, Any] = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self.base).items()
            if name not in COMMAND_FIELDS
        }
        if self.grid:
            values["grid"] = {name: list(swept) for name, swept in self.grid.items()}
        return yaml.safe_dump(values, sort_keys=False)


def parse(argv: Sequence[str]) -> Settings:
    """A command line's settings; raises UsageError for wrong words, else as `from_settings`."""
    return from_settings(settings_in(argv))


def settings_in(argv: Sequence[str]) -> dict[str, Any]:
    """What a command line names, as a call would; raises UsageError for wrong words."""
    for name in (word[7:].partition("=")[0] for word in argv if word.startswith("--grid.")):
        _check_named(name.replace("-", "_"), SWEPT_FIELDS, "field that can be swept")
    given = read_flags("sweep", SweepFlags, argv, GRID_FLAGS, recipe_table)
    grid = {name[5:]: given.pop(name) for name in [*given] if name.startswith("grid.")}
    return given | {"grid": grid}


def from_call(settings: Mapping[str, Any]) -> Settings:
    """As `from_settings`, for what a user has named in one command or call: what would count for
    nothing is refused there. In a config file it may stand, as other versions have written it.
    """
    parsed = from_settings(settings)
    for name in parsed.grid.keys() & settings.keys():
        value = _path_from_root(name, getattr(parsed.base, name))
        if value not in parsed.grid[name]:
            raise UsageError(
                f"{name} is {spelled(settings[name])}, which is none of the values of grid.{name}"
                " and would count for nothing; leave one of them out, or give a whole config as"
                " --config FILE."
            )
    named = {*settings, *(settings.get("grid") or {})}
    of_every_arm = {name for name in parsed.grid.keys() & named if None not in parsed.grid[name]}
    _check_all_count(settings, of_every_arm)
    has_folder = parsed.base.data_dir is not None or "data_dir" in parsed.grid
    if parsed.base.task == "miniature" and "data_dir" in named and has_folder:
        raise UserError(
            "data_dir is given, but the packaged miniature has its data with it; give --task and"
            " --model too, or leave data_dir out."
        )
    return parsed


def from_settings(settings: Mapping[str, Any]) -> Settings:
    """The settings that a call from Python names.

    Args:
        settings: values by field name; `grid` maps names to the values to sweep; `recipe` and
            `config` are a packaged recipe's name and a YAML file's path, or lists of them.

    Raises:
        UserError: an unknown name, a value of the wrong type, out of range or contradictory, a file
            that cannot be read; the message is one sentence.
    """
    given = {e.name: e for e in _arguments(settings, [*hints_of(SweepFlags), "grid"], "setting")}
    named = {
        name: converted(given.pop(name), hints_of(SweepFlags)) if name in given else ()
        for name in ("recipe", "config")
    }
    files = [*map(recipe_file, named["recipe"]), *named["config"]]
    if not files and not given.keys() & {"model", "task"}:
        files = [QUICKSTART]
    values: dict[str, Any] = {}
    grid: dict[str, tuple[Any, ...]] = {}
    for source in [*(read_file(file, [*FIELDS, "grid"]) for file in files), [*given.values()]]:
        more = {
            entry.name: _from_home(entry.name, converted(_as_text(entry), FIELDS))
            for entry in source
            if entry.name != "grid"
        }
        swept = {name: s for e in source if e.name == "grid" for name, s in _swept(e).items()}
        # Later wins: a value ends what an earlier source swept.
        # A null ends nothing but itself.
        some = {name for name, value in more.items() if value is not None}
        ended = {*more} | _overriding(some | {*swept}) | switched_off(more)
        values = {name: value for name, value in values.items() if name not in ended} | more
        grid = {name: s for name, s in grid.items() if name not in ended} | swept
    if values.get("model") == "miniature":  # it was made for that task alone
        values.setdefault("task", "miniature")
    base = SweepConfig(**values)
    arms = tuple(
        dataclasses.replace(base, **dict(zip(grid, combination, strict=True)))
        for combination in itertools.product(*grid.values())
    )
    for arm in arms:
        check(arm)
    check_used(arms)
    if base.until_decided and len(arms) < 2:
        raise UserError(
            "until_decided compares arms, and there is one; sweep a field, such as"
            " --grid.bias_correction true false, or leave it out."
        )
    return Settings(base, grid, arms)


def _check_all_count(settings: Mapping[str, Any], swept: Set[str]) -> None:
    """Raises UsageError for a field beside one that decides in its place, swept or not, or a seed
    twice.
    """
    some = {name for name, value in settings.items() if value is not None} | swept
    for name in ("num_seeds", "num_epochs"):
        for decides in OVERRIDDEN[name]:
            if {name, decides} <= some:
                raise UsageError(
                    f"{name} and {decides} are both given, and {name} would count for nothing;"
                    " leave one of them out."
                )
    for name in SEED_LISTS:
        seeds = seeds_in(seed_text(settings[name])) if name in some else ()
        for seed, often in Counter(seeds).most_common(1):
            if often > 1:
                raise UsageError(f"{name} holds {seed} twice; give each once.")


def _overriding(named: Set[str]) -> Set[str]:
    """Fields of earlier sources that would win over what this one names."""
    by_name = {name: {*OVERRIDDEN[name]} for name in named & OVERRIDDEN.keys()}
    return {other for others in by_name.values() if not others & named for other in others}


def _as_text(entry: Entry) -> Entry:
    return entry._replace(value=seed_text(entry.value)) if entry.name in SEED_LISTS else entry


def _from_home(name: str, value: Any) -> Any:
    """A value with the user's folder in place of `~`, as shells have it where they see a path."""
    if name == "more_dev_files":
        parts = [entry.partition("=") for entry in value]
        return tuple(f"{key}{equals}{os.path.expanduser(file)}" for key, equals, file in parts)
    return os.path.expanduser(value) if value and name in (*PATH_FIELDS, "test_file") else value


def _path_from_root(name: str, value: Any) -> Any:
    return os.path.abspath(value) if value and name in INPUT_FIELDS else value


def _listed(value: Any) -> list[Any]:
    """A list of what may be one thing or several."""
    return list(value) if isinstance(value, list | tuple | range) else [value]


def _check_named(name: str, accepted: Iterable[str], what: str) -> None:
    if name not in accepted:
        raise UsageError(f"{name} is no {what}; {suggestion(name, accepted)}")


def _arguments(given: Mapping[str, Any], accepted: Iterable[str], what: str) -> list[Entry]:
    """Python arguments as entries, with numpy's scalars and arrays as Python's."""
    for name in given:
        _check_named(name, accepted, what)
    return [
        Entry(name, value.tolist() if hasattr(value, "tolist") else value)
        for name, value in given.items()
    ]


def _swept(grid: Entry) -> dict[str, tuple[Any, ...]]:
    """The values to sweep, by field, in the order given."""
    named, what = {} if grid.value is None else grid.value, "field that can be swept"
    if not isinstance(named, Mapping):
        raise UserError(f"{grid.where}grid is no mapping of field names to values.")
    if grid.node is None:
        found = _arguments(named, SWEPT_FIELDS, what)
    else:
        found = list(entries(grid.place, named, grid.node, SWEPT_FIELDS, what))
    swept: dict[str, tuple[Any, ...]] = {}
    for entry in found:
        written = as_written(entry, FIELDS[entry.name])._replace(node=None)
        if isinstance(written.value, Set | Mapping | Iterator):  # without an order, or read once
            raise UserError(
                f"{entry.where}grid.{entry.name} is {shown(written.value)}; give a list of values."
            )
        values = [converted(written._replace(value=one), FIELDS) for one in _listed(written.value)]
        if not values:
            raise UserError(f"{entry.where}grid.{entry.name} has no values; give a list of them.")
        # One file, however it is spelled, is one value.
        values = [_path_from_root(entry.name, _from_home(entry.name, value)) for value in values]
        if twice := [value for value in values if values.count(value) > 1]:
            raise UserError(
                f"{entry.where}grid.{entry.name} has {spelled(twice[0])} twice; give each once."
            )
        swept[entry.name] = tuple(values)
    return swept
