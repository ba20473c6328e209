"""Settings of every arm of the study `correction`."""

import itertools

from jaxtune.study.link_arms import PRODUCTS


def arm_settings():
    """Every arm's settings of links, by its name."""
    return {
        arm: product.settings | dict(zip(product.grid, values, strict=True))
        for product in PRODUCTS.values()
        for arm, values in zip(product.arms, itertools.product(*product.grid.values()), strict=True)
    }
