"""The files that a sweep reads, known by what they are for and by their bytes, not by their path.

A file's role is its setting and its name there, such as `model/config.json` or `train_file`. A
model or data file that has been moved, copied or spelled otherwise is the same one; other bytes at
the same path are not.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from jaxtune.config.field_groups import FURTHER_FIELDS, INPUT_FIELDS, further_files
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import shown
from jaxtune.core.errors import UserError
from jaxtune.core.files import digest, folder_digest, read_json, read_text
from jaxtune.storage.paths import CONFIG, MANIFEST


class Input(NamedTuple):
    """A file that a sweep read: where it lay, from the root on, and its hex sha256."""

    path: str
    sha256: str


Inputs = dict[str, Input]  # by role


def read_inputs(settings: Settings, fields: Sequence[str] | None = None) -> Inputs:
    """The files as they are now, without those that are missing.

    Raises UserError where the model or its weights are not there.

    Args:
        fields: of these settings alone.
    """
    files = {
        role: file
        for arm in settings.arms
        for role, file in _files(arm, settings)
        if fields is None or _field(role) in fields
    }
    return {
        # A dataset that `datasets` has saved is a folder.
        role: Input(os.path.abspath(file), folder_digest(file) if file.is_dir() else digest(file))
        for role, file in files.items()
        if file.exists()
    }


def _files(config: SweepConfig, settings: Settings) -> Iterator[tuple[str, Path]]:
    """What one arm reads: weights, tokenizer and data; the hub's datasets have no files."""
    # Imported late: a report does without JAX.
    from jaxtune.data.glue import GLUE_TASKS
    from jaxtune.data.glue_files import find_files
    from jaxtune.data.tokenizer_folder import tokenizer_files
    from jaxtune.models.folder import weight_files
    from jaxtune.models.pretrained import locate

    assert config.model is not None
    folder = locate(config.model, config.revision)
    weights = [] if config.random_weights else weight_files(folder)
    for file in (folder / "config.json", *weights, *tokenizer_files(folder)):
        yield f"model/{file.name}", file
    for field in ("train_file", "dev_file"):
        if (path := getattr(config, field)) is not None:
            yield _swept_role(field, config, settings), Path(path)
    for name, path in further_files(config).items():
        yield "test_file" if name == "test" else f"more_dev_files/{name}", Path(path)
    if config.data_dir is not None and config.task in GLUE_TASKS:
        role = _swept_role("data_dir", config, settings)
        task, folder = GLUE_TASKS[config.task], Path(config.data_dir)
        splits = find_files(task, folder, config.predict_test).splits
        for files in reversed(splits.values()):  # the training files last: they say where it lies
            for file in files:
                yield f"{role}/{file.name}", file


def _swept_role(field: str, config: SweepConfig, settings: Settings) -> str:
    """A setting's name, and, where it is swept, which of the values."""
    swept = settings.grid.get(field)
    return field if swept is None else f"{field}={shown(field, getattr(config, field), swept)}"


def absolute(settings: Settings) -> Settings:
    """The settings with local paths from the root on: they mean the same from any folder."""
    given = {field: getattr(settings.base, field) for field in INPUT_FIELDS}
    found = with_inputs(
        settings,
        {field: from_root(field, path) for field, path in given.items() if path is not None},
    )
    return _with_values(found, further_from_root(dataclasses.asdict(settings.base)))


