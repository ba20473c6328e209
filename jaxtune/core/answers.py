"""From logits to what a reader wants: a label for every text, how sure it is, and a table of that.

Several trials answer together by the mean of their probabilities, or, of numbers, of the numbers.
"""

import csv
import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import special

from jaxtune.core.label_sets import BETWEEN_LABELS, given

Logits = Float[np.ndarray, "example label"]


def mean_logits(logits: Sequence[Logits]) -> Logits:
    """The mean over trials, one rule for classes and for values.

    For classes it is the normalised geometric mean of the probabilities: a trial that all but rules
    a class out is heard, and a trial with large logits counts for more.
    """
    return np.mean(np.stack(logits).astype(np.float64), axis=0)


def mean_probabilities(logits: Sequence[Logits], several_labels: bool = False) -> Logits:
    """Log of the mean softmax probabilities over trials: every trial counts alike.

    Of label sets, the log-odds of each label's mean probability.
    """
    stack = np.stack(logits).astype(np.float64)
    if several_labels:  # the odds have the number of trials above and below
        yes, no = (special.logsumexp(special.log_expit(s * stack), axis=0) for s in (1, -1))
        return yes - no
    return special.logsumexp(special.log_softmax(stack, axis=-1), axis=0) - np.log(len(logits))


def together(logits: Sequence[Logits], several_labels: bool = False) -> Logits:
    """What trials answer together: log-probabilities, of label sets log-odds, or a mean."""
    if logits[0].shape[1] == 1:
        return mean_logits(logits)
    return mean_probabilities(logits, several_labels)


def labels_of(
    answer: Logits, classes: Sequence[str] | None, several_labels: bool = False
) -> list[str]:
    """A class for every example, its labels such as `a|b`, or, without classes, a number."""
    if classes is None:
        # The fewest digits that tell the float32 of a model from others: never more than nine.
        return [f"{float(str(value)):.9g}" for value in answer[:, 0].astype(np.float32)]
    if several_labels:
        return [
            BETWEEN_LABELS.join(name for name, has in zip(classes, row, strict=True) if has)
            for row in given(answer)
        ]
    return [classes[i] for i in answer.argmax(axis=1)]


def answer_columns(classes: Sequence[str] | None, several_trials: bool) -> list[str]:
    """The header of `answer_rows`."""
    if classes is None:
        return ["id", "label"]
    shares = [f"p({name})" for name in classes]
    return ["id", "label", *shares, *(["agreement"] if several_trials else [])]


def answer_rows(
    ids: Sequence[str],
    logits: Sequence[Logits],
    classes: Sequence[str] | None,
    several_labels: bool = False,
) -> list[list[str]]:
    """A row per example: id and label, and of classes each one's probability and, of several
    trials, the share of them that give this label, or these labels, by themselves.
    """
    answer = together(logits, several_labels)
    columns = [list(ids), labels_of(answer, classes, several_labels)]
    if classes is not None:
        shares = np.exp(special.log_softmax(answer, axis=1))
        if several_labels:
            shares = special.expit(answer)
        columns += [[f"{share:.6f}" for share in column] for column in shares.T]
        if len(logits) > 1:
            own = [labels_of(each, classes, several_labels) for each in logits]
            agreeing = (np.array(own) == np.array(columns[1])).mean(axis=0)
            columns.append([f"{share:.4g}" for share in agreeing])
    return [list(row) for row in zip(*columns, strict=True)]


def as_csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
