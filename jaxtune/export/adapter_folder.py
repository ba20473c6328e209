"""A trial's adapters and head as peft loads them onto the base model."""

import shutil
from pathlib import Path

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.core.files import write_json
from jaxtune.export.card_facts import base_name
from jaxtune.export.folder import write_own_tokenizer
from jaxtune.export.members import DevSet, Params
from jaxtune.models.families import FAMILIES
from jaxtune.models.folder import ADAPTER
from jaxtune.models.peft_names import peft_config, to_peft
from jaxtune.training.trained_part import beside_the_base

WEIGHTS = "adapter_model.safetensors"


def write_adapters(folder: Path, dev: DevSet, config: SweepConfig, trained: Params) -> None:
    """adapter_config.json, adapter_model.safetensors and the tokenizer; raises UserError for a
    trial without adapters.
    """
    from safetensors import SafetensorError
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
    try:
        save_file(found.tensors, folder / WEIGHTS, metadata={"format": "pt"})
    except SafetensorError as error:  # a full disk, among others
        raise UserError(
            f"The adapters cannot be written ({error}); make room or give another --to."
        ) from error
    write_json(folder / ADAPTER, said)
    # safetensors closes its file to others; an export is to be handed on.
    shutil.copymode(folder / ADAPTER, folder / WEIGHTS)
    write_own_tokenizer(folder, dev)
