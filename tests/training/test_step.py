"""One trial's step against torch: twenty steps of the paper's AdamW, losses, gradient norms, short
batches.
"""

from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hf import FAMILIES, deviation
from torch_training import (
    NUM_STEPS,
    WARMUP_STEPS,
    adamw_2020,
    adamw_ours,
    batch_of,
    batches,
    named,
)
from whole_step import train_step

from jaxtune.config.settings import ADAPTED
from jaxtune.config.trials import Hyper
from jaxtune.models import families
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import place_of
from jaxtune.models.pretrained import to_tensors
from jaxtune.training.optimizer import make_optimizer
from jaxtune.training.step import (
    EMBEDDINGS,
    Batch,
    StepPlan,
    Tokens,
    TrialState,
    gather_batch,
    gradient_norm_names,
    gradient_norms,
    loss_and_gradients,
    loss_of_logits,
)

HYPER = Hyper(5e-4, True, 0.9, 0.999, 1e-6, 0.01, 1.0, 0.1)
STEP = jax.jit(train_step, static_argnames="num_steps")
GRADIENTS = jax.jit(loss_and_gradients)


def train_torch(
    model: Any, batches: list[hf.Batch], family: str, hyper: Hyper, adamw: Any
) -> list[float]:
    """The paper's loop: clipped gradients, linear warm-up and decay, no weight decay on LayerNorms
    and, by their names, on biases.
    """
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in named(model)}
    losses = []
    for t, batch in enumerate(batches):
        model.zero_grad()
        labels = torch.tensor(batch.labels)
        loss = model(**hf.torch_inputs(batch, family), labels=labels).loss
        loss.backward()
        losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), hyper.max_grad_norm)
        rising, falling = t / WARMUP_STEPS, (NUM_STEPS - t) / (NUM_STEPS - WARMUP_STEPS)
        rate = hyper.learning_rate * min(rising, falling)
        with torch.no_grad():
            for name, parameter in named(model):
                free = "bias" in name or "norm" in name.lower()
                decay = 0.0 if free else hyper.weight_decay
                adamw(parameter, *moments[name], t + 1, rate, decay, hyper)
    return losses


# The optimiser is one for all families: three have every variant of it.
CASES = [
    (family, corrected, adamw, bound)
    for family in FAMILIES
    for corrected in (True, False)
    for adamw, bound in ((adamw_2020, 1e-5), (adamw_ours, 1e-6))
    if family in hf.FIRST_FAMILIES or (corrected and adamw is adamw_2020)
]


@pytest.mark.parametrize(("family", "corrected", "adamw", "bound"), CASES)
def test_twenty_steps_agree_with_torch(
    family: str, corrected: bool, adamw: Any, bound: float
) -> None:
    """Every loss, every final parameter, and every tensor's whole change, with correction on and
    off.

    The paper's AdamW is met to 5e-6 in losses and 6e-6 in parameters, and to 4e-7 and 1e-6 once the
    two known differences are in the reference too. The key biases' gradient is rounding noise near
    1e-9, which eps only damps.
    """
    hyper = HYPER._replace(bias_correction=corrected)
    reference, model = hf.load_torch(hf.make_folder(family)), hf.load_jax(hf.make_folder(family))
    state = TrialState(model, make_optimizer(hyper, NUM_STEPS).init(model))
    expected = train_torch(reference, batches(family), family, hyper, adamw)
    losses = []
    for batch in batches(family):
        state, loss = STEP(state, hyper, batch_of(batch), None, num_steps=NUM_STEPS)
        losses.append(float(loss))
    np.testing.assert_allclose(losses, expected, rtol=bound)
    start, end, theirs = to_tensors(model), to_tensors(state.model), reference.state_dict()
    for name, ours in end.items():
        target, noisy = theirs[name].numpy(), hf.is_key_bias(name)
        assert deviation(ours, target) < (1e-5 if noisy else bound), name
        if not noisy:
            change = np.linalg.norm(target - start[name])
            assert np.linalg.norm(ours - target) < 1e-4 * change, name


def test_first_step_changes_no_parameter() -> None:
    """The warm-up starts at rate 0, but the moments already count the first gradient."""
    model, batch = hf.load_jax(hf.make_folder("bert")), batch_of(batches("bert")[0])
    state = TrialState(model, make_optimizer(HYPER, NUM_STEPS).init(model))
    after, _ = STEP(state, HYPER, batch, None, num_steps=NUM_STEPS)
    for before, now in zip(jax.tree.leaves(model), jax.tree.leaves(after.model), strict=True):
        np.testing.assert_array_equal(now, before)
    moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), state.optimizer, after.optimizer)
    assert any(jax.tree.leaves(moved))


