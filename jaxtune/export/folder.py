"""What an export leaves for others to load: a fine-tuned classifier for transformers (config.json,
weights, tokenizer), or a trial's adapters and head, which peft loads onto the base model.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.core.files import write_json
from jaxtune.data.tokenizer_folder import write_tokenizer
from jaxtune.export.as_read import write_note
from jaxtune.export.card_facts import base_name
from jaxtune.export.members import DevSet, Params
from jaxtune.models.families import FAMILIES
from jaxtune.models.folder import ADAPTER, CONFIG, WEIGHTS
from jaxtune.models.peft_names import peft_config, to_peft
from jaxtune.models.pretrained import locate, read_config, write_folder
from jaxtune.training.trained_part import beside_the_base

ADAPTER_WEIGHTS = "adapter_model.safetensors"
# In the base model's config.json these name another checkpoint, its precision, code to run, classes
# that are not these, another loss, or another form of what is returned than the card's.
_NOT_TRUE_HERE = (
    *("_name_or_path", "torch_dtype", "auto_map", "quantization_config", "num_labels"),
    *("return_dict", "use_return_dict", "torchscript", "problem_type"),
)


def write_model(folder: Path, dev: DevSet, params: Params) -> None:
    """In transformers, called as the model card says, the folder gives the logits of `dev`."""
    raw = read_config(locate(str(dev.config.model), dev.config.revision))[1]
    config = classifier_config(raw, dev.label_names, dev.task.several_labels, dev.of_words)
    with _handed_on("weights", folder / CONFIG, folder / WEIGHTS):
        write_folder(folder, dev.model(params), config)
    _write_own_tokenizer(folder, dev)
    write_note(folder, dev.config)


def write_adapters(folder: Path, dev: DevSet, config: SweepConfig, trained: Params) -> None:
    """adapter_config.json, adapter_model.safetensors and the tokenizer; raises UserError for a
    trial without adapters.
    """
    from safetensors.numpy import save_file

    if not config.lora_rank:
        raise UserError("adapters is given, and the trial has none (lora_rank is 0); leave it out.")
    family = FAMILIES[dev.task.model.encoder.config.family]
    adapters = beside_the_base(trained, config)
    found = to_peft(adapters.params, family, adapters.rank, dev.of_words)
    said = peft_config(
        found,
        adapters.rank,
        adapters.alpha,
        config.use_rslora,
        config.lora_dropout,
        base_name(dev.config),
        dev.of_words,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with _handed_on("adapters", folder / ADAPTER, folder / ADAPTER_WEIGHTS):
        save_file(found.tensors, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
        write_json(folder / ADAPTER, said)
    _write_own_tokenizer(folder, dev)


@contextlib.contextmanager
def _handed_on(what: str, config: Path, weights: Path) -> Iterator[None]:
    """Both files are written meanwhile; safetensors closes its own to others, and an export is to
    be handed on.
    """
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:  # a full disk, among others
        raise UserError(
            f"The {what} cannot be written ({error}); make room or give another --to."
        ) from error
    shutil.copymode(config, weights)


def _write_own_tokenizer(folder: Path, dev: DevSet) -> None:
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
    labels = ("LABEL_0",) if label_names is None else label_names
    kind = "multi_label_classification" if several_labels else "single_label_classification"
    problem = {"problem_type": "regression" if label_names is None else kind}
    head = "TokenClassification" if of_words else "SequenceClassification"
    return {name: value for name, value in raw.items() if name not in _NOT_TRUE_HERE} | {
        "architectures": [f"{FAMILIES[raw['model_type']].transformers}For{head}"],
        "dtype": "float32",
        **({} if of_words else problem),
        "id2label": {str(number): name for number, name in enumerate(labels)},
        "label2id": {name: number for number, name in enumerate(labels)},
    }
