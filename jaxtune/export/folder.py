"""A fine-tuned classifier as transformers loads it: config.json, weights, tokenizer."""

import shutil
from pathlib import Path
from typing import Any

from jaxtune.core.errors import UserError
from jaxtune.data.tokenizer_folder import write_tokenizer
from jaxtune.export.as_read import write_note
from jaxtune.export.members import DevSet, Params
from jaxtune.models.families import FAMILIES
from jaxtune.models.folder import WEIGHTS
from jaxtune.models.pretrained import locate, read_config, write_folder

# In the base model's config.json these name another checkpoint, its precision, code to run, classes
# that are not these, or another form of what is returned than the card's.
_NOT_TRUE_HERE = (
    *("_name_or_path", "torch_dtype", "auto_map", "quantization_config", "num_labels"),
    *("return_dict", "use_return_dict", "torchscript"),
)


def write_model(folder: Path, dev: DevSet, params: Params) -> None:
    """In transformers, called as the model card says, the folder gives the logits of `dev`."""
    from safetensors import SafetensorError

    source = locate(str(dev.config.model), dev.config.revision)
    raw = read_config(source)[1]
    try:
        write_folder(
            folder,
            dev.model(params),
            classifier_config(raw, dev.label_names, dev.task.several_labels, dev.of_words),
        )
    except SafetensorError as error:  # a full disk, among others
        raise UserError(
            f"The weights cannot be written ({error}); make room or give another --to."
        ) from error
    # safetensors closes its file to others; an export is to be handed on.
    shutil.copymode(folder / "config.json", folder / WEIGHTS)
    write_own_tokenizer(folder, dev)
    write_note(folder, dev.config)


def write_own_tokenizer(folder: Path, dev: DevSet) -> None:
    """That of the base model, reading texts as in training."""
    source = locate(str(dev.config.model), dev.config.revision)
    encoder, _ = read_config(source)
    # transformers leaves token types out for ALBERT, and puts them in where training may have left
    # them out.
    types = ["token_type_ids"] if dev.config.use_token_types and encoder.type_vocab_size > 1 else []
    names = ["input_ids", *types, "attention_mask"]
    write_tokenizer(folder, source, dev.max_length, names, dev.of_words)


def classifier_config(
    raw: dict[str, Any],
    label_names: tuple[str, ...] | None,
    several_labels: bool = False,
    of_words: bool = False,
) -> dict[str, Any]:
    """The base model's config.json with a classification head; without labels, for regression.

    Args:
        several_labels: whether a text may have any number of them.
        of_words: whether every word has one.
    """
    family = FAMILIES[raw["model_type"]]
    labels = ("LABEL_0",) if label_names is None else label_names
    kind = "multi_label_classification" if several_labels else "single_label_classification"
    what, apart = "Sequence", (*_NOT_TRUE_HERE, "problem_type")
    problem = {"problem_type": "regression" if label_names is None else kind}
    if of_words:
        what, problem = "Token", {}
    return {name: value for name, value in raw.items() if name not in apart} | {
        "architectures": [f"{family.transformers}For{what}Classification"],
        "dtype": "float32",
        **problem,
        "id2label": {str(number): name for number, name in enumerate(labels)},
        "label2id": {name: number for number, name in enumerate(labels)},
    }
