"""Sections of a model card: what it is, how it scored, how stable the recipe behind it was, how to
use it.

Texts from outside (names of models, labels and arms) are escaped: they stay text, whatever Markdown
they spell.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from jaxtune.core.version import __version__
from jaxtune.export.members import DevSet, Member, Sweep
from jaxtune.stats.arms import RUNNING, make_arms, readable
from jaxtune.stats.describe import describe, expected_max
from jaxtune.stats.intervals import Estimate
from jaxtune.storage.trial_rows import Row

# Texts, which may hold a path of the user's machine; the other settings are numbers, switches and
# given words.
_TEXTS = {"data_dir", "train_file", "dev_file", "text_columns", "label_column"}
MOST_LABELS = 12
LICENCE = (
    "This card states no licence: those of the base model and of the data apply to what is made"
    " from them; look them up before you pass this on."
)


class Scored(NamedTuple):
    """A line of the card's score table."""

    name: str  # Markdown
    scores: dict[str, float]


def escaped(text: str) -> str:
    """Text on one line whose Markdown and HTML characters mean themselves."""
    visible = "".join(c if c.isprintable() else " " for c in str(text))
    return re.sub(r"([\\`*_{}\[\]<>()#+.!|~&$:@^])", r"\\\1", " ".join(visible.split()))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def base_name(model: str) -> str:
    """The hub id, or the name of a local folder without its path."""
    return Path(model).resolve().name if Path(model).is_dir() else model


