"""Does depth make fine-tuning fail? Models of equal pre-training, shallow to deep, with and without
bias correction.
"""

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import jax
import optax
import pandas as pd

from jaxtune.core.console import say
from jaxtune.core.errors import UserError
from jaxtune.data.corpus import HELD_OUT_MOST, MINIATURE_HELD_OUT_SEED, read_corpus
from jaxtune.data.miniature import language
from jaxtune.data.packing import choose_shape
from jaxtune.models.pretrained import load_masked_lm, locate, read_config
from jaxtune.pretrain.__main__ import PretrainConfig, pretrain
from jaxtune.pretrain.masked_lm import HELD_OUT_BATCH, MaskedLMProgram
from jaxtune.stats.arms import Arm
from jaxtune.stats.intervals import share
from jaxtune.study.context import (
    AT_THE_END,
    MINIATURE,
    MODELS,
    PlannedOnlyError,
    Study,
    write_table,
)
from jaxtune.study.finding import Finding, agreement, show_share
from jaxtune.study.measures import (
    arm_numbers,
    fails_more,
    failure_gap,
    gap_words,
    score_table,
)

TITLE = "Depth: does a deeper encoder fail more often?"
PAPER = (
    "The paper shows no such figure. It reports that BERT-base (12 layers) is not unstable and"
    " studies BERT-large (24), whose vanishing gradients are those of the lower layers."
)
RULE = (
    "The rule, without bias correction: the failure rate never falls with depth, and the deepest"
    " model fails more often than the shallowest by Boschloo's test."
)


def run(study: Study) -> Finding:
    """Both arms of the default recipe on every depth."""
    if not study.config.depth_models and study.task != MINIATURE:
        raise UserError(
            "depth pre-trains miniatures only for the task miniature; name the models to compare"
            " with --depth_models."
        )
    models = _given(study) if study.config.depth_models else _miniatures(study)
    sweeps = {name: _sweep(study, name, model) for name, model in models.items()}
    tables = [score_table(study.rows(sweep), model=name) for name, sweep in sweeps.items()]
    held_out = {} if study.config.depth_models else {n: _held_out(m) for n, m in models.items()}
    arms = {
        correction: {name: _arm(study, sweep, correction) for name, sweep in sweeps.items()}
        for correction in (False, True)
    }
    write_table(study.folder("depth") / "trials.parquet", pd.concat(tables, ignore_index=True))
    said, numbers = [], {"held_out": held_out}
    for name in models:
        words = " and ".join(
            f"{show_share(share(arms[on][name].failed))} {'with' if on else 'without'} correction"
            for on in (False, True)
        )
        said.append(f"{name}: {words}.")
        numbers[name] = {str(on): arm_numbers(arms[on][name]) for on in (False, True)}
    rates = [share(arm.failed).value for arm in arms[False].values()]
    shallow, *_, deep = arms[False].values()
    gap, test = failure_gap(deep, shallow)
    said.append(f"Deepest minus shallowest without correction: {gap_words(gap, test)}.")
    parts = [
        all(one <= other for one, other in itertools.pairwise(rates)),
        fails_more(gap, test),
    ]
    return Finding(
        TITLE, PAPER, " ".join(said), agreement(parts), RULE, numbers, _notes(study, held_out)
    )


def _notes(study: Study, held_out: dict[str, tuple[float, float]]) -> list[str]:
    config = study.config
    notes = [
        f"Learning rate {config.learning_rate:g} and {config.num_epochs} epochs at every depth:"
        " each might do best elsewhere."
    ]
    if held_out:
        steps = " + ".join(map(str, config.depth_steps))
        losses = ", ".join(
            f"{name} {loss:.3f} ({hits:.3f})" for name, (loss, hits) in held_out.items()
        )
        notes += [
            (
                f"Equal pre-training: {steps} steps, learning rates, batches and last stage alike;"
                " the deeper ones grew by stacking on the way. Held-out loss in nats (accuracy):"
                f" {losses}."
            ),
            (
                "Equal steps are not equal quality, and a deeper model has more parameters: depth"
                " is not all that differs."
            ),
        ]
    return notes


def _given(study: Study) -> dict[str, str]:
    return {Path(model).name: model for model in study.config.depth_models}


def _sweep(study: Study, name: str, model: str) -> Path:
    """The packaged model's is the main sweep."""
    if model == study.config.model:
        return study.main()
    config = study.config
    return study.sweep(
        f"depth-{name.replace(' ', '-')}",
        model=model,
        grid={"bias_correction": (False, True)},
        learning_rate=config.learning_rate,
        num_epochs=config.num_epochs,
        num_seeds=config.depth_seeds,
        eval_every=AT_THE_END,
    )


def _miniatures(study: Study) -> dict[str, str]:
    """A model of each depth, pre-trained where it is not there yet; the packaged one where its
    settings are the same.
    """
    config = study.config
    models = {}
    for depth in config.depth_layers:
        wanted = _pretraining(study, depth)
        packaged = json.loads((locate(MINIATURE) / "pretraining.json").read_text(encoding="utf-8"))
        name = f"{depth} layers"
        if _same(packaged, wanted) and config.model == MINIATURE:
            models[name] = MINIATURE
            continue
        models[name] = str(wanted.out)
        if (wanted.out / "config.json").exists():
            kept = json.loads((wanted.out / "pretraining.json").read_text(encoding="utf-8"))
            if not _same(kept, wanted):
                raise UserError(
                    f"{wanted.out} holds a model pre-trained with other settings; give another"
                    " --out or remove it."
                )
            continue
        say(f"\nPre-training {name}: {' + '.join(map(str, wanted.steps))} steps")
        if config.dry_run:
            raise PlannedOnlyError
        pretrain(wanted)
    return models


def _pretraining(study: Study, depth: int) -> PretrainConfig:
    """As many steps as every other depth, growing through the shallower ones on the way."""
    config = study.config
    stages = tuple(min(depth, other) for other in config.depth_layers)
    return PretrainConfig(
        data=MINIATURE,
        out=config.out / MODELS / f"layers-{depth:02d}",
        layers=stages,
        steps=config.depth_steps,
        learning_rates=PretrainConfig.learning_rates[: len(stages)],
        warmup_steps=min(PretrainConfig.warmup_steps, min(config.depth_steps) // 2),
    )


def _same(settings: dict[str, Any], wanted: PretrainConfig) -> bool:
    """Whether pretraining.json says what is wanted; the packaged one has tuples as lists, as JSON
    does.
    """
    own = {name: value for name, value in vars(wanted).items() if name in settings}
    return json.loads(json.dumps(own, default=str)) == settings


def _held_out(model: str) -> tuple[float, float]:
    """Masked-LM loss in nats and accuracy on the sentences that pre-training held out."""
    folder = locate(model)
    encoder, _ = read_config(folder)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "held-out.txt"
        sentences = language.corpus(HELD_OUT_MOST, MINIATURE_HELD_OUT_SEED)
        file.write_text("\n".join(sentences), encoding="utf-8")
        corpus = read_corpus(file, file, folder, encoder.max_positions)
    shape = choose_shape(corpus.held_out.lengths, HELD_OUT_BATCH, encoder.hidden_size)
    program = MaskedLMProgram(
        corpus, shape, optax.identity(), PretrainConfig.mask_rate, jax.random.key(0)
    )
    loss, accuracy = program.evaluate(load_masked_lm(folder, encoder))
    return float(loss), float(accuracy)


def _arm(study: Study, sweep: Path, correction: bool) -> Arm:
    (arm,) = [arm for arm in study.arms(sweep) if arm.settings["bias_correction"] == correction]
    return arm
