"""Classifiers of tokens on both sides: a folder with one, a batch with a label at some tokens."""

from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np

from jaxtune.models.families import FAMILIES
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import classifier_modules
from jaxtune.models.pretrained import of_tokens, read_config
from jaxtune.models.weights import fill, read_tensors
from jaxtune.training.step import Batch

TOKENS = "TokenClassification"


def load_jax(folder: Any) -> SequenceClassifier:
    """The folder's model with the head that it stores."""
    config = of_tokens(read_config(folder)[0])
    shapes = jax.eval_shape(
        lambda: SequenceClassifier(config, hf.NUM_LABELS, key=jax.random.key(0))
    )
    modules = classifier_modules(FAMILIES[config.family], of_tokens=True)
    return fill(shapes, read_tensors(folder, config), modules, ())


def labels_of(batch: hf.Batch, seed: int = 0) -> list[np.ndarray]:
    """A label at about half of the tokens, and none at the first and last."""
    rng = np.random.default_rng(seed)
    found = []
    for ids in batch.ids:
        has = rng.random(len(ids)) < 0.5
        has[[0, -1]], has[1] = False, True
        found.append(np.where(has, rng.integers(0, hf.NUM_LABELS, len(ids)), hf.IGNORED))
    return found


def torch_labels(labels: list[np.ndarray]) -> Any:
    longest = max(map(len, labels))
    rows = [np.pad(own, (0, longest - len(own)), constant_values=hf.IGNORED) for own in labels]
    return hf.torch.tensor(np.stack(rows), dtype=hf.torch.long)


def batch_of(batch: hf.Batch, labels: list[np.ndarray], **layout: Any) -> Batch:
    """The step's batch: a label for every slot, of weight 0 where it has none."""
    rows = hf.jax_rows(batch, **layout)
    flat = np.full(rows.segments.size, hf.IGNORED)
    for first, own in zip(np.asarray(rows.first), labels, strict=True):
        flat[first : first + len(own)] = own
    weights = (flat != hf.IGNORED).astype(np.float32)
    return Batch(rows, jnp.asarray(np.maximum(flat, 0), jnp.int32), jnp.asarray(weights))
