"""Which training examples `train_examples` draws."""

import numpy as np
import pytest

from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.data.dataset import subset

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
