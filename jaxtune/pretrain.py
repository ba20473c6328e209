"""`python -m jaxtune.pretrain`: masked-LM pre-training of a small encoder from scratch, its depth grown by stacking.

A shallow encoder learns first; its blocks are then repeated (ABCD -> ABCDABCD...) and trained on (Gong et al., 2019).
Deep post-LayerNorm encoders do not leave the unigram plateau otherwise. The defaults make the packaged miniature.
"""

import dataclasses
import functools
import itertools
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

from jaxtune.checkpoint import RunCheckpoints
from jaxtune.data.packing import (
    Shape,
    batch_indices,
    choose_shape,
    extended,
    make_plan,
    rows_needed,
    trial_batches,
)
from jaxtune.data.texts import read_texts
from jaxtune.data.tokens import TokenTable, load_tokenizer, tokenize_chunks, tokenizer_files
from jaxtune.errors import UserError
from jaxtune.models.encoder import EncoderConfig
from jaxtune.models.heads import MaskedLM
from jaxtune.models.pretrained import num_parameters, write_folder
from jaxtune.optim import Hyper, make_optimizer
from jaxtune.progress import ProgressLine, say, say_error
from jaxtune.shapes import Key, Scalar
from jaxtune.step import StepPlan, Tokens, gather_batch

STEPS_PER_DISPATCH = 25
EVAL_EVERY = 500
HELD_OUT_SHARE, HELD_OUT_MOST = 0.01, 1000


@dataclasses.dataclass(frozen=True)
class PretrainConfig:
    """Pre-trains a small BERT by masked-language modelling and writes a Hugging Face folder with its MLM head.

    The stages grow the depth: `--layers 4 12 24 --steps 2500 500 700` trains 4 layers, repeats them to 12, then to 24. The
    same command goes on where it stopped.
    """

    data: str
    """`miniature`, a text file (.txt or .txt.xz), or a folder of them; one paragraph per line."""
    out: Path
    """Folder to write."""
    tokenizer: Path | None = None
    """Folder with tokenizer files; not needed for the miniature."""
    held_out: Path | None = None
    """Text file to validate on; without it, 1 % of the sequences (at most 1,000)."""
    layers: tuple[int, ...] = (4, 12, 24)
    """Depth of each stage; every one a multiple of the one before."""
    steps: tuple[int, ...] = (2500, 500, 700)
    """Optimiser steps of each stage."""
    learning_rates: tuple[float, ...] = (2.4e-3, 7e-4, 5e-4)
    """Peak learning rate of each stage; constant after the warm-up, decaying in the last stage."""
    hidden_size: int = 64
    """Width; the feed-forward layer is four times as wide."""
    num_heads: int = 4
    """Attention heads."""
    max_length: int = 16
    """Positions; longer paragraphs are cut into pieces."""
    batch_size: int = 64
    """Sequences per step."""
    warmup_steps: int = 100
    """Of each stage."""
    mask_rate: float = 0.15
    """Share of the words to predict: 80 % masked, 10 % replaced, 10 % kept."""
    adam_b2: float = 0.99
    """Decay of the second moment."""
    weight_decay: float = 0.01
    """Decoupled."""
    max_grad_norm: float = 1.0
    """Clip gradients to this norm."""
    init_std: float = 0.05
    """Standard deviation of fresh weights."""
    dropout: float = 0.1
    """All dropout rates, in training and in the written config."""
    seed: int = 0
    """Weights, order, masks, dropout, and the miniature's sentences."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the matrix products."""


class Corpus(NamedTuple):
    """Tokenised text and what masking needs to know of the vocabulary."""

    train: TokenTable
    held_out: TokenTable
    words: np.ndarray  # ids that may be masked and drawn as replacements
    mask_token: int
    vocab_size: int
    pad_token: int
    tokenizer_files: list[Path]


