"""Weight averages and logit means against numpy."""

import itertools

import numpy as np
from scipy import special

from jaxtune.core.answers import mean_logits, mean_probabilities
from jaxtune.export.averages import greedy_soup, uniform_soup

RNG = np.random.default_rng(0)


def make_params(number):
    rng = np.random.default_rng(number)
    return {name: rng.normal(size=shape).astype("f4") for name, shape in SHAPES.items()}


SHAPES = {"encoder/word/embedding": (7, 3), "head/classifier/bias": (2,)}


def test_the_mean_of_identical_members_is_the_member():
    """Bit for bit, also where the number of members is no power of two."""
    for count in (1, 2, 3, 7, 25):
        soup = uniform_soup((number, make_params(5)) for number in range(count))
        assert soup.trials == tuple(range(count))
        for name, array in make_params(5).items():
            assert soup.params[name].dtype == np.float32
            np.testing.assert_array_equal(soup.params[name], array)


def test_uniform_is_numpys_mean():
    soup = uniform_soup((number, make_params(number)) for number in range(5))
    for name in SHAPES:
        expected = np.mean([make_params(number)[name] for number in range(5)], axis=0)
        np.testing.assert_allclose(soup.params[name], expected, rtol=1e-6, atol=1e-7)


def test_greedy_against_the_recipe_as_it_is_written():
    """Wortsman et al. 2022, recipe 1, with a made-up score of every set of trials."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        # One number per trial, far apart: the mean of a set says which set it is.
        values = {trial: np.float32(4**trial) for trial in range(5)}
        subsets = [s for n in range(1, 6) for s in itertools.combinations(range(5), n)]
        score_of = {np.float32(np.mean([values[t] for t in s])): rng.integers(9) for s in subsets}
        assert len(score_of) == len(subsets)

        def score(params, score_of=score_of):
            return float(score_of[np.float32(params["w"])])

        def load(trial, values=values):
            return {"w": np.array(values[trial])}

        best_first = sorted(range(5), key=lambda t: score(load(t)), reverse=True)
        kept = []
        for trial in best_first:
            tried = [*kept, trial]
            mean = {"w": np.mean([values[t] for t in tried])}
            if not kept or score(mean) >= score({"w": np.mean([values[t] for t in kept])}):
                kept = tried
        soup = greedy_soup(best_first, load, score)
        assert soup.trials == tuple(kept)
        assert score(soup.params) >= max(score(load(t)) for t in range(5))


def test_mean_logits_and_mean_probabilities():
    logits = [RNG.normal(0, 3, (40, 3)).astype("f4") for _ in range(4)]
    np.testing.assert_allclose(mean_logits(logits), np.mean(logits, axis=0), rtol=1e-6, atol=1e-6)
    shares = special.softmax(np.array(logits, np.float64), axis=-1).mean(axis=0)
    np.testing.assert_allclose(np.exp(mean_probabilities(logits)), shares, rtol=1e-12)
    # Two of three members lean to class 1, and one is sure of class 0: the rules may differ.
    split = [np.array([[0.0, 2.0]]), np.array([[0.0, 2.0]]), np.array([[9.0, 0.0]])]
    assert mean_logits(split).argmax() == 0
    assert mean_probabilities(split).argmax() == 1
    values = [np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]])]
    np.testing.assert_array_equal(mean_logits(values), [[2.0], [3.0]])
