"""From logits to what a reader wants: a label for every text, how sure it is, and a table of that.

Several trials answer together by the mean of their probabilities, or, of numbers, of the numbers.
"""

import csv
import io
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
    """Log of the mean softmax probabilities over trials: every trial counts alike."""
    logs = special.log_softmax(np.stack(logits).astype(np.float64), axis=-1)
    return special.logsumexp(logs, axis=0) - np.log(len(logits))


def together(logits: Sequence[Logits]) -> Logits:
    """What trials answer together: log-probabilities, or, of numbers, the mean number."""
    return mean_logits(logits) if logits[0].shape[1] == 1 else mean_probabilities(logits)


def labels_of(answer: Logits, classes: Sequence[str] | None) -> list[str]:
    """A class for every example, or a number where there are no classes."""
    if classes is None:
        return [f"{value:.6g}" for value in answer[:, 0]]
    return [classes[i] for i in answer.argmax(axis=1)]


def answer_columns(classes: Sequence[str] | None, several: bool) -> list[str]:
    """The header of `answer_rows`."""
    if classes is None:
        return ["id", "label"]
    return ["id", "label", *(f"p({name})" for name in classes), *(["agreement"] if several else [])]


def answer_rows(
    ids: Sequence[str], logits: Sequence[Logits], classes: Sequence[str] | None
) -> list[list[str]]:
    """A row per example: id and label, and of classes each one's probability and, of several
    trials, the share of them that give this label by themselves.
    """
    answer = together(logits)
    columns = [list(ids), labels_of(answer, classes)]
    if classes is not None:
        shares = np.exp(special.log_softmax(answer, axis=1))
        columns += [[f"{share:.6f}" for share in column] for column in shares.T]
        if len(logits) > 1:
            own = np.stack([each.argmax(axis=1) for each in logits])
            agreeing = (own == answer.argmax(axis=1)).mean(axis=0)
            columns.append([f"{share:.4g}" for share in agreeing])
    return [list(row) for row in zip(*columns, strict=True)]


def as_csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