class State(NamedTuple):
    """Parameters and optimiser of the running stage."""

    model: MaskedLM
    optimizer: optax.OptState


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; the exit status."""
    config = tyro.cli(PretrainConfig, args=argv, prog="python -m jaxtune.pretrain", use_underscores=True)
    try:
        pretrain(config)
    except UserError as error:
        say_error(str(error))
        return 1
    return 0


def pretrain(config: PretrainConfig) -> None:
    """All stages, then the folder."""
    _check(config)
    if (config.out / "config.json").exists():
        raise UserError(f"{config.out} holds a model already; give another --out or remove it.")
    corpus = read_corpus(config)
    shape = _shape(config, corpus)
    running = config.out / "checkpoints"
    checkpoints = RunCheckpoints(running)
    reached, model = checkpoints.latest_step() or 0, None
    done = 0
    for stage, steps in enumerate(config.steps):
        encoder = _encoder_config(config, corpus, config.layers[stage])
        if done + steps > reached or stage == len(config.steps) - 1:
            # Stages before the checkpoint's need not be rebuilt: its parameters replace them.
            model = stacked(model, encoder, jax.random.key(config.seed))
            model = _run_stage(config, corpus, shape, stage, done, model, checkpoints)
        done += steps
    assert model is not None
    _write(config, corpus, model)
    checkpoints.close()
    shutil.rmtree(running)


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
    train, evaluate, tx = _programs(config, corpus, shape, stage)
    state = State(model, tx.init(model))
    start = 0
    if (latest := checkpoints.latest_step()) is not None and before < latest:
        restored = checkpoints.restore_latest(state)
        assert restored is not None
        start, state = restored[0] - before, restored[1]
    batches = trial_batches(config.seed, len(corpus.train), config.batch_size, sum(config.steps))
    title = f"{config.layers[stage]:>2} layers, {num_parameters(model):,} parameters"
    tokens = _on_device(corpus.train)
    text = ""
    with ProgressLine(title, num_steps) as line:
        for step in range(start, num_steps, STEPS_PER_DISPATCH):
            count = min(STEPS_PER_DISPATCH, num_steps - step)
            part = np.full((STEPS_PER_DISPATCH, config.batch_size), -1, np.int32)
            part[:count] = batches[before + step : before + step + count]
            plan = make_plan(corpus.train, part, shape)
            state, loss = train(state, tokens, plan, np.int32(before + step), np.int32(count))
            step += count
            if step % EVAL_EVERY < STEPS_PER_DISPATCH or step == num_steps:
                text = "  held-out loss {:.3f}, accuracy {:.3f}".format(*evaluate(state.model))
                checkpoints.save(before + step, state)
            line.update(step, f"loss {float(loss):.3f}{text}")
    say(f"{title}: step {num_steps},{text}")
    return state.model


def _programs(config: PretrainConfig, corpus: Corpus, shape: Shape, stage: int) -> tuple[Any, Any, Any]:
    """The stage's compiled train and evaluate functions and its optimiser."""
    num_steps = config.steps[stage]
    hyper = Hyper(
        learning_rate=config.learning_rates[stage],
        bias_correction=True,
        adam_b1=0.9,
        adam_b2=config.adam_b2,
        adam_eps=1e-6,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        warmup_ratio=config.warmup_steps / num_steps,
    )
    last = stage == len(config.steps) - 1
    tx = make_optimizer(hyper, num_steps, "linear" if last else "constant")
    key = jax.random.key(config.seed)

    def step(model: MaskedLM, tokens: Tokens, plan: StepPlan, number: Any) -> tuple[Scalar, MaskedLM]:
        return jax.value_and_grad(
            lambda m: masked_lm_loss(m, corpus, config, tokens, plan, jax.random.fold_in(key, number), True)[0]
        )(model)

    @functools.partial(jax.jit, donate_argnums=0)
    def train(state: State, tokens: Tokens, plan: Any, start: Any, count: Any) -> tuple[State, Scalar]:
        def body(i, carry):
            state, total = carry
            loss, gradients = step(state.model, tokens, StepPlan(*(part[i] for part in plan)), start + i)
            updates, optimizer = tx.update(gradients, state.optimizer, state.model)
            return State(optax.apply_updates(state.model, updates), optimizer), total + loss

        state, total = jax.lax.fori_loop(0, count, body, (state, jnp.zeros(())))
        return state, total / count

    held_out_batches = batch_indices(np.arange(len(corpus.held_out)), config.batch_size)
    held_shape = extended(shape, int(rows_needed(corpus.held_out, held_out_batches, shape).max()))
    held_out_plan = make_plan(corpus.held_out, held_out_batches, held_shape)
    held_out_tokens = _on_device(corpus.held_out)

    @jax.jit
    def evaluate(model: MaskedLM) -> tuple[Scalar, Scalar]:
        def one(plan_and_number):
            plan, number = plan_and_number
            mask_key = jax.random.fold_in(jax.random.key(0), number)
            loss, correct = masked_lm_loss(
                model, corpus, config, held_out_tokens, StepPlan(*plan), mask_key, False
            )
            return loss, correct

        numbers = jnp.arange(len(held_out_batches))
        losses, correct = jax.lax.map(one, (held_out_plan, numbers))
        return losses.mean(), correct.mean()

    return train, evaluate, tx


