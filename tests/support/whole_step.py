"""A training step outside the engine: loss, gradients and update of one trial."""

from jaxtune.config.trials import Hyper
from jaxtune.core.shapes import Key, Scalar
from jaxtune.training.optimizer import make_optimizer
from jaxtune.training.step import Batch, TrialState, apply_gradients, loss_and_gradients


def train_step(
    state: TrialState, hyper: Hyper, batch: Batch, key: Key | None, num_steps: int
) -> tuple[TrialState, Scalar]:
    """A whole step with the default schedule, as in the paper, and the loss before it."""
    loss, gradients = loss_and_gradients(state.model, batch, key)
    return apply_gradients(state, gradients, make_optimizer(hyper, num_steps)), loss
