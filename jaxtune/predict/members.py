"""Who answers: the models of a folder or of a sweep, and how they want texts read."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import jax

from jaxtune.core.errors import UserError
from jaxtune.core.words import plural
from jaxtune.data.examples import FurtherSet
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.export.as_read import NOTE, as_read, read_note
from jaxtune.export.choose import members_named
from jaxtune.export.members import Member, read_sweep, with_params
from jaxtune.models.encoder_config import EncoderConfig, in_precision
from jaxtune.models.heads import SequenceClassifier, classifier_shapes
from jaxtune.models.pretrained import locate, of_tokens, read_config
from jaxtune.models.trained import load_trained, read_trained
from jaxtune.predict.reading import reader_of
from jaxtune.predict.settings import PredictConfig
from jaxtune.storage.paths import CONFIG, TRIALS
from jaxtune.storage.results import read_classes

MODEL_CONFIG, ADAPTERS = "config.json", "adapter_config.json"


@dataclasses.dataclass(frozen=True)
class Members:
    """Models of one architecture, loaded one after the other, and how they read texts."""

    who: str  # in words
    models: Sequence[Callable[[], SequenceClassifier]]
    encoder: EncoderConfig
    classes: tuple[str, ...] | None  # in the order of the logits; None predicts a number
    several_labels: bool  # whether a text may have any number of them
    of_words: bool  # whether every word has one, and not a text
    tokenizer: Path  # the folder that it lies in
    max_length: int  # tokens after which a text is cut
    use_token_types: bool
    read: Callable[[Path], FurtherSet]


def members_of(config: PredictConfig) -> Members:
    """Raises UserError where nothing that can answer is meant."""
    source = config.source[0]
    if (source / CONFIG).is_file() or (source / TRIALS).is_file():
        return _of_sweep(source, config)
    if (source / MODEL_CONFIG).is_file():
        return _of_folders([source], config)
    if folders := sorted(file.parent for file in source.glob(f"member_*/{MODEL_CONFIG}")):
        return _of_folders(folders, config)
    if (source / ADAPTERS).is_file() or any(source.glob(f"member_*/{ADAPTERS}")):
        raise UserError(
            f"{source} holds adapters without their base, which are not read here; export without"
            " --adapters, or give the sweep's own folder."
        )
    raise UserError(
        f"{source} is no sweep's folder ({CONFIG}, {TRIALS}) and no model's ({MODEL_CONFIG}); give"
        " the --out of a sweep, or the --to of an export."
    )


def _of_folders(folders: Sequence[Path], config: PredictConfig) -> Members:
    for flag in ("arm", "model"):
        if getattr(config, flag) is not None:
            raise UserError(f"{flag} is given, which only a sweep's folder has; leave it out.")
    if config.trial != "ensemble" or config.step != "final":
        raise UserError(
            f"{config.source[0]} is a model's folder and holds no trials to choose from; leave"
            " trial and step out."
        )
    trained = [read_trained(folder) for folder in folders]
    first = trained[0]
    if any(each[1:] != first[1:] for each in trained):
        raise UserError(
            f"The members of {config.source[0]} differ in their config.json; export them again."
        )
    noted = {read_note(folder) for folder in folders}
    if len(noted) > 1:
        raise UserError(
            f"The members of {config.source[0]} differ in their {NOTE}; export them again."
        )
    tokenizer = load_tokenizer(first.folder)
    return Members(
        who=f"The {plural(len(folders), 'model')} in {config.source[0]}",
        models=[partial(load_trained, each) for each in trained],
        encoder=first.config,
        classes=first.classes,
        several_labels=first.several_labels,
        of_words=first.of_tokens,
        tokenizer=first.folder,
        max_length=min(tokenizer.model_max_length, first.config.max_length),
        use_token_types="token_type_ids" in tokenizer.model_input_names,
        read=reader_of(noted.pop(), first.of_tokens, config),
    )


def _of_sweep(out: Path, config: PredictConfig) -> Members:
    moved = {} if config.model is None else {"model": config.model}
    # The data are not read: what the trials have learnt of them is in their parameters.
    sweep = read_sweep(out, config.step, moved, needed=("model",))
    chosen = members_named(sweep, config.trial, config.arm)
    own = chosen[0].trial.config
    assert own.model is not None
    folder = locate(own.model, own.revision)
    encoder = in_precision(read_config(folder)[0], own.precision, jax.default_backend())
    encoder = of_tokens(encoder) if own.token_classification else encoder
    classes = read_classes(out)
    shapes = classifier_shapes(encoder, 1 if classes is None else len(classes))

    def load(member: Member) -> SequenceClassifier:
        return with_params(shapes, sweep.params(member), f"the model {own.model}", member.folder)

    alone = len(chosen) == 1
    return Members(
        who=f"Trial {chosen[0].number}" if alone else f"{len(chosen)} trials together",
        models=[partial(load, member) for member in chosen],
        encoder=encoder,
        classes=classes,
        several_labels=own.several_labels,
        of_words=own.token_classification,
        tokenizer=folder,
        max_length=min(own.max_length, encoder.max_length),
        use_token_types=own.use_token_types,
        read=reader_of(as_read(own), own.token_classification, config),
    )