def front_matter(dev: DevSet) -> str:
    """What the hub reads. A local folder is no id there, and no licence is made up."""
    model = dev.config.model
    known = model is not None and model != "miniature" and not Path(model).is_dir()
    values: dict[str, Any] = {"base_model": model} if known else {}
    values |= {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["jaxtune"],
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---"


def heading(dev: DevSet, what: str) -> str:
    """Title and first paragraph; `what` is Markdown."""
    config, kind = dev.config, dev.task.model.encoder.config.family
    base = escaped(base_name(str(config.model)))
    goal = "regression" if dev.label_names is None else f"{len(dev.label_names)} classes"
    if dev.label_names and len(dev.label_names) <= MOST_LABELS:
        goal += f" ({', '.join(map(escaped, dev.label_names))})"
    return (
        f"# {base} on {escaped(str(config.task))}:"
        f" {what}\n\n{kind.upper() if kind != 'roberta' else 'RoBERTa'} encoder {base} with a head"
        f" for {goal}, fine-tuned and exported by jaxtune {__version__}"
        + (", from random weights." if config.random_weights else ".")
    )


def scores_section(dev: DevSet, scored: Sequence[Scored], trivial: float) -> str:
    """The dev metrics of the export and of what it is compared with."""
    metrics = dev.task.metrics
    rows = [[line.name, *(f"{line.scores[name]:.4f}" for name in metrics)] for line in scored]
    return (
        f"## Scores\n\n{table(['', *metrics], rows)}\n\nOn the {len(dev.labels)} examples of the"
        f" dev set; the best constant prediction has {metrics[0]} {trivial:.4f}."
    )


def stability_section(sweep: Sweep, member: Member) -> str:
    """The table of the member's arm, and what the best of so many trials is expected to score."""
    rows = [other.row for other in sweep.arm_of(member.trial.arm)]
    (arm,) = make_arms({member.trial.arm: rows})
    whole = f"the arm {escaped(arm.name)}" if sweep.arms[1:] else "the sweep"
    about = describe(arm)
    header = ["n", "mean", "std", "min", "max", "failed", "95 % interval"]
    columns = (about.all.mean, about.all.std, about.all.min, about.all.max)
    values = [str(len(arm)), *map(_shown, columns), f"{about.failed.count}/{about.failed.n}"]
    interval = f"{about.failed.wilson_low:.0%} to {about.failed.wilson_high:.0%}"
    return (
        f"## How stable the recipe is\n\nAll {len(arm)} trials of {whole}, which differ in their"
        f" seeds only; {arm.metric} after the last"
        f" step.\n\n{table(header, [[*values, interval]])}\n\nFailed: no better than the best"
        f" constant prediction, {arm.trivial:.4f}, or diverged; std over seeds (ddof 1); the"
        f" interval is Wilson's, of the failure rate.\n\n{_expected_best(sweep, rows)}"
    )


def _expected_best(sweep: Sweep, rows: Sequence[Row]) -> str:
    (arm,) = make_arms({"": [row | {"final": row[sweep.step]} for row in rows]})
    best = expected_max(arm.final)
    budgets = [n for n in best.num_trials.tolist() if n == len(arm) or n & (n - 1) == 0]
    means = ["expected best", *(f"{best.mean[n - 1]:.4f}" for n in budgets)]
    when = "after the last step" if sweep.step == "final" else "at each trial's best evaluation"
    return (
        f"{table(['trials', *map(str, budgets)], [means])}\n\nExpected {arm.metric} {when} of the"
        " best of so many trials, drawn with replacement from these (Dodge et al. 2019)."
    )


def _shown(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4f}"
    return f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"


def recipe_section(member: Member) -> str:
    """Every setting of the training, and not how it was run or watched."""
    settings = member.trial.settings
    recipe = [name for name in settings if name not in RUNNING | _TEXTS]
    rows = [[f"`{name}`", readable(settings[name])] for name in recipe]
    rows.append(["steps", str(member.row["num_steps"])])
    return f"## Recipe\n\n{table(['setting', 'value'], rows)}"


def seeds_of(member: Member) -> str:
    """The three streams of a trial."""
    seeds = member.trial.seeds
    return (
        f"initialisation {seeds.init_seed}, order {seeds.order_seed}, dropout {seeds.dropout_seed}"
    )


def use_section(dev: DevSet) -> str:
    """How transformers loads and runs one folder."""
    return f"""## Use

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = AutoModelForSequenceClassification.from_pretrained("FOLDER")
inputs = tokenizer({_example(dev)}, truncation=True, padding=True, return_tensors="pt")
logits = model(**inputs).logits
```

The tokenizer cuts at {dev.max_length} tokens, as in training{_rounded(dev)}."""


def ensemble_use_section(dev: DevSet) -> str:
    """How to average the members' logits."""
    return f"""## Use

```python
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

members = sorted(Path("FOLDER").glob("member_*"))
tokenizer = AutoTokenizer.from_pretrained(members[0])
inputs = tokenizer({_example(dev)}, truncation=True, padding=True, return_tensors="pt")
with torch.no_grad():
    models = map(AutoModelForSequenceClassification.from_pretrained, members)
    logits = torch.stack([model(**inputs).logits for model in models]).mean(0)
```

The tokenizer cuts at {dev.max_length} tokens, as in training{_rounded(dev)}. An answer costs as
much as one of each member."""


def _example(dev: DevSet) -> str:
    """Arguments of a tokenizer call for one or two texts."""
    return '["A text."], ["Another text."]' if dev.pairs else '["A text."]'


def _rounded(dev: DevSet) -> str:
    if dev.config.precision == "float32":
        return ""
    return (
        "; the scores above are those of bfloat16 products, and float32 ones differ by their"
        " rounding"
    )


def licence_section(dev: DevSet) -> str:
    """The base model by name, and no licence that nobody has looked up."""
    return (
        f"## Base model and licence\n\nBase model: {escaped(base_name(str(dev.config.model)))}."
        f" {LICENCE}"
    )


def mean_scores(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric."""
    return {name: float(np.mean([each[name] for each in scores])) for name in scores[0]}


def step_words(sweep: Sweep, member: Member) -> str:
    """Which parameters, such as `after the last step, 468`."""
    row = member.row
    if sweep.step == "final":
        return f"after the last step, {row['num_steps']}"
    return f"of the best evaluation on the dev set, after step {row['best_step']}"


def compared(
    dev: DevSet, members: Sequence[Member], scores: Sequence[dict[str, float]]
) -> list[Scored]:
    """What an average is measured against: its members' mean and the best of them."""
    metric = dev.task.metrics[0]
    best = max(range(len(members)), key=lambda i: scores[i][metric])
    return [
        Scored(f"best single trial ({members[best].number})", scores[best]),
        Scored("mean of the single trials", mean_scores(scores)),
    ]