def norm_of(tensors: dict[str, np.ndarray], *prefixes: str) -> float:
    """L2 norm over all tensors whose names start so."""
    chosen = [x for name, x in tensors.items() if name.startswith(prefixes)]
    assert chosen, prefixes
    return float(np.sqrt(sum(np.square(x.astype(np.float64)).sum() for x in chosen)))


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_norms_are_those_of_the_named_tensors(family: str) -> None:
    """Every norm has its name, and is that of torch's gradients of those tensors."""
    model, reference = hf.load_jax(hf.make_folder(family)), hf.load_torch(hf.make_folder(family))
    batch = batches(family)[0]
    _, gradients = GRADIENTS(model, batch_of(batch), None)
    norms = dict(
        zip(gradient_norm_names(model), jax.jit(gradient_norms)(gradients).tolist(), strict=True)
    )
    labels = torch.tensor(batch.labels)
    reference(**hf.torch_inputs(batch, family), labels=labels).loss.backward()
    theirs = hf.gradients(reference)
    of_family, config = families.FAMILIES[family], model.encoder.config
    depth = 1 if config.shared_block else config.num_layers
    expected = {}
    for i in range(depth):
        names = {
            path.removeprefix("encoder/layers/"): name.format(layer=i)
            for path, name in of_family.encoder_modules.items()
            if "/layers/" in path
        }
        kinds = [kind for kind in ADAPTED if kind in names]
        for kind in kinds:
            place = place_of(f"encoder/layers/{kind}/kernel", of_family.encoder_modules)
            whole = theirs[place.tensor.format(layer=i)]
            part = np.split(whole, place.parts)[place.part]
            expected[f"layer_{i:02d}/{kind}"] = float(np.linalg.norm(part))
        modules = {name.split("[")[0] for name in names.values()}
        expected[f"layer_{i:02d}/layer"] = norm_of(theirs, *(f"{name}." for name in modules))
    *pooler, classifier = (f"{name}." for name in of_family.classifier.values())
    expected |= {"pooler": norm_of(theirs, *pooler), "classifier": norm_of(theirs, classifier)}
    tables = (of_family.encoder_modules.get(f"encoder/{name}") for name in EMBEDDINGS)
    expected["embeddings"] = norm_of(theirs, *(f"{name}." for name in tables if name))
    expected["all"] = norm_of(theirs, "")
    assert norms == pytest.approx(expected, rel=1e-5)
    assert len(norms) == depth * (len(kinds) + 1) + 4


@pytest.mark.parametrize("num_labels", [1, 2, 3])
def test_loss_is_torchs_mean_over_real_examples(num_labels: int) -> None:
    """Cross-entropy, or squared error for one label; places of weight 0 count in neither sum nor
    mean.
    """
    random = np.random.default_rng(num_labels)
    logits = random.normal(size=(8, num_labels)).astype(np.float32)
    labels = random.integers(0, num_labels, 8).astype(np.int32)
    if num_labels == 1:
        labels = random.normal(size=8).astype(np.float32)
    for real in (8, 5, 1):
        weights = (np.arange(8) < real).astype(np.float32)
        loss, gradient = jax.value_and_grad(loss_of_logits)(
            *map(jnp.asarray, (logits, labels, weights))
        )
        x = torch.tensor(logits[:real], requires_grad=True)
        y = torch.tensor(labels[:real])
        kind = (
            torch.nn.functional.mse_loss if num_labels == 1 else torch.nn.functional.cross_entropy
        )
        expected = kind(x[:, 0], y) if num_labels == 1 else kind(x, y.long())
        expected.backward()
        assert float(loss) == pytest.approx(expected.item(), rel=1e-6)
        np.testing.assert_allclose(gradient[:real], x.grad, rtol=1e-5, atol=1e-7)
        assert not np.any(gradient[real:])


def test_short_batch_is_the_smaller_batch() -> None:
    """Empty places of a short last batch, which point at the first slot, change neither loss nor
    any gradient.
    """
    model, full = hf.load_jax(hf.make_folder("bert")), batches("bert")[0]
    few = batch_of(full._replace(ids=full.ids[:4], types=full.types[:4], labels=full.labels[:4]))
    rows = [jnp.pad(part, ((0, 2), (0, 0))) for part in few.rows[:4]]
    first = jnp.pad(few.rows.first, (0, 2))
    padded = Batch(
        type(few.rows)(*rows, first), jnp.pad(few.labels, (0, 2)), jnp.pad(few.weights, (0, 2))
    )
    (loss, gradients), (expected, reference) = (GRADIENTS(model, b, None) for b in (padded, few))
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    largest = float(gradient_norms(reference)[-1])
    for one, two in zip(jax.tree.leaves(gradients), jax.tree.leaves(reference), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6 * largest)


def test_gather_batch_reads_the_plan() -> None:
    """Tokens, types, positions and labels of a plan's sources, from its first rows only."""
    tokens = Tokens(*(jnp.arange(10, dtype=jnp.int32) * 10 + i for i in range(4)))
    source = jnp.array([[3, 4, 0], [7, 0, 0], [0, 0, 0]], jnp.int32)
    segments = (source > 0).astype(jnp.int16)
    first, example = jnp.array([0, 3], jnp.int32), jnp.array([6, 2], jnp.int32)
    plan = StepPlan(source, segments, first, example, jnp.array([1.0, 0.0]), jnp.int32(2))
    batch = gather_batch(tokens, plan, 2)
    np.testing.assert_array_equal(batch.rows.token_ids, [[30, 40, 0], [70, 0, 0]])
    np.testing.assert_array_equal(batch.rows.token_types, [[31, 41, 1], [71, 1, 1]])
    np.testing.assert_array_equal(batch.rows.positions, [[32, 42, 2], [72, 2, 2]])
    np.testing.assert_array_equal(batch.rows.segments, segments[:2])
    np.testing.assert_array_equal(batch.rows.first, first)
    np.testing.assert_array_equal(batch.labels, [63, 23])
    np.testing.assert_array_equal(batch.weights, [1, 0])


def test_step_with_a_key_drops_out_and_evaluation_does_not() -> None:
    """The same key gives the same loss, another key another; evaluation ignores the rates."""
    model, batch = hf.load_jax(hf.make_folder("bert")), batch_of(batches("bert")[0])
    one, two = jax.random.split(jax.random.key(0))
    losses = [float(GRADIENTS(model, batch, key)[0]) for key in (one, one, two, None)]
    assert losses[0] == losses[1]
    assert len({*losses}) == 3
    logits = jax.jit(lambda model, batch: model(batch.rows))(model, batch)
    loss = loss_of_logits(logits, batch.labels, batch.weights)
    assert float(loss) == pytest.approx(losses[3], rel=1e-6)
    assert isinstance(model, SequenceClassifier)