def further_from_root(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that name further files, with their paths from the root on."""
    test, more = values["test_file"], (e.partition("=") for e in values["more_dev_files"])
    return {
        "test_file": test and os.path.abspath(test),
        "more_dev_files": tuple(f"{name}={os.path.abspath(file)}" for name, _, file in more),
    }


def with_inputs(settings: Settings, places: Mapping[str, str]) -> Settings:
    """The settings, of every arm, with model and data in other places."""
    places = {field: path for field, path in places.items() if field not in settings.grid}
    values: dict[str, Any] = dict(places)
    if "model" in places and Path(places["model"]).is_dir():
        values["revision"] = None  # a folder in place of a model of the hub
    return _with_values(settings, values)


def without_further(settings: Settings) -> Settings:
    """The settings without what trials answer after their last step."""
    return _with_values(settings, {f: getattr(SweepConfig, f) for f in FURTHER_FIELDS})


def _with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    base, *arms = (dataclasses.replace(c, **values) for c in (settings.base, *settings.arms))
    return Settings(base, settings.grid, tuple(arms))


def from_root(field: str, path: str) -> str:
    """A local path from the root on; the model's may be a hub id or the packaged one's name."""
    local = field != "model" or (path != "miniature" and Path(path).is_dir())
    return os.path.abspath(path) if local else path


def recorded_inputs(out: Path, manifest: Mapping[str, Any]) -> Inputs:
    """The files that the manifest of OUT names.

    Manifests of jaxtune 0.1 know files by path alone: their roles are those of the settings in
    config.yaml that spell the paths.
    """
    sha256 = manifest.get("sha256") or {}
    paths = manifest.get("inputs")
    if paths is None:
        config = yaml.safe_load(read_text(out / CONFIG))
        paths = {_role(path, config): path for path in sha256}
    return {
        role: Input(os.path.abspath(path), sha256[path])
        for role, path in paths.items()
        if path in sha256
    }


def inputs_of(out: Path) -> Inputs:
    """The files that OUT was begun with, as far as its manifest can be read."""
    try:
        return recorded_inputs(out, read_json(out / MANIFEST))
    except (UserError, yaml.YAMLError, AttributeError, TypeError):
        return {}


def _role(path: str, config: Mapping[str, Any]) -> str:
    for field in ("train_file", "dev_file"):
        if config.get(field) and str(Path(config[field])) == path:
            return field
    data = config.get("data_dir")
    field = "data_dir" if data and Path(path).is_relative_to(data) else "model"
    return f"{field}/{Path(path).name}"


def changes(before: Inputs, now: Inputs, whole: bool) -> list[str]:
    """What tells the files from those of before, in words; nothing where they are the same.

    Args:
        whole: whether a file on one side alone is a change.
    """
    found = []
    for role, file in (before | now).items():
        if role not in before or role not in now:
            found += [f"{file.path} is {'gone' if role in before else 'new'}"] if whole else []
        elif before[role].sha256 != file.sha256:
            was = before[role].path
            same = was == file.path
            found.append(f"{was} has changed" if same else f"{file.path} is not {was} as it was")
    return [*dict.fromkeys(found)]  # one file may have two roles


def check_found(out: Path, settings: Settings, fields: Sequence[str]) -> None:
    """Raises UserError where model and data are not, or not as, OUT was begun with.

    Args:
        fields: the settings whose files are needed.
    """
    if not fields:
        return
    before = {role: file for role, file in inputs_of(out).items() if _field(role) in fields}
    for field in fields:
        for path in settings.grid.get(field, (getattr(settings.base, field),)):
            if path and not Path(path).exists() and _was_local(field, path, before):
                raise UserError(
                    f"{out} was made with the {field} {path}, which is not there; say with"
                    f" --{field} where it lies now."
                )
    if found := changes(before, read_inputs(settings, fields), whole=False):
        flags = [f"--{field}" for field in fields]
        where = " or ".join(filter(None, [", ".join(flags[:-1]), flags[-1]]))
        raise UserError(
            f"{out} was made with other files ({'; '.join(found)}); say with {where} where those"
            " lie."
        )


def _was_local(field: str, path: str, before: Inputs) -> bool:
    """Whether a setting named a file or folder, and no model of the hub."""
    config = before.get("model/config.json")
    return field != "model" or bool(
        config and config.path == os.path.abspath(f"{path}/config.json")
    )


def moves(before: Inputs, now: Inputs) -> dict[str, tuple[str, str]]:
    """Settings whose files lie elsewhere than before -> folder or file then, and now."""
    return {
        _field(role): (_top(role, before[role]), _top(role, found))
        for role, found in now.items()
        if role in before and before[role].path != found.path
    }


def _field(role: str) -> str:
    """The setting of a role such as `model/config.json` or `train_file=a.csv`."""
    return role.replace("=", "/").partition("/")[0]


def _top(role: str, file: Input) -> str:
    """The folder or file that the setting names."""
    return os.path.dirname(file.path) if _field(role) in ("model", "data_dir") else file.path


def one_spelling(sweeps: Sequence[tuple[list[dict[str, Any]], Inputs]]) -> None:
    """Of several sweeps' rows: settings with the same files get one spelling, those with other
    files two, so that who compares settings compares the files.
    """
    for field in INPUT_FIELDS:
        known: list[tuple[Inputs, str]] = []
        for rows, inputs in sweeps:
            own = {role: i for role, i in inputs.items() if role.partition("/")[0] == field}
            if not own or rows[0].get(field) is None:
                continue
            spelled = next((name for other, name in known if _alike(own, other)), None)
            if spelled is None:
                spelled = rows[0][field]
                if spelled in [name for _, name in known]:
                    spelled += f" (files {_fingerprint(own)})"
                known.append((own, spelled))
            for row in rows:
                row[field] = spelled


def _alike(one: Inputs, other: Inputs) -> bool:
    return bool(one.keys() & other.keys()) and not changes(one, other, whole=False)


def _fingerprint(inputs: Inputs) -> str:
    """Eight hex digits that tell these files from others."""
    text = "".join(f"{role} {file.sha256}" for role, file in sorted(inputs.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
