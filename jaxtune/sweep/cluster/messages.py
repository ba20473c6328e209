"""What workers answer: arrays and a few facts, as bytes with a checksum.

Whoever reaches a port of Ray may answer in a worker's place, so that nothing here is unpickled: an
answer is an npz without objects, and what is in it is compared with what was asked for.
"""

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from jaxtune.config.trials import Trial
from jaxtune.core.metrics import HELD_OUT
from jaxtune.training.group_records import ANSWERS
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.step import gradient_norm_names

FACTS = "facts"
CHECKSUM = 32  # bytes of a sha256


class DamagedAnswerError(Exception):
    """Bytes that are no answer to what was asked."""


class Answer(NamedTuple):
    """What a worker's call has returned."""

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]


def pack(
    facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray] = MappingProxyType({})
) -> bytes:
    """An answer as bytes: a sha256, then an npz with the arrays and the facts as JSON."""
    file = io.BytesIO()
    text = np.frombuffer(json.dumps(dict(facts)).encode(), np.uint8)
    np.savez(file, **dict[str, Any](arrays) | {FACTS: text})
    body = file.getvalue()
    return hashlib.sha256(body).digest() + body


def unpack(message: object) -> Answer:
    """What `pack` was given; raises DamagedAnswerError for anything else."""
    if not isinstance(message, bytes) or len(message) <= CHECKSUM:
        raise DamagedAnswerError("it is no answer")
    checksum, body = message[:CHECKSUM], message[CHECKSUM:]
    if hashlib.sha256(body).digest() != checksum:
        raise DamagedAnswerError("its checksum is wrong")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays.pop(FACTS).tobytes())
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedAnswerError("it cannot be read") from error
    if not isinstance(facts, dict):
        raise DamagedAnswerError("it has no facts")
    return Answer(facts, arrays)


def check_group(answer: Answer, plan: ProgramPlan, asked: Sequence[Trial], until: int) -> None:
    """Raises DamagedAnswerError where an answer is not the records of the first of these trials, as
    `GroupRecords.as_arrays` gives them.

    Args:
        until: the steps that a trial takes, if it is not stopped.
    """
    numbers = answer.facts.get("numbers")
    if not isinstance(numbers, list) or not numbers:
        raise DamagedAnswerError("it names no trials")
    if numbers != [trial.number for trial in asked][: len(numbers)]:
        raise DamagedAnswerError(f"it is of the trials {numbers}, which were not asked for")
    arrays, n = answer.arrays, len(numbers)
    expected = _shapes(arrays, plan, n)
    if arrays.keys() != expected.keys():
        names = sorted(arrays.keys() ^ expected.keys())
        raise DamagedAnswerError(f"it has other arrays than asked for ({', '.join(names)})")
    for name, (dtype, shape) in expected.items():
        found = arrays[name]
        if found.dtype.kind != np.dtype(dtype).kind or found.shape != shape:
            raise DamagedAnswerError(
                f"its {name} are {found.dtype}{list(found.shape)}, not {dtype}{list(shape)}"
            )
    _check_values(answer, plan, n, until)


def _shapes(
    arrays: Mapping[str, np.ndarray], plan: ProgramPlan, n: int
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Kind and shape of every array of `n` trials; what only they can say is taken from them."""
    task = plan.task
    steps = _length(arrays, "loss", 1)
    logged = math.ceil(steps / plan.config.log_every)
    labels = task.num_labels
    names = list(task.metrics)
    if task.held_out is not None:
        names += [HELD_OUT + name for name in names]
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {
        "loss": ("float32", (n, steps)),
        "norms": ("float32", (n, logged, len(gradient_norm_names(task.model)))),
        "evaluated": ("int64", (_length(arrays, "evaluated", 0),)),
        "metrics": ("str", (len(names),)),
        "scores": ("float64", (_length(arrays, "evaluated", 0), n, len(names))),
        "stopped": ("int64", (_length(arrays, "stopped", 0), 2)),
        "out_of_patience": ("int64", (_length(arrays, "out_of_patience", 0),)),
        "seconds": ("float64", ()),
        "logits": ("float32", (n, len(task.dev.labels), labels)),
        "finite": ("bool", (n,)),
    }
    for name, asked in task.further.items():
        shapes[f"{ANSWERS}{name}"] = ("float32", (n, len(asked.ids), labels))
    return shapes


def _length(arrays: Mapping[str, np.ndarray], name: str, axis: int) -> int:
    found = arrays.get(name)
    return 0 if found is None or found.ndim <= axis else found.shape[axis]


def _check_values(answer: Answer, plan: ProgramPlan, n: int, until: int) -> None:
    """Of the numbers, those that others hang on."""
    arrays, task = answer.arrays, plan.task
    steps, evaluated = arrays["loss"].shape[1], arrays["evaluated"].tolist()
    ends = dict(arrays["stopped"].tolist())
    whole = steps == until or ends.keys() == set(range(n))
    if not whole or not 0 < steps <= until:
        raise DamagedAnswerError(f"it ends after {steps} of {until} steps")
    if not evaluated or evaluated[-1] != steps or evaluated != sorted(set(evaluated)):
        raise DamagedAnswerError("its evaluations are in no order")
    if not (ends.keys() <= set(range(n)) and set(ends.values()) <= set(evaluated)):
        raise DamagedAnswerError("it stops trials where none was evaluated")
    if not set(arrays["out_of_patience"].tolist()) <= ends.keys():
        raise DamagedAnswerError("it stops trials that go on")
    first = tuple(arrays["metrics"].tolist()[: len(task.metrics)])
    if first != task.metrics:
        raise DamagedAnswerError(f"it is scored by {', '.join(first)}")
    seconds, size = float(arrays["seconds"]), answer.facts.get("size")
    if not (math.isfinite(seconds) and seconds >= 0 and isinstance(size, int) and size >= n):
        raise DamagedAnswerError("its time or group size is no number of one")
