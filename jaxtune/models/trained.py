"""A classifier that is trained already, as a Hugging Face folder holds it."""

from pathlib import Path
from typing import NamedTuple

from jaxtune.core.errors import UserError
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.families import FAMILIES
from jaxtune.models.folder import CONFIG
from jaxtune.models.heads import SequenceClassifier, classifier_shapes
from jaxtune.models.names import classifier_modules
from jaxtune.models.pretrained import of_tokens, read_config
from jaxtune.models.weights import fill, read_tensors


class Trained(NamedTuple):
    """What a folder says of its classifier; the weights are read by `load_trained`."""

    folder: Path
    config: EncoderConfig
    classes: tuple[str, ...] | None  # in the order of the logits; None predicts a number
    several_labels: bool = False  # whether a text may have any number of them

    @property
    def of_tokens(self) -> bool:
        """Whether the words of a text have classes, and not the text."""
        return self.config.head.of_tokens


def read_trained(folder: Path) -> Trained:
    """Raises UserError for a folder whose config.json names no classes and no number."""
    config, raw = read_config(folder)
    # As transformers names its classes, and tells them apart by.
    names = raw.get("architectures")
    tasks = [str(n).rpartition("For")[2] for n in names] if isinstance(names, list) else []
    of_texts, of_words = (f"{what}Classification" in tasks for what in ("Sequence", "Token"))
    if of_words:
        config = of_tokens(config)
    kind, labels = raw.get("problem_type"), raw.get("id2label")
    if labels is None and (of_texts or of_words):
        # transformers writes no names where they are the two that it gives by itself.
        count = raw.get("num_labels", 2)
        labels = {str(n): f"LABEL_{n}" for n in range(count if isinstance(count, int) else 2)}
    # To transformers one output of which no kind is said is a number.
    is_number = kind is None and of_texts and isinstance(labels, dict) and len(labels) == 1
    if kind == "regression" or is_number:
        return Trained(folder, config, None)
    if not isinstance(labels, dict) or len(labels) < 2:
        raise UserError(
            f"{folder / CONFIG} names no classes (id2label); give a folder of a fine-tuned"
            " classifier, such as jaxtune export writes."
        )
    try:
        classes = tuple(str(labels[str(number)]) for number in range(len(labels)))
    except KeyError as error:
        raise UserError(
            f"{folder / CONFIG} has no class {error} in id2label; number them from 0 on."
        ) from error
    return Trained(folder, config, classes, kind == "multi_label_classification")


def load_trained(trained: Trained) -> SequenceClassifier:
    """The model with its head; raises UserError where the folder has none."""
    folder, config, classes, _ = trained
    stored = read_tensors(folder, config)
    modules = classifier_modules(FAMILIES[config.family], trained.of_tokens)
    if not stored.holds(modules["head/classifier"]):
        raise UserError(
            f"The weights in {folder} have no {modules['head/classifier']}: the model is not"
            " fine-tuned; give a folder such as jaxtune export writes."
        )
    labels = 1 if classes is None else len(classes)
    return fill(classifier_shapes(config, labels), stored, modules, ())
