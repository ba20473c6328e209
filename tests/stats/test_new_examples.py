"""Seeds and dev examples drawn together: against the metrics themselves, closed forms, and
simulated recipes whose true accuracy is known.
"""

import math

import numpy as np
import pytest
from scipy import stats

from jaxtune.core.entities import Sentences
from jaxtune.core.metrics import evaluate
from jaxtune.stats import new_examples
from jaxtune.stats.effects import mean_difference
from jaxtune.stats.new_examples import (
    difference_on_new_examples,
    luck_of_examples,
    resampled_scores,
)

COUNTED = ("accuracy", "f1", "macro_f1", "balanced_accuracy", "matthews")


def made_up(num_labels=3, trials=4, n=60, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_labels, n)
    logits = rng.normal(size=(trials, n, num_labels)) + 2 * np.eye(num_labels)[labels]
    return list(logits.astype(np.float32)), labels


@pytest.mark.parametrize("metric", [*COUNTED, "auroc"])
@pytest.mark.parametrize("num_labels", [2, 3])
@pytest.mark.slow
def test_scores_on_resamples_are_those_of_the_metric(metric, num_labels):
    """The counts give the same as the metric on the rows drawn."""
    if metric == "f1" and num_labels > 2:
        pytest.skip("F1 is of two classes")
    logits, labels = made_up(num_labels)
    labels[labels == 1] = np.where(np.arange((labels == 1).sum()) < 2, 1, 0)  # rare: may be absent
    found = resampled_scores(metric, logits, labels, seed=3)
    rng = np.random.default_rng(3)
    for row in found[:200]:
        drawn = rng.integers(0, len(labels), len(labels))
        expected = [evaluate([metric], t[drawn], labels[drawn])[metric] for t in logits]
        assert row == pytest.approx(expected, abs=1e-12)


TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y")


def made_up_sentences(trials=3, n=30, seed=0):
    """Words with tags that come in runs, so that those of a sentence depend on each other."""
    lengths = np.random.default_rng(seed).integers(0, 9, n)
    logits, labels = made_up(len(TAGS), trials, int(lengths.sum()), seed)
    return logits, labels, Sentences(TAGS, lengths)


def words_drawn(drawn, sentences):
    ends = np.cumsum(sentences.lengths)
    parts = [np.arange(ends[i] - sentences.lengths[i], ends[i]) for i in drawn]
    return np.concatenate(parts), Sentences(TAGS, sentences.lengths[drawn])


@pytest.mark.parametrize("metric", ["entity_f1", "accuracy", "macro_f1", "matthews", "auroc"])
def test_of_words_whole_sentences_are_drawn(metric, monkeypatch):
    """The metric itself on the sentences drawn, one after the other."""
    monkeypatch.setattr(new_examples, "NUM_RESAMPLES", 100)
    logits, labels, sentences = made_up_sentences()
    found = resampled_scores(metric, logits, labels, seed=3, sentences=sentences)
    rng = np.random.default_rng(3)
    assert len(found) == 100
    for row in found:
        drawn, own = words_drawn(rng.integers(0, 30, 30), sentences)
        expected = [
            evaluate([metric], t[drawn], labels[drawn], sentences=own)[metric] for t in logits
        ]
        assert row == pytest.approx(expected, abs=1e-6)
    assert len(np.unique(found)) > 50


def test_of_regression_too():
    rng = np.random.default_rng(1)
    labels = rng.normal(size=50).astype(np.float32)
    logits = [(labels + rng.normal(size=50))[:, None].astype(np.float32) for _ in range(3)]
    for metric in ("pearson", "spearman", "mse"):
        found = resampled_scores(metric, logits, labels)
        assert found.shape == (1000, 3)
        assert np.isfinite(found).all()


def test_of_many_examples_a_part_is_drawn_for_the_error_of_all():
    logits, labels = made_up(2, 2, 20_000)
    found = resampled_scores("accuracy", logits, labels)
    share = evaluate(["accuracy"], logits[0], labels)["accuracy"]
    assert found[:, 0].std() == pytest.approx(math.sqrt(share * (1 - share) / 20_000), rel=0.1)
    assert found[:, 0].mean() == pytest.approx(share, abs=0.001)