def masked_lm_loss(
    model: MaskedLM,
    corpus: Corpus,
    config: PretrainConfig,
    tokens: Tokens,
    plan: StepPlan,
    key: Key,
    training: bool,
) -> tuple[Scalar, Scalar]:
    """Mean cross-entropy in nats over the masked words of a batch, and the share predicted right (Devlin et al., 3.1)."""
    mask_key, kind_key, word_key, dropout_key = jax.random.split(key, 4)
    rows = gather_batch(tokens, plan, plan.source.shape[0]).rows
    targets = rows.token_ids.reshape(-1)
    is_word = jnp.zeros(corpus.vocab_size, bool).at[corpus.words].set(True)
    eligible = is_word[targets] & (rows.segments.reshape(-1) > 0)
    chosen = eligible & jax.random.bernoulli(mask_key, config.mask_rate, targets.shape)
    kind = jax.random.uniform(kind_key, targets.shape)
    drawn = jnp.asarray(corpus.words)[jax.random.randint(word_key, targets.shape, 0, len(corpus.words))]
    shown = jnp.where(kind < 0.8, corpus.mask_token, jnp.where(kind < 0.9, drawn, targets))
    shown = jnp.where(chosen, shown, targets).reshape(rows.token_ids.shape)
    # Room for the masked words: their expected number and a margin of six standard deviations.
    expected = targets.size * config.mask_rate
    room = min(targets.size, int(expected + 6 * expected**0.5) + 1)
    slots = jnp.nonzero(chosen, size=room, fill_value=targets.size)[0]
    present = slots < targets.size
    slots = jnp.minimum(slots, targets.size - 1)
    logits = model(rows._replace(token_ids=shown), slots, dropout_key if training else None)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets[slots])
    correct = logits.argmax(-1) == targets[slots]
    count = jnp.maximum(1, present.sum())
    return jnp.sum(losses * present) / count, jnp.sum(correct & present) / count


def stacked(model: MaskedLM | None, config: EncoderConfig, key: Key) -> MaskedLM:
    """A model of `config.num_layers` blocks: fresh, or the blocks of `model` repeated in order."""
    if model is None:
        return jax.jit(lambda: MaskedLM(config, key=key))()
    repeats = config.num_layers // model.encoder.config.num_layers

    def repeat(path, leaf):
        in_layers = any(getattr(entry, "name", None) == "layers" for entry in path)
        return jnp.concatenate([leaf] * repeats) if in_layers else leaf

    leaves = jax.tree.leaves(jax.tree_util.tree_map_with_path(repeat, model))
    skeleton = jax.eval_shape(lambda: MaskedLM(config, key=key))
    return jax.tree.unflatten(jax.tree.structure(skeleton), leaves)


