"""The model cards of the three kinds of export, in Markdown: the facts put into `card_text`.

Texts from outside (names of models, labels and arms) are escaped: they stay text, whatever Markdown
they spell.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from jaxtune.config.field_groups import FURTHER_FIELDS
from jaxtune.config.settings import SweepConfig
from jaxtune.core.failure import MEANING
from jaxtune.core.metrics import METRICS
from jaxtune.core.version import __version__
from jaxtune.core.words import plural
from jaxtune.export.card_text import (
    BESIDE,
    CARD,
    HOW_ENSEMBLE,
    HOW_SOUP,
    HOW_TRIAL,
    MERGED,
    OWN_START,
    ROUNDED,
    SAME_START,
    SEVERAL_LABELS,
    STEPS,
    TAGS,
    USE,
    USE_ADAPTERS,
    USE_ADAPTERS_ENSEMBLE,
    USE_ENSEMBLE,
)
from jaxtune.export.members import DevSet, Member, Sweep
from jaxtune.models.families import FAMILIES
from jaxtune.models.starting_point import drawn_parts
from jaxtune.stats.arms import RUNNING, make_arms, readable
from jaxtune.stats.describe import describe, expected_best
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.wording import enumerate_words, every, in_parts, show_wilson

MOST_LABELS = 12
# Texts, which may hold a path of the user's machine; the other settings are numbers, switches and
# given words.
_TEXTS = {
    *("data_dir", "train_file", "dev_file", "text_columns", "label_column", *FURTHER_FIELDS),
    *("label_columns", "token_classification", "revision", "classes", "delimiter", "quoting"),
}


class Scored(NamedTuple):
    """A line of the card's score table."""

    name: str  # Markdown
    scores: dict[str, float]


class Form(NamedTuple):
    """What a folder holds: a whole model, or adapters on their base."""

    use: str
    use_ensemble: str
    library: str  # that loads it
    adapters: str  # what there is to say of a trial's


WHOLE = Form(USE, USE_ENSEMBLE, "transformers", MERGED)
ADAPTERS = Form(USE_ADAPTERS, USE_ADAPTERS_ENSEMBLE, "peft", BESIDE)


def trial_card(
    dev: DevSet,
    sweep: Sweep,
    member: Member,
    scores: dict[str, float],
    how: str,
    form: Form = WHOLE,
) -> str:
    """Of one trial; `how` says in Markdown how it was chosen."""
    how = HOW_TRIAL.format(how=how, step=step_words(sweep, member), seeds=_seeds(member))
    scored = [Scored("this model", scores)]
    return _card(dev, sweep, member, f"trial {member.number}", scored, how, form, form.use)


def ensemble_card(
    dev: DevSet,
    sweep: Sweep,
    members: Sequence[Member],
    scored: Sequence[Scored],
    form: Form = WHOLE,
) -> str:
    """Of a folder with a folder per member."""
    classes = dev.task.num_labels > 1
    rows = [[f"`member_{m.number:05d}`", str(m.number), _seeds(m)] for m in members]
    how = HOW_ENSEMBLE.format(
        members=len(members),
        size=len(sweep.arm_of(members[0].trial.arm)),
        geometric=", the normalised geometric mean of their probabilities" if classes else "",
        step=STEPS[sweep.step].format(where=chosen_on(members[0])),
        table=_table(["folder", "trial", "seeds"], rows),
    )
    what = f"ensemble of {len(members)} trials"
    return _card(dev, sweep, members[0], what, scored, how, form, form.use_ensemble)


def soup_card(
    dev: DevSet,
    sweep: Sweep,
    members: Sequence[Member],
    scored: Sequence[Scored],
    trials: Mapping[str, Sequence[int]],
    chosen: str,
) -> str:
    """Of the soup `chosen`; `trials` are those of the uniform and of the greedy one, by name."""
    how = HOW_SOUP.format(
        chosen=chosen,
        members=len(members),
        size=len(sweep.arm_of(members[0].trial.arm)),
        start=_start(dev, len({member.trial.seeds.init_seed for member in members})),
        step=STEPS[sweep.step].format(where=chosen_on(members[0])),
        table=_table(["soup", "trials"], [[n, ", ".join(map(str, t))] for n, t in trials.items()]),
    )
    what = f"{chosen} soup of {plural(len(trials[chosen]), 'trial')}"
    return _card(dev, sweep, members[0], what, scored, how, WHOLE, USE)


