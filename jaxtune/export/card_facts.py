"""What the model cards say of a sweep and a trial, fact by fact, in Markdown."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from jaxtune.config.field_groups import FURTHER_FIELDS
from jaxtune.config.settings import SweepConfig
from jaxtune.core.metrics import METRICS
from jaxtune.export.card_text import (
    OWN_START,
    SAME_START,
    SEVERAL_LABELS,
    TAGS,
)
from jaxtune.export.members import DevSet, Member, Sweep
from jaxtune.models.starting_point import drawn_parts
from jaxtune.stats.arms import RUNNING, make_arms, readable
from jaxtune.stats.describe import describe, expected_best
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.wording import enumerate_words, every, in_parts, show_wilson

MOST_LABELS = 12
WORD = (
    " The first text begins with the word that is asked about, a colon and a space, as in training."
)
# Texts, which may hold a path of the user's machine; the other settings are numbers, switches and
# given words.
_TEXTS = {
    *("data_dir", "train_file", "dev_file", "text_columns", "label_column", *FURTHER_FIELDS),
    *("label_columns", "token_classification", "revision", "classes", "delimiter", "quoting"),
}


def example(dev: DevSet) -> str:
    """What the tokenizer is given."""
    if dev.of_words:
        return '[["A", "text"]], is_split_into_words=True'
    first = "word: A text." if dev.source.layout.word else "A text."
    return f'["{first}"], ["Another text."]' if dev.pairs else f'["{first}"]'


def answer(dev: DevSet) -> str:
    """What there is to say of the logits, or of the texts."""
    if dev.of_words:
        return TAGS
    if dev.source.layout.word:
        return WORD
    return SEVERAL_LABELS if dev.task.several_labels else ""


def mean_of(dev: DevSet) -> tuple[str, str, str]:
    """What an ensemble's answer is the mean of; in torch, from logits to that, and back."""
    if dev.task.num_labels == 1:
        return "logits", "", ""
    if dev.task.several_labels:
        return "probabilities", ".sigmoid()", ".logit()"
    return "probabilities", ".softmax(-1)", ".log()"


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


def front_matter(dev: DevSet, library: str) -> str:
    """What the hub reads. A local folder is no id there, and no licence is made up."""
    model = dev.config.model
    known = model is not None and model != "miniature" and not Path(model).is_dir()
    values: dict[str, Any] = {"base_model": model} if known else {}
    kind = "token-classification" if dev.of_words else "text-classification"
    values |= {"library_name": library, "pipeline_tag": kind}
    return yaml.safe_dump(values | {"tags": ["jaxtune"]}, sort_keys=False, allow_unicode=True)


def base(dev: DevSet) -> str:
    """The hub id with its revision, or the name of a local folder without its path."""
    name, revision = base_name(dev.config), dev.config.revision
    return escaped(name if revision is None else f"{name}, revision {revision}")


def drawn(dev: DevSet) -> str:
    """What of the model no pre-training made, such as `pooler and classifier`."""
    config = dev.task.model.encoder.config
    return enumerate_words(drawn_parts(dev.task.fresh, config, dev.config.reinit_layers))


def start(dev: DevSet, initialisations: int) -> str:
    """Whether the members of a soup had one starting point."""
    if initialisations == 1:
        return SAME_START
    return OWN_START.format(fresh=drawn(dev), heads=initialisations)


def trials_of(sweep: Sweep, member: Member) -> str:
    """Such as `All 32 trials of the sweep, which differ in their seeds only`."""
    number = len(sweep.arm_of(member.trial.arm))
    whole = f"the arm {escaped(member.trial.arm)}" if sweep.arms[1:] else "the sweep"
    apart = ", which differ in their seeds only" if number > 1 else ""
    return f"{every(number, 'trial')} of {whole}{apart}"


def goal(dev: DevSet) -> str:
    """What the head answers, such as `2 classes (entailment, not_entailment)`."""
    names = dev.label_names
    if names is None:
        return "regression"
    what = "labels, any number of them for a text" if dev.task.several_labels else "classes"
    what = "tags, one for every word" if dev.of_words else what
    which = "" if len(names) > MOST_LABELS else f" ({', '.join(map(escaped, names))})"
    return f"{len(names)} {what}{which}"


def reading(dev: DevSet) -> str:
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


def seeds(member: Member) -> str:
    """The seeds of a trial's three random streams, by what they draw."""
    seeds = member.trial.seeds
    return (
        f"initialisation {seeds.init_seed}, order {seeds.order_seed}, dropout {seeds.dropout_seed}"
    )


def spread(sweep: Sweep, member: Member) -> str:
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
        "95% interval": show_wilson(about.failed),
    }
    return table(list(columns), [list(columns.values())])


def _shown(found: Estimate) -> str:
    value, interval = in_parts(found, "{:.4f}")
    return f"{value} ({interval})" if interval else value


def expected_bests(sweep: Sweep, member: Member) -> str:
    """For 1, 2, 4, ... trials of the arm and for all of them."""
    rows = [other.row | {"final": sweep.score(other)} for other in sweep.arm_of(member.trial.arm)]
    (arm,) = make_arms({"": rows})
    best = expected_best(arm)
    budgets = [n for n in best.num_trials.tolist() if n == len(arm) or n & (n - 1) == 0]
    means = [f"{best.mean[n - 1]:.4f}" for n in budgets]
    return table(["trials", *map(str, budgets)], [["expected best", *means]])


def recipe(member: Member) -> str:
    """Every setting of the training, and not how it was run or watched."""
    settings = member.trial.settings
    recipe = [name for name in settings if name not in RUNNING | _TEXTS]
    rows = [[f"`{name}`", readable(settings[name])] for name in recipe]
    return table(["setting", "value"], [*rows, ["steps", str(member.row["num_steps"])]])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
