"""Settings that no arm of a sweep uses: the arms of a grid over one would be one recipe."""

import itertools
from collections.abc import Callable, Sequence

from jaxtune.config.field_groups import OWNED, changed, head_first
from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError

# Fields, the arms that use them, and what else has to be given.
OWNERS: tuple[tuple[tuple[str, ...], Callable[[SweepConfig], bool], str], ...] = (
    (OWNED["lora_rank"], lambda arm: arm.lora_rank > 0, "adapters alone have; give lora_rank too"),
    (OWNED["train"], head_first, "train head_then_all alone has; give that too"),
    (
        OWNED["train_examples"],
        lambda arm: arm.train_examples is not None,
        "a subset alone has; give train_examples too",
    ),
    (
        OWNED["dev_fraction"],
        lambda arm: arm.dev_fraction is not None,
        "held-out examples alone have; give dev_fraction too",
    ),
    (
        OWNED["max_grad_norm"],
        lambda arm: arm.max_grad_norm is not None,
        "clipping alone has; give max_grad_norm too",
    ),
)


def check_used(arms: Sequence[SweepConfig]) -> None:
    """Raises UserError for a setting that is given and that no arm uses."""
    for names, uses, owner in OWNERS:
        if any(map(uses, arms)):
            continue
        for name, arm in itertools.product(names, arms):
            if changed(arm, (name,)):
                value = getattr(arm, name)
                shown = " ".join(value) if isinstance(value, tuple) else str(value).lower()
                raise UserError(f"{name} is {shown}, which {owner}, or leave it out.")
    epochs = {arm.num_epochs for arm in arms}
    if len(epochs) > 1 and all(arm.max_steps is not None for arm in arms):
        raise UserError(
            f"num_epochs is swept and max_steps is {arms[0].max_steps}, which decides how long"
            " every arm trains; leave one of them out."
        )
