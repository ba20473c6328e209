"""Does depth make fine-tuning fail? Models of equal pre-training, shallow to deep, in both arms."""

import itertools
from pathlib import Path

from jaxtune.core.errors import UserError
from jaxtune.models.pretrained import locate
from jaxtune.stats.wording import show_share
from jaxtune.study.context import BOTH_ARMS, MINIATURE, Study, by_depth
from jaxtune.study.finding import Claim, Finding
from jaxtune.study.measures import (
    arm_numbers,
    by_correction,
    failure_gap,
    joined,
    score_table,
    share_of,
    tally,
)
from jaxtune.study.miniatures import held_out_scores, make_model, pretraining, same_model

TITLE = "Depth: does a deeper encoder fail more often?"
PAPER = (
    "BERT-base (12 layers) is not unstable, BERT-large (24) is, whose vanishing gradients are those"
    " of the lower layers. The paper shows no figure of this."
)


def run(study: Study) -> Finding:
    """Both arms of the default recipe on every depth."""
    given = by_depth(study.config.depth_models)
    if not given and study.task != MINIATURE:
        raise UserError(
            "depth pre-trains miniatures only for the task miniature; name the models to compare"
            " with --depth_models."
        )
    models = {Path(model).name: model for model in given} if given else _miniatures(study)
    sweeps = {name: _sweep(study, name, model) for name, model in models.items()}
    rows = {name: study.rows(sweep) for name, sweep in sweeps.items()}
    tables = [score_table(own, model=name) for name, own in rows.items()]
    study.write("depth", trials=joined(tables))
    held_out = {} if given else {name: held_out_scores(model) for name, model in models.items()}
    arms = {name: by_correction(own) for name, own in rows.items()}
    failures = {name: tuple(map(share_of, both)) for name, both in arms.items()}
    rates = [without.value for without, _ in failures.values()]
    shallow, *_, deep = (without for without, _ in arms.values())
    gap = failure_gap(deep, shallow)
    counts = ", ".join(f"{name} {tally(off)}" for name, (off, _) in failures.items())
    with_intervals = " ".join(
        f"{name}: {show_share(off)} without correction and {show_share(on)} with it."
        for name, (off, on) in failures.items()
    )
    numbers = {
        name: {"False": arm_numbers(off), "True": arm_numbers(on)}
        for name, (off, on) in arms.items()
    }
    return Finding(
        title=TITLE,
        paper=PAPER,
        here=f"Failed without correction: {counts}. {with_intervals}",
        claims=[
            Claim(
                "without correction the failure rate never falls with depth",
                counts,
                all(one <= other for one, other in itertools.pairwise(rates)),
            ),
            Claim("the deepest model fails more than the shallowest", gap.words, gap.fails_more),
        ],
        numbers={"held_out": held_out} | numbers,
        notes=_notes(study, held_out),
    )


def _notes(study: Study, held_out: dict[str, tuple[float, float]]) -> list[str]:
    config = study.config
    notes = [
        f"Learning rate {config.learning_rate:g} and {config.num_epochs} epochs at every depth:"
        " each might do best elsewhere."
    ]
    if not held_out:
        return notes
    steps = " + ".join(map(str, config.depth_steps))
    losses = ", ".join(f"{name} {loss:.3f} ({hits:.3f})" for name, (loss, hits) in held_out.items())
    return [
        *notes,
        f"Equal pre-training: {steps} steps, learning rates, batches and last stage alike; the"
        " deeper ones grew by stacking on the way. Held-out loss in nats (accuracy):"
        f" {losses}.",
        "Equal steps are not equal quality, and a deeper model has more parameters: depth is not"
        " all that differs.",
    ]


def _sweep(study: Study, name: str, model: str) -> Path:
    """The study's own model has run in the main sweep."""
    if model == study.config.model:
        return study.main()
    return study.sweep(
        f"depth-{name.replace(' ', '-')}",
        model=model,
        grid=BOTH_ARMS,
        num_seeds=study.config.depth_seeds,
        **study.recipe,
    )


def _miniatures(study: Study) -> dict[str, str]:
    """A model of each depth: the packaged one where it is the same, or pre-trained once."""
    config = study.config
    models = {}
    for depth in config.depth_layers:
        wanted, name = pretraining(study, f"layers-{depth:02d}", depth), f"{depth} layers"
        packaged = config.model == MINIATURE and same_model(locate(MINIATURE), wanted)
        models[name] = MINIATURE if packaged else make_model(study, wanted, name)
    return models
