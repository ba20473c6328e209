"""Axis names used in every array type of the project.

    trial     fine-tuning runs stacked in one group
    step      optimiser steps
    example   sentences or sentence pairs of a data split
    word      all words of a split, where they have labels
    sequence  the examples of one batch; where words have labels, its slots
    row slot  the rows a batch is packed into, and the token places of a row
    layer     transformer blocks
    head      attention heads
    hidden    model width
    label     classes (1 for regression)

Model and step code is written for ONE trial: the trial axis is added by vmap and appears in no
model type.
"""

import jaxtyping
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

Key = PRNGKeyArray
TrialKeys = jaxtyping.Key[Array, " trial"]
Hidden = Float[Array, "token hidden"]  # token = row * slots + slot
RowInts = Int[Array, "row slot"]
RowBools = Bool[Array, "row slot"]
Logits = Float[Array, "sequence label"]
# A class or a number each; or 0 and 1 for every label, where a text may have any number of them.
Labels = Int[Array, " sequence"] | Float[Array, " sequence"] | Int[Array, "sequence label"]
Scalar = Float[Array, ""]

__all__ = [
    "Array",
    "Bool",
    "Float",
    "Hidden",
    "Int",
    "Key",
    "Labels",
    "Logits",
    "RowBools",
    "RowInts",
    "Scalar",
    "TrialKeys",
]
