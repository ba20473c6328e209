"""What is done to a good model folder: files changed, put in others' places or taken away, bits
flipped, pickles and code planted.
"""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
WORDS = "bert.embeddings.word_embeddings.weight"
LAST = "bert.encoder.layer.1.output.dense.weight"
Edit = Callable[[Path], object]


class Planted:
    """What a malicious checkpoint holds: unpickling it creates a file."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def file_of(name: str, change: Callable[[bytes], bytes]) -> Edit:
    """Changes a file's bytes."""

    def edit(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return edit


def text_of(name: str, text: str) -> Edit:
    """Puts another text in a file."""
    return lambda folder: (folder / name).write_text(text)


def flipped(place: int, bit: int = 0) -> Edit:
    """Flips a bit of the weights; places from 8 on are the header."""
    return file_of(WEIGHTS, lambda b: b[:place] + bytes([b[place] ^ 1 << bit]) + b[place + 1 :])


def tensors_of(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Edit:
    """Changes the tensors and writes them as a valid file."""

    def edit(folder: Path) -> None:
        save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)

    return edit


def pickled(name: str) -> Edit:
    """A pickle in the place of the weights."""

    def edit(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / name).write_bytes(pickle.dumps(Planted(folder / "executed")))

    return edit


def remote_code(name: str, **values: Any) -> Edit:
    """A folder whose configuration asks for a class of its own, and the code that would be it."""

    def edit(folder: Path) -> None:
        code = f"open({str(folder / 'executed')!r}, 'w')\nclass Own: pass\n"
        (folder / "own.py").write_text(code)
        content = json.loads((folder / name).read_text()) | values
        (folder / name).write_text(json.dumps(content))

    return edit


def instead_of(name: str, *others: str) -> Edit:
    """Other files, whatever they hold, in the place of one."""

    def edit(folder: Path) -> None:
        (folder / name).unlink()
        for other in others:
            (folder / other).parent.mkdir(exist_ok=True)
            (folder / other).write_text("{}")

    return edit


def folder_instead(name: str) -> Edit:
    """A folder where a file should be."""
    return lambda folder: ((folder / name).unlink(), (folder / name).mkdir())
