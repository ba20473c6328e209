"""What exactly does the correction do? Links of Adam x learning rates x families x b2.

Asked, run and tested as docs/study/correction.md planned it before the first trial was run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from jaxtune.config.settings import SweepConfig
from jaxtune.core.console import say
from jaxtune.core.errors import UserError
from jaxtune.stats.arms import readable
from jaxtune.stats.intervals import Estimate
from jaxtune.study.context import AT_THE_END, MINIATURE, Study
from jaxtune.study.effective_steps import best_column, bin_of, held_out_area, largest_step
from jaxtune.study.figures.bias_correction import FIRST_HELD_OUT_SEED
from jaxtune.study.finding import Finding
from jaxtune.study.link_arms import arms_of
from jaxtune.study.link_models import (
    AFTER,
    BEFORE,
    LINKED,
    NORMS,
    Model,
    Runs,
    equal_ones,
    make_models,
    model_words,
    plan_words,
    rates_of,
    runs_of,
)
from jaxtune.study.link_tests import (
    Gap,
    against,
    arms_against_none,
    at_best,
    best_against_none,
    best_rates,
)
from jaxtune.study.link_words import (
    arm_notes,
    claims_at_best,
    claims_at_one_rate,
    claims_of_models,
    claims_of_steps,
    in_words,
    rate_notes,
)
from jaxtune.study.measures import joined, score_table
from jaxtune.study.settings import CORRECTION, StudyConfig

TITLE = "What exactly does the correction do?"
PAPER = (
    "Bias correction makes fine-tuning stable (Mosbach and others, 2021); it is an implicit"
    " schedule, and no gain at the best hyper-parameters (Laing and Orvieto, 2025, of training"
    " vision and language models)."
)
# Updates whose largest effective step may tell failures; the last are all.
FIRST_UPDATES = (20, 60, AT_THE_END)
COLUMNS = {first: f"step_{first}" for first in FIRST_UPDATES}
# What the plan fixes, and a command may run less of.
PLANNED = (
    *("pretrainings", "exploration_seeds", "fresh_seeds", "b2_values", "num_epochs"),
    *("post_norm_rates", "pre_norm_rates", "depth_layers", "depth_steps", "train_examples"),
)
# The same for every family, also where the paper has others.
RECIPE: dict[str, Any] = {"weight_decay": 0.01, "dropout": 0.1, "max_grad_norm": None}


def run(study: Study) -> Finding:
    """Every model, every sweep, then the five questions."""
    if study.task != MINIATURE:
        raise UserError("correction pre-trains miniatures; leave --tasks out.")
    say(plan_words(study))
    models, left_out = equal_ones(make_models(study))
    for model in left_out:
        say(f"{model.wanted.name} is left out: it ended at a held-out loss of {model.loss:.2f}.")
    sweeps = [
        (model, runs, _sweep(study, model, runs))
        for family in NORMS
        for runs, model in _in_order(study, [m for m in models if m.wanted.family == family])
    ]
    trials = joined([_table(study, *each) for each in sweeps])
    return conclude(study, models, left_out, trials)


def conclude(
    study: Study, models: Sequence[Model], left_out: Sequence[Model], trials: pd.DataFrame
) -> Finding:
    """The five questions asked of all trials, as `_table` gives them; writes what is drawn."""
    is_deep = trials["layers"] == trials["layers"].max()
    first = best_column(trials[is_deep & ~trials["fresh"]], COLUMNS)
    steps = trials[COLUMNS[first]]
    trials = trials.assign(step=steps, bin=bin_of(steps.to_numpy(float)))
    deep = trials[is_deep]
    rates = best_rates(deep[~deep["fresh"]])
    best = at_best(deep[deep["fresh"]], rates)
    study.write("correction", trials=trials, best=best)
    at_one_rate = arms_against_none(deep, ["family", "adam_b2", "learning_rate"])
    at_their_best = best_against_none(best)
    areas = _areas(deep)
    at_one_step = arms_against_none(deep, ["family", "bin"])
    norms, depths = _about_norms(deep), _about_depth(trials)
    return Finding(
        title=TITLE,
        paper=PAPER,
        here=in_words(
            deep,
            best,
            areas,
            {
                "at one learning rate": at_one_rate,
                "at its own best rate": {arm: gap.failures for arm, gap in at_their_best.items()},
                "at the same effective step": at_one_step,
            },
        ),
        claims=[
            *claims_at_one_rate(at_one_rate),
            *claims_at_best(at_their_best),
            *claims_of_steps(areas, at_one_step),
            *claims_of_models(norms, depths),
        ],
        numbers={
            "at_one_rate": at_one_rate,
            "at_best": at_their_best,
            "chosen_rates": {" ".join(map(str, cell)): rate for cell, rate in rates.items()},
            "first_updates": int(min(first, trials["num_steps"].max())),
            "areas": areas,
            "at_one_step": at_one_step,
            "norms": norms,
            "depth": depths,
            "models": [model.wanted.name for model in models],
        },
        notes=[
            *arm_notes(at_one_rate, at_their_best, at_one_step),
            *rate_notes(rates),
            *_notes(study, models, left_out, rates, first),
        ],
    )


def _in_order(study: Study, models: Sequence[Model]) -> list[tuple[Runs, Model]]:
    """The sweeps of a family, those of one program next to each other: it is compiled once."""
    found = [(runs, model) for model in models for runs in runs_of(study, model.wanted)]
    names = list(dict.fromkeys(runs.name for runs, _ in found))
    return sorted(found, key=lambda each: names.index(each[0].name))


def _sweep(study: Study, model: Model, runs: Runs) -> Any:
    config = study.config
    last, last_fresh = config.exploration_seeds - 1, FIRST_HELD_OUT_SEED + config.fresh_seeds - 1
    rates = {"learning_rate": rates_of(study, model.wanted.family), "adam_b2": runs.b2}
    return study.sweep(
        runs.name,
        model=model.folder,
        grid=runs.product.grid | rates,
        num_epochs=config.num_epochs,
        seeds=f"0-{last},{FIRST_HELD_OUT_SEED}-{last_fresh}",
        eval_every=AT_THE_END,
        log_every=AT_THE_END,
        **RECIPE | runs.product.settings,
    )


def _table(study: Study, model: Model, runs: Runs, sweep: Any) -> pd.DataFrame:
    """A sweep's trials with what they are of, and their largest steps relative to the weights."""
    rows, wanted = study.rows(sweep), model.wanted
    about = {"model": wanted.name, "family": wanted.family, "norms": NORMS[wanted.family]}
    table = score_table(rows, **about, layers=wanted.layers)
    table["arm"], table["adam_b2"] = arms_of(runs.product, rows), rows["adam_b2"]
    table["fresh"] = rows["seed"] >= FIRST_HELD_OUT_SEED
    settings: list[Any] = rows.to_dict("records")
    for first, column in COLUMNS.items():
        steps = [largest_step(row, int(row["num_steps"]), first) for row in settings]
        table[column] = pd.Series(steps, table.index) / model.scale
    return table


