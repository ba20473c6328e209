"""Miniatures that a study pre-trains alike, each once: DIR/models keeps them, and what was
interrupted is gone on with.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from jaxtune.core.console import say
from jaxtune.core.errors import UserError
from jaxtune.data.corpus import miniature_held_out, read_corpus
from jaxtune.data.packing import choose_shape
from jaxtune.models.names import paths
from jaxtune.models.pretrained import load_masked_lm, locate, read_config
from jaxtune.pretrain.masked_lm import HELD_OUT_BATCH, MaskedLMProgram
from jaxtune.pretrain.run import PRETRAINING, pretrain
from jaxtune.pretrain.settings import PretrainConfig
from jaxtune.study.context import MINIATURE, MODELS, PlannedOnlyError, Study


def pretraining(study: Study, folder: str, depth: int, **settings: Any) -> PretrainConfig:
    """As many steps as every other depth, growing through the shallower ones on the way.

    Args:
        folder: its name in DIR/models.
        settings: further ones of the pre-training, such as family and seed.
    """
    config = study.config
    stages = tuple(min(depth, other) for other in config.depth_layers)
    rates = settings.pop("learning_rates", PretrainConfig.learning_rates)
    return PretrainConfig(
        data=MINIATURE,
        out=config.out / MODELS / folder,
        layers=stages,
        steps=config.depth_steps,
        learning_rates=rates[: len(stages)],
        warmup_steps=min(PretrainConfig.warmup_steps, min(config.depth_steps) // 2),
        **settings,
    )


def make_model(study: Study, wanted: PretrainConfig, name: str) -> str:
    """The model's folder, pre-trained if need be; UserError where it holds another one."""
    if not (wanted.out / "config.json").exists():
        say(f"\nPre-training {name}: {' + '.join(map(str, wanted.steps))} steps")
        if study.config.dry_run:
            raise PlannedOnlyError
        pretrain(wanted)
    elif not same_model(wanted.out, wanted):
        raise UserError(
            f"{wanted.out} holds a model pre-trained with other settings; give another --out or"
            " remove it."
        )
    return str(wanted.out)


def same_model(folder: Path, wanted: PretrainConfig) -> bool:
    """Whether the model in a folder was pre-trained as wanted, by the settings that it names."""
    settings = json.loads((folder / PRETRAINING).read_text(encoding="utf-8"))
    own = {name: value for name, value in vars(wanted).items() if name in settings}
    # By way of JSON, which has lists in the place of tuples.
    return json.loads(json.dumps(own, default=str)) == settings


def held_out_scores(model: str) -> tuple[float, float]:
    """Masked-LM loss in nats and accuracy on the sentences that pre-training held out."""
    folder = locate(model)
    encoder, _ = read_config(folder)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "held-out.txt"
        file.write_text("\n".join(miniature_held_out()), encoding="utf-8")
        corpus = read_corpus(file, file, folder, encoder.max_positions)
    shape = choose_shape(corpus.held_out.lengths, HELD_OUT_BATCH, encoder.hidden_size)
    program = MaskedLMProgram(
        corpus, shape, optax.identity(), PretrainConfig.mask_rate, jax.random.key(0)
    )
    loss, accuracy = program.evaluate(load_masked_lm(folder, encoder))
    return float(loss), float(accuracy)


def weight_scale(model: str) -> float:
    """Root mean square over all elements of the encoder's matrices (kernels and embeddings)."""
    folder = locate(model)
    encoder, _ = read_config(folder)
    matrices = [
        np.asarray(leaf, np.float64)
        for path, leaf in paths(load_masked_lm(folder, encoder)).items()
        if path.startswith("encoder/") and path.endswith(("/kernel", "/embedding"))
    ]
    squares = sum(float(np.sum(matrix**2)) for matrix in matrices)
    return (squares / sum(matrix.size for matrix in matrices)) ** 0.5
