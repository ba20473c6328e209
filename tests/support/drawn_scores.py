"""Scores of made-up recipes, drawn anew for every simulated sweep."""

import numpy as np

FAILED = 0.527  # what a failed trial scores


def normal(rng, n):
    return rng.normal(0.7, 0.02, n)


def bimodal(rng, n, rate=0.3):
    """Seeds of an unstable recipe: some fail at one score, the others scatter."""
    return np.where(rng.random(n) < rate, FAILED, rng.normal(0.7, 0.02, n))


def rarely_failing(rng, n):
    return bimodal(rng, n, 0.1)
