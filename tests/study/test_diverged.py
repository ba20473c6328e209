"""Trials that diverged, and arms of one seed: what has no number decides nothing."""

import numpy as np
import pandas as pd
import pytest
from studies import add_sweep, made_up_study, pictures, vanishing

from jaxtune.stats.intervals import Estimate
from jaxtune.study.figures import baselines, generalization, gradient_norms, training_curves
from jaxtune.study.figures.bias_correction import _smaller
from jaxtune.study.figures.forgetting import FAILED, Measured

OFF, ON = {"bias_correction": False}, {"bias_correction": True}
GOOD = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.92, 0.94]
MIXED = [0.6, 0.6, 0.55, 0.9, 0.6, 0.8, 0.6, 0.85, 0.95, 0.91]


def breaking(row, steps):
    """As `vanishing`; a diverged trial has no numbers after its first quarter."""
    loss, norms, dev = vanishing(row, steps)
    if row["diverged"]:
        loss[steps >= 10] = np.nan
        norms[steps >= 10] = np.nan
    return loss, norms, dev


@pytest.mark.parametrize("module", [gradient_norms, training_curves])
@pytest.mark.slow
def test_diverged_trials_change_nothing(tmp_path, module):
    """Neither a number, a claim, nor a picture; and the notes say how many are left out."""
    findings = []
    for name, more in (("without", []), ("with", [None, None])):
        study = made_up_study(tmp_path / name)
        add_sweep(study, "main", [(OFF, MIXED + more), (ON, GOOD)], breaking)
        findings.append(module.run(study))
        figure = module.__name__.rpartition(".")[2]
        (table,) = study.folder(figure).glob("*.parquet")
        shown = pd.read_parquet(table)
        assert set(shown["trial"]) == set(range(10))
        assert np.isfinite(shown["value"]).all()
        assert "figure" in pictures(study.folder(figure))
    before, after = findings
    assert after.agrees == "yes"
    assert after.numbers == before.numbers
    assert after.claims == before.claims
    assert "(without 2 that diverged): failed 0, 1, 2, 4, 6" in after.notes[0]
    assert "diverge" in " ".join(after.notes[:2])


def test_a_gradient_that_was_never_there_decides_nothing(tmp_path):
    def without_bottom(row, steps):
        loss, norms, dev = vanishing(row, steps)
        return loss, norms * (norms >= 0.1 if row["failed"] else 1) * (steps < 0)[:, None], dev

    study = made_up_study(tmp_path)
    add_sweep(study, "main", [(OFF, MIXED), (ON, GOOD)], without_bottom)
    assert gradient_norms.run(study).claims[1].holds is None


def test_generalization_is_about_trials_that_have_a_loss(tmp_path):
    """A diverged trial has none, which is no rank either."""
    findings = []
    for name, lost in (("without", []), ("with", [None])):
        study = made_up_study(tmp_path / name)
        arms = [(OFF | {"train_loss": 0.69}, [0.6] * 8), (ON | {"train_loss": 0.1}, GOOD)]
        broken = [(ON | {"learning_rate": 1.0, "train_loss": None}, lost)]
        add_sweep(study, "ablation", arms + broken)
        add_sweep(study, "stable", [(ON, GOOD)], vanishing)
        findings.append(generalization.run(study))
        table = pd.read_parquet(study.folder("generalization") / "trials.parquet")
        assert len(table) == 16
    before, after = findings
    assert after.numbers == before.numbers
    assert after.claims == before.claims
    assert after.claims[1].holds is True
    assert "(b) is about the 16 of 17 trials that did not diverge." in after.notes[1]


def test_one_seed_has_no_std_to_be_smallest(tmp_path):
    """Of whichever recipe, and the claim about the second-smallest is open then, too."""
    for one in range(3):
        study = made_up_study(tmp_path / str(one))
        sweeps = {"main": OFF, "mixout": ON, "stable": ON}
        scores = [MIXED, MIXED, [0.95, 0.951, 0.952, 0.953, 0.954, 0.955, 0.956, 0.957]]
        for place, (name, arm) in enumerate(sweeps.items()):
            add_sweep(study, name, [(arm, scores[place][:1] if place == one else scores[place])])
        smallest, _, _, varies_less = baselines.run(study).claims
        assert (smallest.holds, varies_less.holds) == (None, None)
        assert f"{('devlin', 'mixout', 'mosbach')[one]} -" in smallest.found


@pytest.mark.parametrize(
    ("second", "first", "smaller"),
    [
        ((-0.1, 0.1), (0.2, 0.8), True),
        ((-0.1, 0.1), (-0.8, -0.2), True),  # the correction harms at the first b2
        ((-0.8, -0.2), (-0.1, 0.1), False),
        ((-0.8, -0.4), (0.2, 0.3), False),
        ((-0.3, 0.1), (0.2, 0.8), None),
        ((-0.7, -0.3), (0.2, 0.8), None),
    ],
)
def test_a_smaller_change_is_one_of_either_sign(second, first, smaller):
    assert _smaller(Estimate(0.0, *second), Estimate(0.0, *first)) is smaller


def test_a_perplexity_that_is_no_number_is_not_mended():
    values = np.array([900.0, np.nan, 5.0, 5.0])
    assert Measured(0, FAILED, 0.69, 0.05, values, Estimate(900.0), 5.0).mended == 2
