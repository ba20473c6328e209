"""CKA and Procrustes distances against their formulas, and what they are blind to."""

import numpy as np
import pytest
import scipy.linalg

from jaxtune.stats.representations import dissimilarity, distances

RNG = np.random.default_rng(0)


def centred(x):
    return x - x.mean(axis=0)


def by_formula(x, y):
    """Kornblith et al. 2019, equation 3; and the smallest squared distance over all rotations."""
    x, y = centred(x), centred(y)
    cka = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    rotation, _ = scipy.linalg.orthogonal_procrustes(x, y)
    return 1 - cka, np.linalg.norm(x @ rotation - y) ** 2


@pytest.mark.parametrize(("examples", "hidden"), [(40, 6), (12, 30)])
def test_they_are_those_of_the_formulas(examples, hidden):
    states = RNG.normal(3, 1, (3, examples, hidden)).astype(np.float32)
    states[1] += 2 * states[0]
    found = distances(states)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        cka, procrustes = by_formula(states[i].astype(float), states[j].astype(float))
        assert found.cka[i, j] == found.cka[j, i] == pytest.approx(cka, abs=1e-9)
        assert found.procrustes[i, j] == pytest.approx(procrustes, abs=1e-9)
    assert np.all(np.diag(found.cka) == 0)
    assert found.cka[0, 1] < found.cka[0, 2]
    assert found.procrustes[0, 1] < found.procrustes[0, 2]


def test_rotation_order_and_scale_of_the_units_do_not_count():
    x = RNG.normal(size=(50, 8))
    rotation = np.linalg.qr(RNG.normal(size=(8, 8)))[0]
    same = np.stack([x, 3 * x @ rotation + 5, x[:, ::-1]])
    found = distances(same)
    assert found.cka == pytest.approx(np.zeros((3, 3)), abs=1e-9)
    assert found.procrustes == pytest.approx(np.zeros((3, 3)), abs=1e-9)


def test_means_over_pairs_without_states_that_do_not_vary():
    states = RNG.normal(size=(4, 20, 5))
    states[2] = 1.0  # every text alike
    states[3, 0, 0] = np.nan
    found = distances(states)
    both = dissimilarity(found, np.array([0, 1]))
    assert both.n == 2
    assert both.cka.value == pytest.approx(found.cka[0, 1])
    every = dissimilarity(found, np.arange(4))
    assert every.cka.value == pytest.approx(found.cka[0, 1])
    assert "5 pairs with states that do not vary" in every.procrustes.reason
    alone = dissimilarity(found, np.array([1]))
    assert alone.cka.value is None
    assert "two trials" in alone.cka.reason
