"""Which worker of a cluster ran which trials, in OUT's manifest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtune.core.files import read_json, write_json
from jaxtune.storage.paths import MANIFEST

RAN = "cluster"


def note_workers(out: Path, ran: Sequence[dict[str, Any]]) -> None:
    """Notes what the workers of this run have done, in place of what was noted of them before; a
    trial that has run again is the last one's.

    Args:
        ran: for each worker its `node`, `process`, `devices` and `trials`; node and process tell
            workers apart, of earlier runs too.
    """
    manifest = read_json(out / MANIFEST)
    found = {(each["node"], each["process"]): each for each in ran}
    again = {number for each in ran for number in each["trials"]}
    kept = {}
    for each in manifest.get(RAN, []):
        trials = [number for number in each["trials"] if number not in again]
        if trials:
            kept[each["node"], each["process"]] = each | {"trials": trials}
    write_json(out / MANIFEST, manifest | {RAN: [*(kept | found).values()]})
