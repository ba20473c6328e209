"""How a sweep read its texts, noted in an exported folder for `jaxtune predict`."""

from pathlib import Path
from typing import NamedTuple

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.core.files import read_json, write_json
from jaxtune.core.unseen import bare
from jaxtune.data.glue import GLUE_TASKS
from jaxtune.data.sentences import is_in_columns

# By itself and not in config.json, which transformers copies to whatever is trained from there.
NOTE = "jaxtune.json"


class AsRead(NamedTuple):
    """The settings that say how texts are read, called as a sweep's."""

    task: str
    text_columns: tuple[str, ...]
    delimiter: str | None = None
    quoting: bool | None = None
    in_columns: bool = False  # of words with tags: a word a line, columns known by their numbers


def as_read(config: SweepConfig) -> AsRead:
    """Of a sweep; the columns of a benchmark's task are the hub's."""
    task = str(config.task)
    if task in GLUE_TASKS:
        return AsRead(task, GLUE_TASKS[task].text_columns)
    if task != "custom":
        return AsRead(task, ("sentence",))
    columns = tuple(map(bare, config.text_columns))
    in_columns = config.token_classification and is_in_columns(Path(config.train_file or ""))
    return AsRead(task, columns, config.delimiter, config.quoting, in_columns)


def write_note(folder: Path, config: SweepConfig) -> None:
    """What `read_note` reads."""
    write_json(folder / NOTE, as_read(config)._asdict())


def read_note(folder: Path) -> AsRead | None:
    """None where there is none, as of other programs and of earlier versions; UserError for what
    no export has written.
    """
    file = folder / NOTE
    if not file.is_file():
        return None
    found = read_json(file)
    kinds = {
        "task": str,
        "text_columns": list,
        "delimiter": str | None,
        "quoting": bool | None,
        "in_columns": bool,
    }
    whole = isinstance(found, dict) and found.get("text_columns")
    if not whole or not all(isinstance(found.get(name), kind) for name, kind in kinds.items()):
        raise UserError(f"{file} does not say how texts are read; export the folder again.")
    noted = AsRead(**{name: found[name] for name in kinds})
    return noted._replace(text_columns=tuple(map(str, noted.text_columns)))
