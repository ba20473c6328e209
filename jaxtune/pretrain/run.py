"""Masked-LM pre-training from scratch, in stages of growing depth, to a Hugging Face folder.

A shallow encoder learns first; its blocks are then repeated (ABCD -> ABCDABCD...) and trained on
(Gong et al., 2019). The defaults make the packaged miniature.
"""

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from jaxtune.config.trials import Hyper
from jaxtune.core.console import ProgressLine, say
from jaxtune.core.errors import UserError
from jaxtune.core.files import digest, write_json
from jaxtune.core.words import listed
from jaxtune.data.corpus import Corpus, miniature_corpus, read_corpus, text_files
from jaxtune.data.miniature.language import write_tokenizer as write_miniature_tokenizer
from jaxtune.data.packing import Shape, choose_shape, make_plan, rows_needed, trial_batches
from jaxtune.data.tokenizer_folder import load_tokenizer, tokenizer_files, write_tokenizer
from jaxtune.models.encoder_config import EncoderConfig
from jaxtune.models.families import FAMILIES
from jaxtune.models.folder import WEIGHTS
from jaxtune.models.heads import MaskedLM
from jaxtune.models.pretrained import config_json, num_parameters, write_folder
from jaxtune.pretrain.architecture import check_encoder, encoder_of
from jaxtune.pretrain.masked_lm import MaskedLMProgram, stacked
from jaxtune.pretrain.settings import PretrainConfig, check
from jaxtune.storage.checkpoints import RunCheckpoints
from jaxtune.storage.paths import CHECKPOINTS
from jaxtune.training.optimizer import make_optimizer

STEPS_PER_DISPATCH = 25
EVAL_EVERY = 500
PRETRAINING = "pretraining.json"


def pretrain(config: PretrainConfig) -> None:
    """All stages, then the folder."""
    check(config)
    claim = _claim(config)
    # Before anything is written: text, tokenizer or sizes may be refused.
    corpus = _corpus(config)
    encoders = [encoder_of(config, corpus.vocab_size, corpus.pad_token, n) for n in config.layers]
    check_encoder(encoders[-1])
    _check_tokenizer(config, encoders[-1])
    config.out.mkdir(parents=True, exist_ok=True)
    (config.out / PRETRAINING).write_text(claim, encoding="utf-8")
    say(
        f"{len(corpus.train):,} sequences, {int(corpus.train.lengths.sum()):,} tokens;"
        f" {len(corpus.held_out):,} held out"
    )
    shape = _shape(config, corpus)
    running = config.out / CHECKPOINTS
    checkpoints = RunCheckpoints(running, say)
    reached, model = checkpoints.latest(), None
    done = 0
    for stage, (encoder, steps) in enumerate(zip(encoders, config.steps, strict=True)):
        if done + steps >= reached:  # earlier stages are in the checkpoint's parameters
            model = stacked(model, encoder, jax.random.key(config.seed))
            model = _run_stage(config, corpus, shape, stage, done, model, checkpoints)
        done += steps
    assert model is not None
    _write(config, model)
    checkpoints.discard()


def _claim(config: PretrainConfig) -> str:
    """The settings as `out` is to note them, and what is read; refuses a folder that holds a model
    or was begun with others: checkpoints are of these very words.
    """
    if (config.out / "config.json").exists():
        raise UserError(f"{config.out} holds a model already; give another --out or remove it.")
    apart = ("out", "tokenizer", "held_out")
    settings = {k: v for k, v in dataclasses.asdict(config).items() if k not in apart}
    settings |= {"sha256": read} if (read := _read_files(config)) else {}
    text = json.dumps(settings, indent=2) + "\n"
    path = config.out / PRETRAINING
    held = [name for name in (CHECKPOINTS, WEIGHTS) if (config.out / name).exists()]
    if held and not path.exists():
        raise UserError(
            f"{config.out} holds {listed(held)}, and no pre-training has begun there; give another"
            " --out."
        )
    if path.exists() and not _is_same(path.read_text(encoding="utf-8"), text):
        raise UserError(
            f"{config.out} was begun with other settings, text or tokenizer ({path.name}); give"
            " those again, or another --out."
        )
    return text


def _is_same(noted: str, text: str) -> bool:
    """Whether a folder was begun with this; version 0.1 did not note what was read."""
    try:
        before = json.loads(noted)
    except ValueError:
        return False
    now = json.loads(text)
    return before == {k: v for k, v in now.items() if k != "sha256" or k in before}


def _read_files(config: PretrainConfig) -> dict[str, dict[str, str]]:
    """Checksums of text and tokenizer, by what they are and their names; none of the miniature."""
    if config.tokenizer is None:
        return {}
    files = {
        "data": text_files(Path(config.data)),
        "held_out": text_files(config.held_out) if config.held_out else [],
        "tokenizer": tokenizer_files(config.tokenizer),
    }
    return {
        what: {file.name: digest(file) for file in own if file.is_file()}
        for what, own in files.items()
    }