def _card(
    dev: DevSet,
    sweep: Sweep,
    member: Member,
    what: str,
    scored: Sequence[Scored],
    how: str,
    form: Form,
    use: str,
) -> str:
    """The card about the recipe of `member`'s arm."""
    config, metrics = dev.config, dev.task.metrics
    lines = [[line.name, *(f"{line.scores[name]:.4f}" for name in metrics)] for line in scored]
    arm_name = escaped(member.trial.arm)
    notes = [*dev.task.notes, *([form.adapters] if member.trial.config.lora_rank else [])]
    return CARD.format(
        front_matter=_front_matter(dev, form.library),
        base=_base(dev),
        task=escaped(str(config.task)),
        what=what,
        encoder=FAMILIES[dev.task.model.encoder.config.family].title,
        goal=_goal(dev),
        version=__version__,
        random_weights=", from random weights" if config.random_weights else "",
        drawn=_drawn(dev),
        notes="".join(f" {escaped(note)}" for note in notes),
        scores=_table(["", *metrics], lines),
        reading=_reading(dev),
        num_dev=len(dev.labels),
        unit="words" if dev.of_words else "examples",
        metric=metrics[0],
        trivial=f"{member.row['trivial']:.4f}",
        meaning=MEANING,
        how=how,
        trials=_trials_of(
            len(sweep.arm_of(member.trial.arm)),
            f"the arm {arm_name}" if sweep.arms[1:] else "the sweep",
        ),
        spread=_spread(sweep, member),
        expected_best=_expected_best(sweep, member),
        when="after the last step" if sweep.step == "final" else "at each trial's best evaluation",
        recipe=_recipe(member),
        use=use.format(
            auto=f"AutoModelFor{'Token' if dev.of_words else 'Sequence'}Classification",
            example=_example(dev),
            max_length=dev.max_length,
            rounded="" if config.precision == "float32" else ROUNDED,
            answer=_answer(dev),
            base=base_name(dev.config),
            num_labels=dev.task.num_labels,
            classes=enumerate_words([*map(escaped, dev.label_names or ("a number",))]),
        ),
    )


def _example(dev: DevSet) -> str:
    """What the tokenizer is given."""
    if dev.of_words:
        return '[["A", "text"]], is_split_into_words=True'
    return '["A text."], ["Another text."]' if dev.pairs else '["A text."]'


def _answer(dev: DevSet) -> str:
    """What the logits say."""
    if dev.of_words:
        return TAGS
    return SEVERAL_LABELS if dev.task.several_labels else ""


def escaped(text: str) -> str:
    """Text on one line whose Markdown and HTML characters mean themselves."""
    visible = "".join(c if c.isprintable() else " " for c in str(text))
    return re.sub(r"([\\`*_{}\[\]<>()#+.!|~&$:@^])", r"\\\1", " ".join(visible.split()))


def step_words(sweep: Sweep, member: Member) -> str:
    """Which parameters, such as `after the last step, 468`."""
    if sweep.step == "final":
        return f"after the last step, {member.row['num_steps']}"
    where = chosen_on(member)
    return f"of the best evaluation on the {where}, after step {member.row['best_step']}"


def chosen_on(member: Member) -> str:
    """What said which evaluation is a trial's best."""
    held_out = member.trial.config.dev_fraction is not None
    return "examples held out of training" if held_out else "dev set"


def base_name(config: SweepConfig) -> str:
    """The base model as transformers finds it: its hub id, or the name of its folder, whose path
    means something on one machine alone.
    """
    model = str(config.model)
    return Path(model).resolve().name if Path(model).is_dir() else model


def _front_matter(dev: DevSet, library: str) -> str:
    """What the hub reads. A local folder is no id there, and no licence is made up."""
    model = dev.config.model
    known = model is not None and model != "miniature" and not Path(model).is_dir()
    values: dict[str, Any] = {"base_model": model} if known else {}
    kind = "token-classification" if dev.of_words else "text-classification"
    values |= {"library_name": library, "pipeline_tag": kind}
    return yaml.safe_dump(values | {"tags": ["jaxtune"]}, sort_keys=False, allow_unicode=True)


