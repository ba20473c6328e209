"""What contradicts what in a sweep's settings, and which values are out of range."""

import math
import os

from jaxtune.config.field_groups import PATH_FIELDS, changed, further_files
from jaxtune.config.settings import GLUE, SUPERGLUE, TASKS, SweepConfig
from jaxtune.config.text_values import MOST_TRIALS, seed_list
from jaxtune.config.validate_custom import CUSTOM_FIELDS, check_custom
from jaxtune.config.validate_pairs import check_pairs
from jaxtune.config.validate_places import check_places
from jaxtune.config.validate_ranges import check_ranges
from jaxtune.config.validate_recipe import check_recipe
from jaxtune.core.errors import UserError
from jaxtune.core.fields import each_given, hints_of

LONGEST_NAME = 255  # of a file or folder on common disks


def check(config: SweepConfig) -> None:
    """What is out of range, missing or contradictory, as one sentence each."""
    check_ranges(config)
    _check_task(config)
    _check_seeds(config)
    check_recipe(config)
    check_places(config)
    check_pairs(config)
    # After what a setting needs, so that whoever mends one mistake is not told of another.
    _check_patience(config)
    _check_looks(config)


def _check_patience(config: SweepConfig) -> None:
    if config.patience is None:
        return
    if config.keep_trials is not None:
        raise UserError(
            "patience and keep_trials are both given; a trial stops by one of them: leave the other"
            " out."
        )
    if config.save_params in ("final", "all"):
        # Its lane goes on with the others of the group.
        raise UserError(
            f"save_params is {config.save_params!r}, but with patience the last parameters of a"
            " trial that has stopped are not kept; give best or none."
        )


def _check_task(config: SweepConfig) -> None:
    for name, value in each_given(config, hints_of(SweepConfig)):
        if isinstance(value, str) and "\0" in value:
            raise UserError(f"{name} is {value!r}; take the NUL out.")
        if isinstance(value, str) and not _is_unicode(value):
            raise UserError(f"{name} is {value!r}, which is no UTF-8; give another name.")
    paths = {name: getattr(config, name) or "" for name in PATH_FIELDS}
    for name, path in paths.items():
        if path in ("None", "none"):  # of a script, most likely, that had none to give
            raise UserError(
                f"{name} is {path!r}; give null for none, or ./{path} for a folder of that name."
            )
    for name, path in (paths | further_files(config)).items():
        parts = os.fsencode(path).split(b"/")
        if max(map(len, parts)) > LONGEST_NAME:
            raise UserError(
                f"{name} has a part of more than {LONGEST_NAME} bytes; give a shorter one."
            )
    if not config.model or not config.task:
        missing = "task" if config.model else "model"
        raise UserError(f"{missing} is not given; model and task go together.")
    if config.task not in TASKS:
        raise UserError(f"The task {config.task!r} is unknown; accepted are {', '.join(TASKS)}.")
    if config.task == "custom":
        check_custom(config)
        return
    if config.task in SUPERGLUE and config.data_dir is None:
        raise UserError(
            f"Task {config.task} needs --data_dir: the folder with SuperGLUE's own, where"
            " train.jsonl and val.jsonl lie."
        )
    if config.predict_test and config.task not in (*GLUE, *SUPERGLUE):
        raise UserError(
            f"predict_test is given, but task {config.task} has no test split; leave it out."
        )
    for name in changed(config, CUSTOM_FIELDS):
        raise UserError(
            f"{name} is given, which task {config.task} does not read; give --task custom or leave"
            " it out."
        )


def _is_unicode(text: str) -> bool:
    """Else a path has bytes that stand for no character, and no file could name it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_seeds(config: SweepConfig) -> None:
    if (config.init_seeds is None) != (config.order_seeds is None):
        raise UserError(
            "init_seeds and order_seeds are crossed with each other; give both or neither."
        )
    if config.seeds is not None and config.init_seeds is not None:
        raise UserError("seeds and init_seeds contradict each other; give one of them.")
    given = (config.seeds, config.init_seeds, config.order_seeds, config.dropout_seeds)
    trials = math.prod(len(seed_list(seeds)) for seeds in given if seeds is not None)
    if trials > MOST_TRIALS:
        raise UserError(f"The seeds make {trials:,} trials; give at most {MOST_TRIALS:,}.")


def _check_looks(config: SweepConfig) -> None:
    if config.until_decided and config.num_seeds >= config.max_seeds:
        raise UserError(
            f"until_decided begins with num_seeds {config.num_seeds} and ends at max_seeds"
            f" {config.max_seeds}; give a smaller num_seeds or a larger max_seeds."
        )