class Recipe:
    """Answers are right where the example's ease, the recipe's own view of it, the seed's skill and
    chance together lie above a threshold; the true accuracy is a normal probability.
    """

    def __init__(self, level, of_example=1.0, own=0.7, skill=0.1, chance=0.7):
        self.level, self.parts = level, (of_example, own, skill, chance)

    @property
    def accuracy(self):
        return stats.norm.cdf(self.level / math.hypot(*self.parts))

    @property
    def std(self):
        """Of the true accuracy over seeds."""
        ease, own, skill, chance = self.parts
        skills = np.linspace(-5, 5, 2001)
        weights = stats.norm.pdf(skills) / stats.norm.pdf(skills).sum()
        by_skill = stats.norm.cdf((self.level + skill * skills) / math.hypot(ease, own, chance))
        return math.sqrt(weights @ by_skill**2 - (weights @ by_skill) ** 2)

    def right(self, rng, seeds, ease):
        """`[trial, example]`."""
        of_example, own, skill, chance = self.parts
        n = ease.size
        view = of_example * ease + own * rng.normal(size=n)
        skills = skill * rng.normal(size=(seeds, 1))
        return self.level + view + skills + chance * rng.normal(size=(seeds, n)) > 0


def as_logits(right):
    """Of two classes, all labels 1."""
    return [np.eye(2, dtype=np.float32)[own.astype(int)] for own in right]


def coverage(one, other, seeds, n, repeats, seed=0):
    """How often an interval over seeds alone, and one over examples too, holds the true
    difference.
    """
    rng, truth, held = np.random.default_rng(seed), one.accuracy - other.accuracy, []
    for _ in range(repeats):
        ease, labels = rng.normal(size=n), np.ones(n, np.int64)
        sides = []
        for recipe in (one, other):
            right = recipe.right(rng, seeds, ease)
            sides.append(
                (right.mean(axis=1), resampled_scores("accuracy", as_logits(right), labels))
            )
        both = difference_on_new_examples(*sides, paired=False).difference
        alone = mean_difference(sides[0][0], sides[1][0])
        held.append([each.low <= truth <= each.high for each in (alone, both)])
    return np.mean(held, axis=0)


def test_intervals_hold_for_new_examples():
    """Where the examples are part of the luck those over seeds alone are far too narrow."""
    alone, both = coverage(Recipe(0.8), Recipe(0.9), 16, 150, 60)
    assert alone < 0.7
    assert both > 0.86  # 0.95 less three standard errors


@pytest.mark.storm
@pytest.mark.parametrize(
    ("seeds", "n", "own", "least", "most"),
    [(8, 277, 0.7, 0.93, 0.98), (32, 277, 0.7, 0.93, 0.98), (16, 1000, 0.2, 0.93, 0.99)],
)
def test_intervals_hold_for_new_examples_in_many_sweeps(seeds, n, own, least, most):
    one, other = Recipe(0.8, own=own), Recipe(1.0, own=own)
    _, both = coverage(one, other, seeds, n, 500)
    assert least - 0.01 <= both <= most + 0.01


def lucks(recipe, seeds, n, repeats, seed=0):
    rng, found = np.random.default_rng(seed), []
    for _ in range(repeats):
        right = recipe.right(rng, seeds, rng.normal(size=n))
        labels = np.ones(n, np.int64)
        found.append(luck_of_examples(right.astype(np.int64), labels, right.mean(axis=1)))
    return found


def test_the_variance_on_the_distribution_is_estimated_without_bias():
    """Also where it is as good as nothing, and all that is seen is the dev set's."""
    for skill in (0.0, 0.2):
        recipe = Recipe(0.8, skill=skill)
        found = lucks(recipe, 16, 150, 400)
        # Of the square, for the root of an estimate is biased, and not cut at 0.
        seen = np.mean([(150 * each.seen**2 - 150 * each.from_examples**2) / 149 for each in found])
        error = np.std([each.seen**2 for each in found]) / math.sqrt(len(found))
        assert seen == pytest.approx(recipe.std**2, abs=4 * error)
    assert found[0].from_examples < found[0].seen


def held_stds(recipe, seeds, n, repeats):
    found = [luck.beyond for luck in lucks(recipe, seeds, n, repeats)]
    return np.mean([each.low <= recipe.std <= each.high for each in found])


def test_its_interval_holds_the_true_std():
    assert held_stds(Recipe(0.8, skill=0.2), 16, 277, 200) > 0.89


@pytest.mark.storm
@pytest.mark.parametrize(("skill", "seeds"), [(0.0, 16), (0.1, 16), (0.3, 16), (0.1, 32), (0.3, 8)])
def test_its_interval_holds_the_true_std_in_many_sweeps(skill, seeds):
    assert held_stds(Recipe(0.8, skill=skill), seeds, 277, 1500) > 0.93


def test_equal_answers_leave_nothing():
    right = np.tile(np.arange(50) < 30, (8, 1)).astype(np.int64)
    found = luck_of_examples(right, np.ones(50, np.int64), right.mean(axis=1))
    assert (found.seen, found.from_examples, found.beyond.value) == (0.0, 0.0, 0.0)
