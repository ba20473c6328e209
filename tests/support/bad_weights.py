"""Weights that are refused: what is done to those of a good model folder, and what the sentence
says.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bad_data import POINTER
from spoiling import (
    CONFIG,
    INDEX,
    LAST,
    WEIGHTS,
    WORDS,
    Edit,
    file_of,
    flipped,
    folder_instead,
    instead_of,
    pickled,
    tensors_of,
)


def header_of(change: Callable[[str], str]) -> Edit:
    """Changes the text of the weights' header, with its length."""

    def changed(data: bytes) -> bytes:
        size = struct.unpack("<Q", data[:8])[0]
        header = change(data[8 : 8 + size].decode()).encode()
        return struct.pack("<Q", len(header)) + header + data[8 + size :]

    return file_of(WEIGHTS, changed)


def with_value(value: float) -> Edit:
    """One number in one tensor."""

    def change(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors[LAST][3, 5] = value
        return tensors

    return tensors_of(change)


def index_of(text: str) -> Edit:
    """An index in the place of the whole file."""

    def edit(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / INDEX).write_text(text)

    return edit


def adapter(folder: Path) -> None:
    """What peft leaves: a few matrices and the name of the model that they are for."""
    (folder / WEIGHTS).rename(folder / "adapter_model.safetensors")
    (folder / CONFIG).unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "a/b"}')


def in_checkpoints(folder: Path) -> None:
    """What the Trainer leaves: a folder for every time that it saved, and none of its own."""
    for step in (500, 1000):
        (folder / f"checkpoint-{step}").mkdir()
        (folder / f"checkpoint-{step}" / CONFIG).write_bytes((folder / CONFIG).read_bytes())
    (folder / CONFIG).unlink()