def _run_stage(
    config: PretrainConfig,
    corpus: Corpus,
    shape: Shape,
    stage: int,
    before: int,
    model: MaskedLM,
    checkpoints: RunCheckpoints,
) -> MaskedLM:
    """Trains one depth, from the checkpoint where there is one of this stage."""
    num_steps = config.steps[stage]
    program = MaskedLMProgram(
        corpus, shape, _optimizer(config, stage), config.mask_rate, jax.random.key(config.seed)
    )
    state = program.start(model)
    start = 0
    latest = checkpoints.latest()
    if before < latest <= before + num_steps:
        restored = checkpoints.restore_latest(state)
        assert restored is not None
        start, state = restored.step - before, jax.device_put(restored.tree)
    batches = trial_batches(config.seed, len(corpus.train), config.batch_size, sum(config.steps))
    title = f"{config.layers[stage]:>2} layers, {num_parameters(model):,} parameters"
    tokens = corpus.train.as_tokens()
    text = ""
    with ProgressLine(title, num_steps) as line:
        for step in range(start, num_steps, STEPS_PER_DISPATCH):
            count = min(STEPS_PER_DISPATCH, num_steps - step)
            part = np.full((STEPS_PER_DISPATCH, config.batch_size), -1, np.int32)
            part[:count] = batches[before + step : before + step + count]
            plan = make_plan(corpus.train, part, shape)
            state, loss = program.train(state, tokens, plan, before + step, count)
            step += count
            if step % EVAL_EVERY < STEPS_PER_DISPATCH or step == num_steps:
                text = "  held-out loss {:.3f}, accuracy {:.3f}".format(
                    *program.evaluate(state.model)
                )
                checkpoints.save(before + step, state)
            line.update(step, f"loss {float(loss):.3f}{text}")
    say(f"{title}: step {num_steps},{text}")
    return state.model


def _optimizer(config: PretrainConfig, stage: int) -> optax.GradientTransformation:
    num_steps = config.steps[stage]
    hyper = Hyper(
        learning_rate=config.learning_rates[stage],
        bias_correction=True,
        adam_b1=0.9,
        adam_b2=config.adam_b2,
        adam_eps=1e-6,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        # A stage that is over before its warm-up would never reach its learning rate.
        warmup_ratio=min(config.warmup_steps / num_steps, 0.5),
    )
    last = stage == len(config.steps) - 1
    return make_optimizer(hyper, num_steps, "linear" if last else "constant")


def _corpus(config: PretrainConfig) -> Corpus:
    padding = FAMILIES[config.family].only.get("pad_token_id")  # MPNet's code has no other
    if config.data == "miniature":
        with tempfile.TemporaryDirectory() as made:
            return miniature_corpus(Path(made), config.seed, config.max_length, padding or 0)
    assert config.tokenizer is not None  # `check` has seen to it
    corpus = read_corpus(Path(config.data), config.held_out, config.tokenizer, config.max_length)
    if padding not in (None, corpus.pad_token):
        raise UserError(
            f"{config.family} takes word {padding} for padding, and the tokenizer in"
            f" {config.tokenizer} word {corpus.pad_token}; give one of {config.family}'s."
        )
    return corpus


def _shape(config: PretrainConfig, corpus: Corpus) -> Shape:
    """One row shape that holds every batch of the run."""
    lengths = np.concatenate([corpus.train.lengths, corpus.held_out.lengths])
    shape = choose_shape(lengths, config.batch_size, config.hidden_size)
    batches = trial_batches(config.seed, len(corpus.train), config.batch_size, sum(config.steps))
    most = int(rows_needed(corpus.train, batches, shape).max())
    return shape._replace(ladder=(most,))


def _write(config: PretrainConfig, model: MaskedLM) -> None:
    """The Hugging Face folder, with the settings that made it beside it."""
    classes = [f"{FAMILIES[config.family].transformers}ForMaskedLM"]
    raw = {"architectures": classes} | config_json(model.encoder.config)
    # config.json last: a folder that has one is done.
    _write_tokenizer(config, model.encoder.config, config.out)
    write_folder(config.out, model, raw)
    say(f"wrote {config.out}")


def _write_tokenizer(config: PretrainConfig, encoder: EncoderConfig, folder: Path) -> None:
    """The one that cut the text."""
    if config.tokenizer is None:
        write_miniature_tokenizer(folder, encoder.pad_token_id)
        return
    types = ["token_type_ids"] if encoder.type_vocab_size > 1 else []
    names = ["input_ids", *types, "attention_mask"]
    write_tokenizer(folder, config.tokenizer, config.max_length, names)


def _check_tokenizer(config: PretrainConfig, encoder: EncoderConfig) -> None:
    """Raises UserError where from a folder of this family the tokenizer would be read otherwise:
    its class follows from the family, too, and would cut other words than were trained on.
    """
    from transformers import AutoTokenizer

    if config.tokenizer is None:
        return
    own = _cuts(load_tokenizer(config.tokenizer))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_json(folder / "config.json", config_json(encoder))
        _write_tokenizer(config, encoder, folder)
        read = [load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)]
    if any(_cuts(tokenizer) != own for tokenizer in read):
        raise UserError(
            f"transformers would read the tokenizer in {config.tokenizer} in another way from the"
            f" folder of a {FAMILIES[config.family].title}; give a tokenizer of that family."
        )


def _cuts(tokenizer: Any) -> list[Any]:
    """How a tokenizer cuts texts."""
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    return [whole[part] for part in ("normalizer", "pre_tokenizer", "model", "post_processor")]
