"""Several trials' logits as one answer."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import special

Logits = Float[np.ndarray, "example label"]


def mean_logits(logits: Sequence[Logits]) -> Logits:
    """The mean over trials, one rule for classes and for values.

    For classes it is the normalised geometric mean of the probabilities: a trial that all but rules
    a class out is heard, and a trial with large logits counts for more.
    """
    return np.mean(np.stack(logits).astype(np.float64), axis=0)


def mean_probabilities(logits: Sequence[Logits]) -> Logits:
    """The logarithm of the mean over trials of the softmax probabilities: every trial counts
    alike.
    """
    logs = special.log_softmax(np.stack(logits).astype(np.float64), axis=-1)
    return special.logsumexp(logs, axis=0) - np.log(len(logits))
