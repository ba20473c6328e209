"""Which training examples `train_examples` draws."""

import numpy as np
import pytest

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.data.dataset import hold_out, subset

LABELS = np.repeat(np.array([0, 1, 2], np.int32), [20, 18, 2])


def draw(size: int | None, seed: int = 0, labels: np.ndarray = LABELS, stratify: bool = True):
    return subset(SweepConfig(train_examples=size, subset_seed=seed, stratify=stratify), labels)


def test_a_plain_subset_is_the_first_of_a_permutation():
    expected = np.sort(np.random.default_rng(3).permutation(40)[:6])
    np.testing.assert_array_equal(draw(6, 3, stratify=False), expected)
    np.testing.assert_array_equal(draw(None, stratify=False), np.arange(40))


@pytest.mark.parametrize(
    ("size", "counts"),
    [(3, [1, 1, 1]), (6, [3, 2, 1]), (20, [10, 9, 1]), (39, [19, 18, 2]), (40, [20, 18, 2])],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_stratified_subset_keeps_the_shares(size, counts, seed):
    chosen = draw(size, seed)
    assert np.bincount(LABELS[chosen], minlength=3).tolist() == counts
    assert (np.diff(chosen) > 0).all()


def test_no_class_goes_without_an_example():
    """Also where many classes are rare, so that the others give way."""
    labels = np.concatenate([np.zeros(100, np.int32), np.arange(1, 10, dtype=np.int32)])
    for size in (10, 12, 30):
        counts = np.bincount(labels[draw(size, labels=labels)])
        assert counts.tolist() == [size - 9, *[1] * 9]


def test_the_seed_decides_which_examples():
    drawn = [draw(6, seed).tolist() for seed in range(20)]
    assert draw(6, 7).tolist() == drawn[7]
    assert len({*map(tuple, drawn)}) == 20


def test_shares_need_classes():
    with pytest.raises(UserError, match="the task's labels are numbers; leave it out"):
        draw(6, labels=LABELS.astype(np.float32))
    with pytest.raises(UserError, match="train_examples is 2, but there are 3 classes"):
        draw(2)


def parted(
    share: float, seed: int = 0, labels: np.ndarray = LABELS, chosen: np.ndarray | None = None
):
    config = SweepConfig(dev_fraction=share, dev_fraction_seed=seed)
    return hold_out(config, np.arange(len(labels)) if chosen is None else chosen, labels)


@pytest.mark.parametrize(
    ("share", "counts"),
    [(0.1, [2, 2, 0]), (0.25, [5, 4, 1]), (0.5, [10, 9, 1]), (0.9, [18, 17, 1])],
)
@pytest.mark.parametrize("seed", range(3))
def test_examples_are_held_out_of_every_class_and_some_stay(share, counts, seed):
    kept, held_out = parted(share, seed)
    assert np.bincount(LABELS[held_out], minlength=3).tolist() == counts
    np.testing.assert_array_equal(np.sort([*kept, *held_out]), np.arange(40))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held_out) > 0).all()


def test_examples_are_held_out_of_those_in_use():
    chosen = draw(20, 4)
    kept, held_out = parted(0.25, 0, chosen=chosen)
    assert sorted([*kept, *held_out]) == chosen.tolist()
    assert len(held_out) == 5


def test_the_held_out_examples_have_a_seed_of_their_own():
    """Which draws otherwise than the subset of the same number."""
    drawn = [tuple(parted(0.25, seed)[1]) for seed in range(20)]
    assert len({*drawn}) == 20
    assert tuple(parted(0.25, 7)[1]) == drawn[7]
    assert drawn[3] != tuple(draw(10, 3))


def test_numbers_are_held_out_as_they_come():
    labels = np.arange(40, dtype=np.float32)
    kept, held_out = parted(0.25, labels=labels)
    assert (len(kept), len(held_out), len({*kept, *held_out})) == (30, 10, 40)
    whole = hold_out(SweepConfig(), np.arange(40), labels)
    assert [len(part) for part in whole] == [40, 0]


@pytest.mark.parametrize(
    ("share", "sentence"),
    [
        (0.99, "holds out 40 examples of 40 and leaves too few to train on; give less"),
        (0.025, "holds out 1 example with fewer than two distinct labels; give a larger share"),
    ],
)
def test_shares_that_leave_too_few_are_refused(share, sentence):
    with pytest.raises(UserError, match=sentence):
        parted(share)
