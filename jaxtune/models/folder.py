"""What lies in a Hugging Face folder: its weight files, or a sentence on what lies there instead.

Safetensors only. A pickle can run code as it is read, and the other formats need the libraries
that wrote them: what to do with each is said, and none is opened.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.core.files import read_text

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
ADAPTER = "adapter_config.json"
# Weights that are not read, by the ends of their names, and who reads them.
_FOREIGN = {
    ".h5": "TensorFlow",
    ".msgpack": "Flax",
    ".onnx": "ONNX",
    ".gguf": "llama.cpp",
    ".ckpt.index": "TensorFlow 1",
    ".ot": "Rust",
}
_CONVERTERS = {"TensorFlow": "from_tf", "Flax": "from_flax"}  # words of transformers 4
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
# What the Trainer leaves beside weights.
_NO_WEIGHTS = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state)\b.*")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object; raises UserError for anything else."""
    text = read_text(path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = getattr(error, "msg", error)
        raise UserError(f"{path}{line} is no JSON ({reason}); fetch the file again.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object; fetch the file again.")
    return value


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, one or shards; raises UserError where there are none.

    In the order of transformers: an index counts only where there is no whole file.
    """
    whole, index = folder / WEIGHTS, folder / INDEX
    if whole.is_file() or not index.exists():
        files = [whole]
    else:
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(s, str) for s in shards.values()):
            raise UserError(
                f"{index} has no weight_map from tensors to file names; fetch the file again."
            )
        # The name alone: an index points to nothing outside its folder.
        files = [folder / Path(shard).name for shard in sorted(set(shards.values()))]
    # os.path: pathlib raises for names that are too long to exist.
    if missing := [file.name for file in files if not os.path.isfile(file)]:
        raise UserError(f"{folder} lacks {', '.join(missing)}{_instead_of_weights(folder)}.")
    return files


def index_not_read(folder: Path) -> list[str]:
    """The sentence on an index beside a whole file, if there is one."""
    if (folder / WEIGHTS).is_file() and (folder / INDEX).exists():
        return [f"The weights are those of {WEIGHTS}; {INDEX} beside it is not read."]
    return []


def config_file(folder: Path) -> Path:
    """The config.json of a folder; raises UserError where there is none."""
    path = folder / CONFIG
    if path.exists():
        return path
    if (folder / ADAPTER).exists():
        raise UserError(f"{folder} has no {CONFIG}{_adapter(folder)}.")
    inner = sorted(found.parent.name for found in folder.glob(f"*/{CONFIG}"))
    if inner:
        latest = max(inner, key=_step)
        raise UserError(
            f"{folder} has no {CONFIG}, but folders in it have ({', '.join(map(repr, inner[:5]))});"
            f" give one of them, such as {folder / latest}."
        )
    raise UserError(f"{folder} has no {CONFIG}; give a Hugging Face model folder.")


def _step(name: str) -> int:
    """The step in the name of a Trainer's checkpoint-500."""
    found = re.search(r"\d+$", name)
    return int(found[0]) if found else -1


def _instead_of_weights(folder: Path) -> str:
    """What a folder without safetensors weights holds, and what to do."""
    names = sorted(path.name for path in folder.iterdir() if not _NO_WEIGHTS.match(path.name))
    if ADAPTER in names:
        return _adapter(folder)
    if pickles := [name for name in names if name.endswith(_PICKLES)]:
        return _pickle([n for n in pickles if n.startswith("pytorch_model")] or pickles[:1])
    names += [f"onnx/{path.name}" for path in sorted((folder / "onnx").glob("*.onnx"))]
    for name in names:
        for end, owner in _FOREIGN.items():
            if name.endswith(end):
                return _foreign(folder, name, owner)
    if others := [name for name in names if name.endswith(".safetensors")]:
        return (
            f", but holds {', '.join(others[:5])}: rename a whole file to {WEIGHTS}, and for parts"
            f" of one fetch {INDEX} too"
        )
    return (
        "; download it too, or, where there is only a pytorch_model.bin, put that there and run"
        " this again: it is then said how to convert it"
    )


def _adapter(folder: Path) -> str:
    base = read_json(folder / ADAPTER).get("base_model_name_or_path")
    return (
        f"; {ADAPTER} says that it is an adapter, a few matrices to be added to the model {base!r}:"
        " merge the two with peft (merge_and_unload, then save_pretrained) and give that folder, or"
        " give the model"
    )


def _pickle(names: list[str]) -> str:
    # Tensor by tensor, not through a model class: that would draw what the file lacks, such as a
    # pooler, and nothing could tell it from pre-trained weights.
    code = (
        "import torch, safetensors.torch as s; s.save_file({n: t.contiguous().clone()"
        f" for f in {names} for n, t in torch.load(f, map_location='cpu', weights_only=True)"
        f".items()}}, '{WEIGHTS}', {{'format': 'pt'}})"
    )
    what = "is a pickle, which can run code and is" if len(names) == 1 else "are pickles and are"
    return (
        f"; {', '.join(names)} {what} not read: convert it where you trust it, in that folder, with"
        f' python -c "{code}"'
    )


def _foreign(folder: Path, name: str, owner: str) -> str:
    found = f"; {name} holds weights for {owner}, which are not read: "
    if owner not in _CONVERTERS:
        return found + f"give the folder that it was made from, or fetch {WEIGHTS} too"
    classes = read_json(folder / CONFIG).get("architectures")
    name = str(classes[0]) if isinstance(classes, list) and classes else "AutoModelForMaskedLM"
    own = re.sub("^(TF|Flax)", "", name)
    return found + (
        f"fetch {WEIGHTS} too, or convert them with transformers 4, {owner} and torch:"
        f" transformers.{own}.from_pretrained(folder, {_CONVERTERS[owner]}=True)"
        ".save_pretrained(folder)"
    )
