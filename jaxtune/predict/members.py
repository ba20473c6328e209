"""Who answers: the models of a folder or of a sweep, and how they want texts read."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.core.words import plural
from jaxtune.data.csv_rows import Dialect
from jaxtune.data.custom import read_further
from jaxtune.data.examples import FurtherSet, Layout
from jaxtune.data.glue import GLUE_TASKS, read_glue_further
from jaxtune.data.sentences import read_further_tagged
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.export.choose import members_named
from jaxtune.export.members import Member, read_sweep, skeleton, with_params
from jaxtune.models.encoder import EncoderConfig
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.pretrained import locate, of_tokens, read_config
from jaxtune.models.trained import Trained, load_trained, read_trained
from jaxtune.predict.settings import PredictConfig
from jaxtune.storage.paths import CONFIG, TRIALS
from jaxtune.storage.results import read_classes
from jaxtune.storage.trial_rows import params_damage

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
    tokenizer = load_tokenizer(first.folder)
    text = "tokens" if first.of_tokens else "text"
    layout = Layout(config.text_columns or (text,), "label", None)
    dialect = Dialect(config.delimiter, config.quoting)

    def loader(each: Trained) -> Callable[[], SequenceClassifier]:
        return lambda: load_trained(each)

    return Members(
        who=f"The {plural(len(folders), 'model')} in {config.source[0]}",
        models=[loader(each) for each in trained],
        encoder=first.config,
        classes=first.classes,
        several_labels=first.several_labels,
        of_words=first.of_tokens,
        tokenizer=first.folder,
        max_length=min(tokenizer.model_max_length, first.config.max_length),
        use_token_types="token_type_ids" in tokenizer.model_input_names,
        read=_words_reader(layout, config) if first.of_tokens else _reader(layout, dialect),
    )


def _of_sweep(out: Path, config: PredictConfig) -> Members:
    moved = {} if config.model is None else {"model": config.model}
    # The data are not read: what the trials have learnt of them is in their parameters.
    sweep = read_sweep(out, config.step, moved, needed=("model",))
    chosen = members_named(sweep, config.trial, config.arm)
    own = chosen[0].trial.config
    assert own.model is not None
    folder = locate(own.model, own.revision)
    encoder = dataclasses.replace(read_config(folder)[0], dtype=own.precision)
    encoder = of_tokens(encoder) if own.token_classification else encoder
    classes = read_classes(out)
    shapes = skeleton(encoder, 1 if classes is None else len(classes))

    def loader(member: Member) -> Callable[[], SequenceClassifier]:
        def load() -> SequenceClassifier:
            params = sweep.params(member)
            if damage := params_damage(out, member.row):
                raise UserError(
                    f"{out}: {damage} since it was written; give the sweep's command again, and it"
                    " repeats that trial."
                )
            return with_params(shapes, params, f"the model {own.model}", member.folder)

        return load

    alone = f"Trial {chosen[0].number}" if len(chosen) == 1 else ""
    return Members(
        who=alone or f"{len(chosen)} trials together",
        models=[loader(member) for member in chosen],
        encoder=encoder,
        classes=classes,
        several_labels=own.several_labels,
        of_words=own.token_classification,
        tokenizer=folder,
        max_length=min(own.max_length, encoder.max_length),
        use_token_types=own.use_token_types,
        read=_reader_of(own, config),
    )


def _reader_of(own: SweepConfig, config: PredictConfig) -> Callable[[Path], FurtherSet]:
    """How the texts of a sweep are read: in the columns of its own files."""
    dialect = Dialect(config.delimiter or own.delimiter, own.quoting)
    if config.quoting is not None:
        dialect = dialect._replace(quoting=config.quoting)
    if own.task == "custom":
        columns = config.text_columns or own.text_columns
        if own.token_classification:
            return _words_reader(Layout(columns, own.label_column, None), config)
        return _reader(Layout(columns, own.label_column, None), dialect)
    task = GLUE_TASKS.get(str(own.task))
    columns = config.text_columns or (task.text_columns if task else ("sentence",))
    table = _reader(Layout(columns, "label", None), dialect)

    def read(path: Path) -> FurtherSet:
        # As GLUE publishes them, unless columns are named.
        published = task is not None and path.suffix.lower() == ".tsv" and not config.text_columns
        return read_glue_further(path, task) if task is not None and published else table(path)

    return read


def _words_reader(layout: Layout, config: PredictConfig) -> Callable[[Path], FurtherSet]:
    for flag in ("delimiter", "quoting"):
        if getattr(config, flag) is not None:
            raise UserError(f"{flag} is given, which files of words do not have; leave it out.")
    if len(layout.text) != 1:
        raise UserError(
            f"text_columns names {plural(len(layout.text), 'column')}, and a text whose words get"
            " tags is one column of words; name one."
        )
    return lambda path: read_further_tagged(path, layout, labelled=False)


def _reader(layout: Layout, dialect: Dialect) -> Callable[[Path], FurtherSet]:
    return lambda path: read_further(path, layout, dialect, labelled=False)
