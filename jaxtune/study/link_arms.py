"""The arms of the study `correction`: links of Adam, in products that a sweep can grid over.

The arms of a product, its learning rates and its b2 are one compiled program; a program of one
family serves all of its pre-trained models.
"""

import itertools
from typing import Any, NamedTuple

import pandas as pd

# Without any correction: what the others are compared with.
NONE = "none"
SCHEDULE, EPS, ADAM, CLIPPING = "schedule", "eps", "schedule and eps", "clipping"
OFF_AND_ON = (False, True)


class Product(NamedTuple):
    """Arms that one sweep runs."""

    settings: dict[str, Any]  # that they share
    grid: dict[str, tuple[Any, ...]]
    arms: tuple[str, ...]  # in the order of the grid's product


# Every family runs the first.
PRODUCTS = {
    "corrections": Product(
        {},
        {"bias_correction": OFF_AND_ON, "correct_eps": OFF_AND_ON},
        (NONE, EPS, SCHEDULE, ADAM),
    ),
    "clipping": Product(
        # Its mean is over whole tensors, so that every word's row has to be there.
        {"update_clipping": True, "compact_vocabulary": False},
        {"bias_correction": OFF_AND_ON},
        (CLIPPING, "schedule and clipping"),
    ),
    "moments": Product(
        {"bias_correction": True},
        {"correct_moments": ("first", "second")},
        ("first moment", "second moment"),
    ),
    "start": Product({"bias_correction": False, "second_moment_init": 1.0}, {}, ("v from g^2",)),
    "warmup": Product(
        {"bias_correction": True, "untuned_warmup": True, "warmup_ratio": 0.0},
        {},
        ("untuned warm-up",),
    ),
}
ARMS = tuple(arm for product in PRODUCTS.values() for arm in product.arms)
# Of the shallower models: the arms without and with the paper's correction.
PLAIN = Product({}, {"bias_correction": OFF_AND_ON}, (NONE, SCHEDULE))


def arms_of(product: Product, rows: pd.DataFrame) -> list[str]:
    """The arm of each trial of a product's sweep."""
    names = dict(zip(itertools.product(*product.grid.values()), product.arms, strict=True))
    return [names[tuple(row[field] for field in product.grid)] for row in rows.to_dict("records")]
