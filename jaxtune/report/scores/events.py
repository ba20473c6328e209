"""TensorBoard's event files, read with the message types that tensorboardX brings.

A file is a row of records: length (8 bytes), its checksum (4), the event, its checksum (4). What
was cut off at the end, as of a run that was killed, is left out.
"""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxtune.core.errors import UserError
from jaxtune.report.scores.logged import Logged
from jaxtune.report.sources import Curve

PATTERN = "*tfevents*"
HEADER, CHECKSUM = 12, 4
LONGEST = 1 << 30  # of one event; a length beyond it is no length


def files_of(folder: Path) -> list[Path]:
    """The event files in a folder, oldest first."""
    return sorted(path for path in folder.glob(PATTERN) if path.is_file())


def logged(folder: Path, files: list[Path]) -> Logged:
    """The scalars of a run by tag.

    A later file that begins at a lower step is of another start, which counts from there on.
    """
    points: dict[str, dict[int, float]] = {}
    restarted = False
    for file in sorted(files, key=_begun):
        own: dict[str, dict[int, float]] = {}
        for step, tag, value in _scalars(file):
            own.setdefault(tag, {})[step] = value  # what was written again counts
        for tag, found in own.items():
            before = points.get(tag, {})
            kept = {step: value for step, value in before.items() if step < min(found)}
            # The last step alone may be scored once more, after the training.
            restarted |= len(kept) < len(before) - 1
            points[tag] = kept | found
    curves = {
        tag: Curve(np.array(sorted(own)), np.array([own[s] for s in sorted(own)], np.float64))
        for tag, own in points.items()
    }
    last = {tag: float(curve.values[-1]) for tag, curve in curves.items()}
    return Logged(str(folder), last, curves, restarted=restarted)


def _begun(file: Path) -> tuple[int, str]:
    """When a file was begun, as its name says; the Trainer's folders are named by months."""
    found = re.search(r"tfevents\.(\d+)", file.name)
    return int(found[1]) if found else 0, str(file)


def _scalars(file: Path) -> Iterator[tuple[int, str, float]]:
    # Late: it takes as long to import as pandas does.
    from google.protobuf.message import DecodeError
    from tensorboardX.proto import event_pb2

    generated: Any = event_pb2  # its names are made at import
    for record in _records(file):
        try:
            event = generated.Event.FromString(record)
        except DecodeError as error:
            raise UserError(f"{file} is no event file of TensorBoard: take it out.") from error
        for value in event.summary.value:
            number = _number(value)
            if number is not None:
                yield int(event.step), value.tag, number


def _records(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while len(header := opened.read(HEADER)) == HEADER:
            (length,) = struct.unpack("<Q", header[:8])
            if length > LONGEST:
                raise UserError(f"{file} is no event file of TensorBoard: take it out.")
            record = opened.read(length)
            if len(record) < length or len(opened.read(CHECKSUM)) < CHECKSUM:
                return
            yield record


def _number(value: Any) -> float | None:
    """A scalar, as TensorFlow 1 and PyTorch write it or as TensorFlow 2 does; None of others."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if not value.HasField("tensor") or len(value.tensor.tensor_shape.dim):
        return None
    if value.tensor.float_val:
        return float(value.tensor.float_val[0])
    if len(value.tensor.tensor_content) == 4:
        return float(struct.unpack("<f", value.tensor.tensor_content)[0])
    return None