def read_corpus(config: PretrainConfig) -> Corpus:
    """Text, tokenised and split; the miniature brings its own sentences and tokenizer."""
    config.out.mkdir(parents=True, exist_ok=True)
    held_out_texts: list[str] | None
    if config.data == "miniature":
        from jaxtune.miniature import language

        folder = config.out
        language.write_tokenizer(folder)
        texts, held_out_texts = language.corpus(100_000, 100 + config.seed), language.corpus(1000, 99)
    else:
        if config.tokenizer is None:
            raise UserError("--tokenizer is not given; name a folder with tokenizer.json (any BERT checkpoint's).")
        folder = config.tokenizer
        texts = read_texts(Path(config.data))
        held_out_texts = read_texts(config.held_out) if config.held_out else None
    tokenizer = load_tokenizer(folder)
    say(f"{len(texts):,} paragraphs to tokenise")
    train = tokenize_chunks(tokenizer, texts, config.max_length)
    if held_out_texts is None:
        mixed = np.random.default_rng(0).permutation(len(train))
        size = min(HELD_OUT_MOST, max(1, int(len(train) * HELD_OUT_SHARE)))
        held_out, train = train.take(mixed[:size]), train.take(mixed[size:])
    else:
        held_out = tokenize_chunks(tokenizer, held_out_texts, config.max_length)
        held_out = held_out.take(np.arange(min(len(held_out), HELD_OUT_MOST)))
    words = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids).astype(np.int32)
    say(f"{len(train):,} sequences, {int(train.lengths.sum()):,} tokens; {len(held_out):,} held out")
    return Corpus(
        train,
        held_out,
        words,
        tokenizer.mask_token_id,
        len(tokenizer),
        tokenizer.pad_token_id,
        tokenizer_files(folder),
    )


def _shape(config: PretrainConfig, corpus: Corpus) -> Shape:
    """One row shape that holds every batch of the run."""
    shape = choose_shape(corpus.train.lengths, config.batch_size, config.hidden_size)
    batches = trial_batches(config.seed, len(corpus.train), config.batch_size, sum(config.steps))
    most = int(rows_needed(corpus.train, batches, shape).max())
    return shape._replace(ladder=(most,))


def _encoder_config(config: PretrainConfig, corpus: Corpus, num_layers: int) -> EncoderConfig:
    return EncoderConfig(
        family="bert",
        vocab_size=corpus.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=num_layers,
        num_heads=config.num_heads,
        intermediate_size=4 * config.hidden_size,
        max_positions=config.max_length,
        type_vocab_size=2,
        embedding_size=config.hidden_size,
        activation="gelu",
        layer_norm_eps=1e-12,
        hidden_dropout=config.dropout,
        attention_dropout=config.dropout,
        classifier_dropout=config.dropout,
        pad_token_id=corpus.pad_token,
        init_std=config.init_std,
        dtype=config.precision,
    )


def _on_device(table: TokenTable) -> Tokens:
    return jax.device_put(Tokens(table.ids, table.token_types, table.positions, table.labels))


def _write(config: PretrainConfig, corpus: Corpus, model: MaskedLM) -> None:
    """The Hugging Face folder, with the settings that made it beside it."""
    encoder = model.encoder.config
    raw = {
        "architectures": ["BertForMaskedLM"],
        "model_type": "bert",
        "vocab_size": encoder.vocab_size,
        "hidden_size": encoder.hidden_size,
        "num_hidden_layers": encoder.num_layers,
        "num_attention_heads": encoder.num_heads,
        "intermediate_size": encoder.intermediate_size,
        "hidden_act": "gelu",
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.dropout,
        "max_position_embeddings": encoder.max_positions,
        "type_vocab_size": encoder.type_vocab_size,
        "layer_norm_eps": encoder.layer_norm_eps,
        "initializer_range": config.init_std,
        "pad_token_id": encoder.pad_token_id,
    }
    write_folder(config.out, model, raw)
    for file in corpus.tokenizer_files:
        if file.parent != config.out:
            shutil.copy(file, config.out / file.name)
    settings = {k: v for k, v in dataclasses.asdict(config).items() if k not in ("out", "tokenizer", "held_out")}
    (config.out / "pretraining.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    say(f"wrote {config.out}")


def _check(config: PretrainConfig) -> None:
    if not len(config.layers) == len(config.steps) == len(config.learning_rates):
        raise UserError("layers, steps and learning_rates differ in length; give one of each per stage.")
    for shallow, deep in itertools.pairwise(config.layers):
        if deep % shallow:
            raise UserError(f"{deep} layers are no multiple of {shallow}; each stage repeats the one before.")
    if config.hidden_size % config.num_heads:
        raise UserError(f"hidden_size {config.hidden_size} is no multiple of num_heads {config.num_heads}.")


if __name__ == "__main__":
    sys.exit(main())