def _base(dev: DevSet) -> str:
    """The hub id with its revision, or the name of a local folder without its path."""
    model, revision = str(dev.config.model), dev.config.revision
    name = Path(model).resolve().name if Path(model).is_dir() else model
    return escaped(name if revision is None else f"{name}, revision {revision}")


def _drawn(dev: DevSet) -> str:
    """What of the model no pre-training made, such as `pooler and classifier`."""
    config = dev.task.model.encoder.config
    return enumerate_words(drawn_parts(dev.task.fresh, config, dev.config.reinit_layers))


def _start(dev: DevSet, initialisations: int) -> str:
    """Whether the members of a soup had one starting point."""
    if initialisations == 1:
        return SAME_START
    return OWN_START.format(fresh=_drawn(dev), heads=initialisations)


def _trials_of(number: int, whole: str) -> str:
    """Such as `All 32 trials of the sweep, which differ in their seeds only`."""
    apart = ", which differ in their seeds only" if number > 1 else ""
    return f"{every(number, 'trial')} of {whole}{apart}"


def _goal(dev: DevSet) -> str:
    names = dev.label_names
    if names is None:
        return "regression"
    what = "labels, any number of them for a text" if dev.task.several_labels else "classes"
    what = "tags, one for every word" if dev.of_words else what
    which = "" if len(names) > MOST_LABELS else f" ({', '.join(map(escaped, names))})"
    return f"{len(names)} {what}{which}"


def _reading(dev: DevSet) -> str:
    """Which class F1 is of, and what is better when lower; nothing where a score says it all."""
    said = ""
    if dev.task.several_labels:
        said += " accuracy: of the texts that get all of their labels and no other."
    if "entity_f1" in dev.task.metrics:
        said += " entity_f1: F1 of entities, of which all words and the type are right."
    if "f1" in dev.task.metrics and dev.label_names:
        said += f" f1: of the class {escaped(dev.label_names[dev.task.positive])}."
    errors = [name for name in dev.task.metrics if not METRICS[name].higher_is_better]
    return said + "".join(f" {name}: lower is better." for name in errors)


def _seeds(member: Member) -> str:
    seeds = member.trial.seeds
    return (
        f"initialisation {seeds.init_seed}, order {seeds.order_seed}, dropout {seeds.dropout_seed}"
    )


def _spread(sweep: Sweep, member: Member) -> str:
    """The table of the member's arm: trials that failed are in it."""
    rows = [other.row for other in sweep.arm_of(member.trial.arm)]
    (arm,) = make_arms({member.trial.arm: rows})
    about = describe(arm)
    columns = {
        "n": str(about.all.n),
        "mean": _shown(about.all.mean),
        "std": _shown(about.all.std),
        "min": _shown(about.all.min),
        "max": _shown(about.all.max),
        "failed": f"{about.failed.count}/{about.failed.n}",
        "95 % interval": show_wilson(about.failed),
    }
    return _table(list(columns), [list(columns.values())])


def _shown(found: Estimate) -> str:
    value, interval = in_parts(found, "{:.4f}")
    return f"{value} ({interval})" if interval else value


def _expected_best(sweep: Sweep, member: Member) -> str:
    """For 1, 2, 4, ... trials of the arm and for all of them."""
    rows = [other.row | {"final": sweep.score(other)} for other in sweep.arm_of(member.trial.arm)]
    (arm,) = make_arms({"": rows})
    best = expected_best(arm)
    budgets = [n for n in best.num_trials.tolist() if n == len(arm) or n & (n - 1) == 0]
    means = [f"{best.mean[n - 1]:.4f}" for n in budgets]
    return _table(["trials", *map(str, budgets)], [["expected best", *means]])


def _recipe(member: Member) -> str:
    """Every setting of the training, and not how it was run or watched."""
    settings = member.trial.settings
    recipe = [name for name in settings if name not in RUNNING | _TEXTS]
    rows = [[f"`{name}`", readable(settings[name])] for name in recipe]
    return _table(["setting", "value"], [*rows, ["steps", str(member.row["num_steps"])]])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
