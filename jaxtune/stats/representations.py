"""How differently trials represent the same texts, whatever they answer."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxtune.core.words import plural
from jaxtune.stats.intervals import Estimate

# More say little more, and the singular values of a pair take the cube of them.
MOST_EXAMPLES = 512


class Distances(NamedTuple):
    """Between all pairs of trials; 0 on the diagonal."""

    cka: Float[np.ndarray, "trial trial"]  # 1 less linear CKA, 0 to 1
    procrustes: Float[np.ndarray, "trial trial"]  # 0 to 2


class Dissimilarity(NamedTuple):
    """Means over the pairs of some trials."""

    n: int
    cka: Estimate
    procrustes: Estimate


def distances(states: Float[np.ndarray, "trial example hidden"]) -> Distances:
    """Linear CKA and orthogonal Procrustes between trials' states of the same examples.

    Both are blind to a rotation of the hidden units, to their order, and to one common scale: two
    seeds that differ in these represent texts alike. States are centred, and for Procrustes scaled
    to a Frobenius norm of 1, so that it is 2 - 2 |A'B|_* (the nuclear norm).

    Source: Kornblith et al. 2019 (linear CKA); Ding et al. 2021, section 2; over fine-tuning seeds
    Du and Nguyen 2023.
    """
    factors = [_factor(each.astype(np.float64)) for each in states]
    n = len(factors)
    cka, procrustes = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            a, b = factors[i], factors[j]
            product = a.T @ b
            norm = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
            alike = np.sum(product**2) / norm if norm else np.nan
            nuclear = np.linalg.svd(product, compute_uv=False).sum()
            # Rounding may leave a hair below 0.
            cka[i, j] = cka[j, i] = max(1 - alike, 0.0)
            procrustes[i, j] = procrustes[j, i] = max(2 - 2 * nuclear, 0.0) if norm else np.nan
    return Distances(cka, procrustes)


def _factor(states: np.ndarray) -> np.ndarray:
    """Centred states of norm 1 as `[example, rank]`: a rotation of them, with no unit too many."""
    centred = states - states.mean(axis=0)
    norm = np.linalg.norm(centred)
    if not np.isfinite(norm) or not norm:
        return np.zeros((len(states), 1))
    left, singular, _ = np.linalg.svd(centred / norm, full_matrices=False)
    return left * singular


def dissimilarity(found: Distances, chosen: np.ndarray) -> Dissimilarity:
    """Over the pairs of the chosen trials (their places); those whose states are all alike, or not
    finite, have no distance and are left out.
    """
    n = len(chosen)
    upper = np.triu_indices(n, 1)
    means = []
    for table in found:
        own = table[np.ix_(chosen, chosen)][upper]
        known = own[np.isfinite(own)]
        if not known.size:
            means.append(Estimate(None, reason="it takes two trials with states to differ"))
            continue
        left = own.size - known.size
        reason = f"not in it: {plural(left, 'pair')} with states that do not vary" if left else ""
        means.append(Estimate(float(known.mean()), reason=reason))
    return Dissimilarity(n, *means)
