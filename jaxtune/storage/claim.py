"""Whether OUT holds the very sweep that is asked for, and so may be gone on with."""

import contextlib
from pathlib import Path

from jaxtune.config.looks import looks_at
from jaxtune.config.parse import Settings
from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.core.files import read_text
from jaxtune.core.words import listed
from jaxtune.storage.manifest import read_manifest
from jaxtune.storage.out_folder import HOLDER, LOCK, OUTPUTS
from jaxtune.storage.paths import ANSWERS, CONFIG, MANIFEST, TRIALS
from jaxtune.storage.same_config import config_changes, settings_in
from jaxtune.storage.tracker_files import TRACKERS


def check_claim(out: Path, settings: Settings, given: Settings | None = None) -> None:
    """Refuses a folder with another sweep's results, or with files that a sweep would write over
    though none has begun there.

    More seeds of the same config are the same sweep.

    Args:
        given: the settings before max_length was fitted to the model, as jaxtune 0.1.0 kept them.
    """
    path = out / CONFIG
    if settings.base.overwrite:
        _check_sweeps(out)
        return
    _check_nobodys(out, settings.base)
    if not path.exists():
        if (out / TRIALS).exists():
            raise UserError(
                f"{out} holds trials but no {CONFIG}; give another --out, or --overwrite true."
            )
        return
    paths_too = read_manifest(out / MANIFEST) is None  # nothing else tells the files apart
    theirs, ours = _read_config(path), settings.as_yaml()
    _check_looks(out, theirs, ours)
    is_as_given = given is not None and not config_changes(theirs, given.as_yaml(), paths_too)
    if given is not None and is_as_given and "max_length" not in given.grid:
        return
    changed = config_changes(theirs, ours, paths_too)
    if {line[1:].partition(":")[0] for line in changed} == {"trials_per_device"}:
        begun = changed[0].partition(": ")[2]
        do = "leave it out" if begun == "null" else f"give {begun} again"
        raise UserError(
            f"{out} was begun with trials_per_device {begun}, and how many trials run at once"
            f" decides how they round; {do}, or give another --out."
        )
    if changed:
        raise UserError(
            f"{out} holds the results of another config ({'; '.join(changed)}); give another --out,"
            " or --overwrite true."
        )


def _check_sweeps(out: Path) -> None:
    """Raises UserError where there is anything, and nothing tells that it is a sweep's."""
    held = {file.name for file in out.iterdir()} if out.exists() else set()
    own = {LOCK, HOLDER, *(name for name in held if name.endswith(".part"))}  # of who was killed
    if held - own and TRIALS not in held and read_manifest(out / MANIFEST) is None:
        raise UserError(
            f"{out} is no sweep's folder ({MANIFEST} is missing, or another program's); give"
            " another --out."
        )


def _check_nobodys(out: Path, base: SweepConfig) -> None:
    """Raises UserError where no sweep has begun, and there are files of names that this one writes.

    One that was killed as it began has left its manifest alone; a config may be a user's own.
    """
    trackers = () if base.track else TRACKERS  # other programs write there, too
    held = {name for name in OUTPUTS if name not in trackers and (out / name).exists()}
    if TRIALS in held or held >= {CONFIG, MANIFEST}:
        return
    begun = {CONFIG} if read_manifest(out / MANIFEST) is None else {CONFIG, MANIFEST}
    sets = ["test"] if base.test_file or base.predict_test else []
    sets += [each.partition("=")[0] for each in base.more_dev_files]
    answers = {f"{name}{ANSWERS}" for name in sets if (out / f"{name}{ANSWERS}").exists()}
    if found := sorted((held - begun) | answers):
        raise UserError(
            f"{out} holds {listed(found)}, and no sweep has begun there; give another --out."
        )


def _read_config(path: Path) -> str:
    """Raises UserError for a damaged one."""
    with contextlib.suppress(UserError):
        text = read_text(path)
        if settings_in(text) is not None:
            return text
    raise UserError(
        f"{path} is damaged, so that it is not known whether this is the same sweep; restore it"
        " from a copy, or give another --out, or --overwrite true."
    )


def _check_looks(out: Path, theirs: str, ours: str) -> None:
    """Raises UserError where the verdict was to be looked at with other numbers of seeds."""
    begun, now = map(_looks, (theirs, ours))
    if begun == now:
        return
    was = f"with {listed(map(str, begun))} seeds per arm" if begun else "once, whatever the seeds"
    raise UserError(
        f"The verdict on {out} was to be looked at {was}, and it holds for looks that are fixed"
        " beforehand alone; give the same until_decided, num_seeds and max_seeds, or another --out."
    )


def _looks(config: str) -> tuple[int, ...]:
    """Of `until_decided`; empty without it, and where the text is no config."""
    values = settings_in(config) or {}
    with contextlib.suppress(KeyError, TypeError, ValueError):
        if values.get("until_decided"):
            return looks_at(int(values["num_seeds"]), int(values["max_seeds"]))
    return ()
