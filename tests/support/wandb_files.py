"""What W&B has written offline: the records of a run's .wandb file.

LevelDB's log: blocks of 32 KiB with chunks of checksum (4 bytes), length (2) and type (1: whole, 2,
3, 4: first, middle and last part), after a header of 7 bytes.
"""

import json
import struct
import time
from pathlib import Path
from typing import Any

BLOCK, HEADER, CHUNK = 32768, 7, 7
WHOLE, FIRST, LAST = 1, 2, 4
MOST_SECONDS = 30.0


def records(file: Path) -> list[Any]:
    """W&B's own messages, in order."""
    from wandb.proto import wandb_internal_pb2

    data, place = file.read_bytes(), HEADER
    assert data[:4] == b":W&B"
    found, part = [], b""
    while place + CHUNK <= len(data):
        if BLOCK - place % BLOCK < CHUNK:  # too little for another chunk: filled up
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + CHUNK])
        place += CHUNK
        if place + length > len(data):
            break  # being written
        part = data[place : place + length] if kind in (WHOLE, FIRST) else part
        part += data[place : place + length] if kind not in (WHOLE, FIRST) else b""
        place += length
        if kind in (WHOLE, LAST):
            found.append(wandb_internal_pb2.Record.FromString(part))
    return found


def run_of(folder: Path) -> dict[str, Any]:
    """A run as its records tell: id, name, group, config, history by step, summary; once it has
    ended, for W&B's own process may still write when `finish` has returned.
    """
    (file,) = folder.glob("*.wandb")
    until = time.monotonic() + MOST_SECONDS
    while not (told := _told(file))["ended"] and time.monotonic() < until:
        time.sleep(0.1)
    return told


def _told(file: Path) -> dict[str, Any]:
    told: dict[str, Any] = {"history": {}, "summary": {}, "ended": False}
    for record in records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run" and "id" not in told:
            run = record.run
            told |= {"id": run.run_id, "name": run.display_name, "group": run.run_group}
            told |= {"project": run.project, "kind": run.job_type}
            told["config"] = {i.key: json.loads(i.value_json) for i in run.config.update}
        elif kind == "history":
            values = {(i.key or "/".join(i.nested_key)): i.value_json for i in record.history.item}
            step = record.history.step.num
            told["history"].setdefault(step, {}).update(values)
        elif kind == "summary":
            told["summary"] |= {
                (i.key or "/".join(i.nested_key)): json.loads(i.value_json)
                for i in record.summary.update
            }
        elif kind == "exit":
            told["ended"] = True
    return told