UNREADABLE = f"{WEIGHTS} is no readable safetensors file"
BAD_WEIGHTS: list[tuple[str, Edit, str]] = [
    ("empty", file_of(WEIGHTS, lambda b: b""), UNREADABLE),
    ("cut in the length", file_of(WEIGHTS, lambda b: b[:5]), UNREADABLE),
    ("cut in the header", file_of(WEIGHTS, lambda b: b[:300]), UNREADABLE),
    ("cut in half", file_of(WEIGHTS, lambda b: b[: len(b) // 2]), UNREADABLE),
    ("cut by a byte", file_of(WEIGHTS, lambda b: b[:-1]), UNREADABLE),
    ("a byte too long", file_of(WEIGHTS, lambda b: b + b"\0"), UNREADABLE),
    ("a flip in the length", flipped(1), UNREADABLE),
    ("a huge length", file_of(WEIGHTS, lambda b: b"\xff" * 8 + b[8:]), UNREADABLE),
    ("a flip in the first brace", flipped(8), UNREADABLE),
    ("header of zeros", file_of(WEIGHTS, lambda b: b[:8] + bytes(len(b) - 8)), UNREADABLE),
    ("another dtype", header_of(lambda h: h.replace("F32", "F16", 1)), UNREADABLE),
    (
        "a dtype of no numpy",
        header_of(lambda h: h.replace('"F32","shape":[32]', '"F8_E4M3","shape":[128]', 1)),
        "holds numbers of the kind F8_E4M3 (in 'bert.embeddings.LayerNorm.bias'), as a quantised",
    ),
    ("another shape", header_of(lambda h: h.replace("[32]", "[33]", 1)), UNREADABLE),
    ("overlapping tensors", header_of(lambda h: h.replace("[128,", "[124,", 1)), UNREADABLE),
    ("a picture", file_of(WEIGHTS, lambda b: b"\x89PNG\r\n\x1a\n" + b), UNREADABLE),
    (
        "a pointer",
        file_of(WEIGHTS, lambda b: POINTER),
        f"{WEIGHTS} is a pointer of Git LFS and not",
    ),
    ("a pickle under its name", pickled(WEIGHTS), UNREADABLE),
    ("a folder", folder_instead(WEIGHTS), f"lacks {WEIGHTS}"),
    ("gone", lambda folder: (folder / WEIGHTS).unlink(), f"lacks {WEIGHTS}; download it too"),
    (
        "pytorch_model.bin",
        pickled("pytorch_model.bin"),
        "pytorch_model.bin is a pickle, which can run code and is not read",
    ),
    (
        "missing tensor",
        tensors_of(lambda t: {k: v for k, v in t.items() if k != LAST}),
        f"do not fit its config.json: {LAST} is missing.",
    ),
    (
        "extra tensor",
        tensors_of(lambda t: t | {"bert.encoder.more": t[LAST]}),
        "bert.encoder.more is not part of the model",
    ),
    (
        "misshapen tensor",
        tensors_of(lambda t: t | {WORDS: t[WORDS][1:]}),
        f"{WORDS} has shape (120, 32), not (121, 32)",
    ),
    (
        "transposed tensor",
        tensors_of(lambda t: t | {LAST: t[LAST].T.copy()}),
        f"{LAST} has shape (64, 32), not (32, 64)",
    ),
    (
        "other tensors",
        tensors_of(lambda t: {"lstm.weight": t[LAST]}),
        "; and 27 more; the file's own names are such as 'lstm.weight'.",
    ),
    (
        "two encoders",
        tensors_of(lambda t: {f"{side}.{n}": v for n, v in t.items() for side in "ab"}),
        "; the file's own names are such as 'a.bert.embeddings.LayerNorm.bias', 'a.bert",
    ),
    (
        "another family's encoder",
        tensors_of(lambda t: {n.replace("bert.", "roberta.", 1): v for n, v in t.items()}),
        "; the file's own names are such as 'cls.predictions.bias'",
    ),
    (
        "a pooler cut",
        tensors_of(lambda t: t | {"bert.pooler.dense.bias": t[WORDS][0]}),
        "do not fit its config.json: bert.pooler.dense.weight is missing.",
    ),
    (
        "a whole file under another name",
        lambda folder: (folder / WEIGHTS).rename(folder / "bert.safetensors"),
        f"lacks {WEIGHTS}, but holds bert.safetensors: rename a whole file to {WEIGHTS}",
    ),
    (
        "pickles in parts",
        instead_of(WEIGHTS, "pytorch_model-1.bin", "pytorch_model-2.bin", "optimizer.pt"),
        "; pytorch_model-1.bin, pytorch_model-2.bin are pickles and are not read: convert",
    ),
    (
        "only the Trainer's own pickles",
        instead_of(WEIGHTS, "training_args.bin", "optimizer.pt", "rng_state.pth"),
        f"lacks {WEIGHTS}; download it too, or, where there is only a pytorch_model.bin",
    ),
    (
        "of TensorFlow",
        instead_of(WEIGHTS, "tf_model.h5"),
        "; tf_model.h5 holds weights for TensorFlow, which are not read: fetch model.safetensors"
        " too, or convert them with transformers 4, TensorFlow and torch: transformers."
        "AutoModelForMaskedLM.from_pretrained(folder, from_tf=True).save_pretrained(folder).",
    ),
    ("of Flax", instead_of(WEIGHTS, "flax_model.msgpack"), "for Flax, which are not read: fetch"),
    (
        "of ONNX",
        instead_of(WEIGHTS, "onnx/model.onnx"),
        "; onnx/model.onnx holds weights for ONNX, which are not read: give the folder",
    ),
    ("of llama.cpp", instead_of(WEIGHTS, "bert.gguf"), "; bert.gguf holds weights for llama.cpp"),
    ("an adapter", adapter, "that it is an adapter, a few matrices to be added to the model 'a/b'"),
    (
        "in checkpoints",
        in_checkpoints,
        f"has no {CONFIG}, but folders in it have ('checkpoint-1000', 'checkpoint-500'); give one",
    ),
    (
        "one under two names",
        tensors_of(lambda t: t | {WORDS[5:]: t[WORDS]}),
        f"holds {WORDS} a second time",
    ),
    (
        "integers",
        tensors_of(lambda t: t | {LAST: t[LAST].astype(np.int32)}),
        f"{LAST} holds int32 values, not floating-point ones",
    ),
    (
        "complex numbers",
        tensors_of(lambda t: t | {LAST: t[LAST].astype(np.complex64)}),
        f"{LAST} holds complex64 values",
    ),
    ("nan", with_value(np.nan), f"{LAST} holds 1 infinite or NaN value"),
    ("infinity", with_value(np.inf), f"{LAST} holds 1 infinite or NaN value"),
    (
        "beyond float32",
        tensors_of(lambda t: t | {LAST: np.full((32, 64), 1e300)}),
        f"{LAST} holds 2,048 infinite or NaN values",
    ),
    (
        "index of a lost shard",
        index_of('{"weight_map": {"a": "model-00001.safetensors"}}'),
        "lacks model-00001.safetensors",
    ),
    (
        "index out of the folder",
        index_of('{"weight_map": {"a": "../../etc/x.safetensors"}}'),
        "lacks x.safetensors",
    ),
    ("index of the parent", index_of('{"weight_map": {"a": ".."}}'), "lacks .."),
    ("index without a map", index_of("{}"), f"{INDEX} has no weight_map"),
    (
        "index of a long name",
        index_of(json.dumps({"weight_map": {"a": "x" * 999}})),
        "lacks xxx",
    ),
    ("index of numbers", index_of('{"weight_map": {"a": 1}}'), f"{INDEX} has no weight_map"),
    ("index of a list", index_of('{"weight_map": ["a"]}'), f"{INDEX} has no weight_map"),
    ("index that is cut", index_of('{"weight_map": {\n"a":'), f"{INDEX}, line 2 is no JSON"),
]