def _areas(deep: pd.DataFrame) -> dict[str, dict[str, Estimate]]:
    """By place of the norms, how well the variable and the rate as set tell fresh failures."""
    return {
        str(norms): {
            name: held_out_area(rows[~rows["fresh"]], rows[rows["fresh"]], column)
            for name, column in (("step", "step"), ("rate", "learning_rate"))
        }
        for norms, rows in deep.groupby("norms", sort=False)
    }


def _about_norms(deep: pd.DataFrame) -> Gap | None:
    """ModernBERT against BERT."""
    after, before = (deep[deep["family"] == family] for family in LINKED)
    found = against({BEFORE: (before, after)}, ["arm", "adam_b2", "learning_rate"])
    return found.get(BEFORE)


def _about_depth(trials: pd.DataFrame) -> dict[str, Gap]:
    """The shallower models against the full depth, by family."""
    full = trials["layers"] == trials["layers"].max()
    plain_b2 = trials["adam_b2"] == SweepConfig.adam_b2
    pairs = {}
    for family in LINKED:
        own = trials[plain_b2 & (trials["family"] == family)]
        pairs[family] = (own[~full[own.index]], own[full[own.index]])
    return against(pairs, ["arm", "learning_rate"])


def _notes(
    study: Study,
    models: Sequence[Model],
    left_out: Sequence[Model],
    rates: Mapping[tuple[Any, ...], float],
    first: int,
) -> list[str]:
    grids = [(rate, rates_of(study, family)) for (family, *_), rate in rates.items()]
    at_the_edge = sum(rate in (min(grid), max(grid)) for rate, grid in grids)
    updates = "all" if first == AT_THE_END else f"the first {first}"
    notes = [
        "The plan stands in docs/study/correction.md, committed before any trial was run.",
        f"The variable is the largest effective step of {updates} updates (chosen on exploration"
        " seeds) over the root mean square of the pre-trained matrices. It is the closed form:"
        " history has no norms of updates, and eps is left aside.",
        f"Held-out loss in nats (scale of the weights): {model_words(models)}.",
        f"{at_the_edge} of {len(grids)} best rates lie at an edge of their grid.",
        f"Norms: {AFTER} are {', '.join(f for f, n in NORMS.items() if n == AFTER)}; a ModernBERT"
        " differs from them in more than that.",
        "Trials of one pre-trained model are alike, which the tests do not count.",
    ]
    if apart := _apart_from_the_plan(study.config):
        notes.insert(1, f"Not all of the plan: {', '.join(apart)}.")
    if left_out:
        notes.append(f"Left out for their held-out loss: {model_words(left_out)}.")
    return notes


def _apart_from_the_plan(config: StudyConfig) -> list[str]:
    """Such as `pretrainings 1 in place of 3`."""
    planned = StudyConfig(figure=CORRECTION, out=config.out)
    pairs = {name: (getattr(config, name), getattr(planned, name)) for name in PLANNED}
    return [
        f"{name} {_as_typed(own)} in place of {_as_typed(wanted)}"
        for name, (own, wanted) in pairs.items()
        if own != wanted
    ]


def _as_typed(value: Any) -> str:
    return " ".join(map(readable, value)) if isinstance(value, tuple) else readable(value)
