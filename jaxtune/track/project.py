"""What a sweep is called at a tracker, and how a place there is noted."""

import re
from pathlib import Path

PROJECT = ", project "


def project_of(out: Path) -> str:
    """The folder's name, in letters that every tracker takes.

    A shard's is that of the folder which holds the shards: they are one sweep.
    """
    folder = out.resolve()
    if re.fullmatch(r"shard-\d+-of-\d+", folder.name):
        folder = folder.parent
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in folder.name) or "jaxtune"


def place_at(where: str, project: str) -> str:
    """A project at a tracker, as OUT/tracked.json has it."""
    return f"{where}{PROJECT}{project}"


def without_secrets(text: str) -> str:
    """Addresses without who logs in there and without what is asked, where tokens stand."""
    return re.sub(r"(\w[\w+.-]*://)(?:[^/?\s]*@)?([^?\s]*)(?:\?\S*)?", r"\1\2", text)
