"""Studies of made-up sweeps find the numbers that were put in, and say so."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from studies import add_sweep, made_up_study, pictures, vanishing

from jaxtune.stats.intervals import Estimate
from jaxtune.study.figures import (
    ablation,
    baselines,
    bias_correction,
    generalization,
    gradient_norms,
    small_data,
    training_curves,
)
from jaxtune.study.finding import agreement
from jaxtune.study.measures import NothingToShowError, choose, share_of

OFF, ON = {"bias_correction": False}, {"bias_correction": True}
BAD, GOOD = [0.6] * 7 + [0.9], [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.92, 0.94]
STEADY = [0.950, 0.952, 0.954, 0.956, 0.958, 0.960, 0.962, 0.964]


@pytest.fixture
def study(tmp_path):
    return made_up_study(tmp_path)


@pytest.fixture
def main(study):
    mixed = [0.6, 0.6, 0.55, 0.9, 0.6, 0.8, 0.6, 0.85, 0.95, 0.91]
    return add_sweep(study, "main", [(OFF, mixed), (ON, GOOD)], vanishing)


def test_baselines(study, main):
    add_sweep(study, "mixout", [(ON, [0.6] * 4 + GOOD[:4])])
    add_sweep(study, "stable", [(ON, STEADY)])
    finding = baselines.run(study)
    assert finding.agrees == "yes"
    numbers = finding.numbers["miniature"]
    assert numbers["mosbach"]["failed"]["count"] == 0
    assert numbers["devlin"]["failed"]["count"] == 5
    assert numbers["mosbach"]["std"]["value"] == pytest.approx(np.std(STEADY, ddof=1))
    assert finding.here.startswith(
        "Failed trials on miniature: devlin 5 of 10, mixout 4 of 8, mosbach 0 of 8."
    )
    assert "5 of 10 failed" in finding.here
    assert pictures(study.folder("baselines")) == ["figure"]


def test_baselines_that_do_not_agree(study, main):
    add_sweep(study, "mixout", [(ON, STEADY)])
    add_sweep(study, "stable", [(ON, BAD)])
    finding = baselines.run(study)
    assert finding.agrees == "no"
    smallest, highest, none_failed, varies_less = finding.claims
    assert [smallest.holds, highest.holds, none_failed.holds] == [False, False, False]
    assert none_failed.found == "7 of 8 failed"
    assert varies_less.holds is not True
    assert finding.why.endswith("all 4 claims hold: 0 do, 3 do not, 1 undecided.")


def test_small_data(study, main):
    add_sweep(study, "small-epochs", [(OFF, [0.6] * 8), (ON, BAD)])
    add_sweep(study, "small-steps", [(OFF, GOOD), (ON, GOOD)])
    finding = small_data.run(study)
    assert finding.agrees == "yes"
    judged = finding.numbers["miniature"]["without correction"]
    assert judged["mean_difference"]["value"] == pytest.approx(np.mean(GOOD) - 0.6)
    assert judged["as many epochs"]["failed"]["count"] == 8
    assert pictures(study.folder("small_data")) == ["figure"]


def test_small_data_the_other_way_round(study, main):
    add_sweep(study, "small-epochs", [(OFF, GOOD), (ON, BAD)])
    add_sweep(study, "small-steps", [(OFF, [0.6] * 8), (ON, GOOD)])
    finding = small_data.run(study)
    assert finding.agrees == "no"
    assert "The full set itself fails in 5 of 10 after these steps" in finding.here
    assert "whatever the data" not in finding.here


def test_small_data_of_a_recipe_that_fails_on_the_full_set(study):
    add_sweep(study, "main", [(OFF, [0.6] * 7 + [0.9]), (ON, GOOD)], vanishing)
    add_sweep(study, "small-epochs", [(OFF, GOOD), (ON, BAD)])
    add_sweep(study, "small-steps", [(OFF, [0.6] * 8), (ON, GOOD)])
    here = small_data.run(study).here
    assert "fails in 7 of 8" in here
    assert "the recipe fails whatever the data" in here


@pytest.mark.slow
def test_gradient_norms(study, main):
    finding = gradient_norms.run(study)
    numbers = finding.numbers["miniature"]
    # Half-way to the end the fall is between 10^1.5 and 10^3.
    assert 10**1.5 < numbers["late_successful"] / numbers["late_failed"] < 10**3
    assert numbers["mann_whitney_p"] < 0.05
    assert numbers["kept_by_failed"]["classifier"] == pytest.approx(1)
    assert numbers["kept_by_failed"]["first layer"] < 0.1
    assert finding.agrees == "yes"
    assert "failed 0, 1, 2, 4, 6" in finding.notes[0]
    shown = pd.read_parquet(study.folder("gradient_norms") / "norms.parquet")
    assert set(shown["layer"]) == {-1, 0, 1, 2}
    assert pictures(study.folder("gradient_norms")) == ["figure", "figure_kinds"]


def test_training_curves(study, main):
    finding = training_curves.run(study)
    assert finding.agrees == "yes"
    assert "5 of 5 failed ones end at 90%" in finding.here
    assert "5 of 5 successful ones below" in finding.here
    # A failed trial's loss stays, another's falls evenly to 0.1; the last 4 of 40 steps are
    # compared with the first 4.
    falling = 0.7 - 0.6 * np.linspace(0, 1, 40)
    left = finding.numbers["last_of_first_loss"]
    failed = ("0", "1", "2", "4", "6")
    assert [left[number] for number in failed] == pytest.approx([1.0] * 5)
    others = [share for number, share in left.items() if number not in failed]
    assert others == pytest.approx([falling[-4:].mean() / falling[:4].mean()] * 5)
    curves = pd.read_parquet(study.folder("training_curves") / "curves.parquet")
    # None of the arm with correction.
    assert set(curves["trial"]) == set(range(10))
    assert pictures(study.folder("training_curves")) == ["figure"]


@pytest.mark.parametrize("scores", [[0.6, 0.6, 0.6], GOOD])
@pytest.mark.parametrize("module", [gradient_norms, training_curves])
def test_no_other_trial_is_picked(study, module, scores):
    add_sweep(study, "main", [(OFF, scores), (ON, BAD)])
    with pytest.raises(NothingToShowError, match=f"None of the {len(scores)} trials"):
        module.run(study)


def test_a_diverged_trial_counts_as_failed_and_is_not_shown(study):
    sweep = add_sweep(study, "main", [(OFF, [0.9, None, 0.6, 0.8])])
    rows = study.rows(sweep)
    chosen = choose(rows, 1, sweep)
    assert (chosen.failed, chosen.successful) == ((2,), (0,))
    assert "main-miniature (without 1 that diverged): failed 2, successful 0" in chosen.rule
    assert rows["final"].tolist() == [0.9, 0.6, 0.6, 0.8]
    assert share_of(rows).count == 2
    words = r"None of the 2 trials of .* \(without 1 that diverged\) is a failed one"
    with pytest.raises(NothingToShowError, match=words):
        choose(rows[rows["trial"] != 2], 1, sweep)


def ablation_arms(loss):
    arms = []
    for rate in (1e-4, 3e-4):
        for epochs in (3, 20):
            for on in (False, True):
                scores = STEADY if on and epochs == 20 else GOOD if on else [0.6] * 8
                shared = {"learning_rate": rate, "num_epochs": epochs, "bias_correction": on}
                arms.append((shared | {"train_loss": loss(on, epochs)}, scores))
    return arms


@pytest.fixture
def grid_study(tmp_path):
    return made_up_study(
        tmp_path, ablation_learning_rates=(1e-4, 3e-4), ablation_epochs=(3, 20), ablation_seeds=8
    )


def test_ablation(grid_study):
    add_sweep(grid_study, "ablation", ablation_arms(lambda on, epochs: 0.3))
    finding = ablation.run(grid_study)
    assert finding.agrees == "yes"
    for pool in ("3 epochs", "learning rate 0.0003"):
        without, corrected = (finding.numbers[pool][which] for which in ("without", "with"))
        assert (without["count"], without["n"]) == (16, 16)
        assert (corrected["count"], corrected["n"]) == (0, 16)
    means = {
        (arm["learning_rate"], arm["num_epochs"], arm["bias_correction"]): arm["mean"]
        for arm in finding.numbers["means"]
    }
    assert means == pytest.approx(
        {
            (rate, epochs, on): np.mean(STEADY if epochs == 20 else GOOD) if on else 0.6
            for rate in (1e-4, 3e-4)
            for epochs in (3, 20)
            for on in (False, True)
        }
    )
    assert "0.957, has learning rate 0.0001, 20 epochs and the correction" in finding.here
    table = pd.read_parquet(grid_study.folder("ablation") / "trials.parquet")
    assert table["recommended"].sum() == 8
    assert pictures(grid_study.folder("ablation")) == ["figure"]


def test_generalization(grid_study):
    def loss(on, epochs):
        return 1e-3 if on and epochs == 20 else 0.1 if on else 0.69

    add_sweep(grid_study, "ablation", ablation_arms(loss))
    add_sweep(grid_study, "stable", [(ON, STEADY)], vanishing)
    finding = generalization.run(grid_study)
    assert finding.agrees == "yes"
    assert finding.numbers["change"]["value"] == pytest.approx(np.mean(STEADY) - 0.6)
    scores, losses = [*STEADY, *GOOD, *[0.6] * 16], [*[1e-3] * 8, *[0.1] * 8, *[0.69] * 16]
    correlation = spearmanr(losses * 2, scores * 2).statistic  # the same at both learning rates
    assert finding.numbers["spearman"]["value"] == pytest.approx(correlation)
    # Of the successful trials those with the lower loss are those of 20 epochs.
    gap = np.mean(STEADY) - np.mean(GOOD)
    assert finding.numbers["low_loss_minus_rest"]["value"] == pytest.approx(gap)
    assert finding.numbers["lowest_loss"] == 1e-3
    assert pictures(grid_study.folder("generalization")) == ["figure"]


def test_overfitting_would_be_reported(grid_study):
    def fell(row, steps):
        loss, norms, _ = vanishing(row, steps)
        return loss, norms, {20: row["final"] + 0.02 + 0.001 * row["trial"], 40: row["final"]}

    arms = ablation_arms(lambda on, epochs: 0.1 if on else 1e-3)
    add_sweep(grid_study, "ablation", arms)
    add_sweep(grid_study, "stable", [(ON, STEADY)], fell)
    finding = generalization.run(grid_study)
    assert finding.numbers["change"]["high"] < 0
    assert finding.numbers["spearman"]["low"] > 0
    assert finding.agrees != "yes"


@pytest.mark.parametrize(
    ("low", "high", "holds"),
    [(-0.019, 0.3, True), (-0.02, 0.3, None), (-0.3, 0.3, None), (-0.3, -0.01, False)],
)
def test_too_few_trials_to_see_a_fall_do_not_show_that_there_is_none(low, high, holds):
    """An interval that holds a fall of two points decides nothing."""
    assert generalization._not_below(Estimate((low + high) / 2, low, high)) is holds
    assert generalization._not_below(Estimate(0.1, None, None)) is None


def rate_arms(off, on, **more):
    return [
        ({"learning_rate": rate, "bias_correction": flag} | more, scores)
        for rate in (1e-4, 3e-4)
        for flag, scores in ((False, off[rate]), (True, on[rate]))
        if scores is not None
    ]


def test_bias_correction(study, main):
    one = {1e-4: [0.7] * 8, 3e-4: [0.6] * 8}
    add_sweep(study, "learning-rates", rate_arms(one, {1e-4: [0.7] * 8, 3e-4: GOOD}))
    same = {1e-4: GOOD, 3e-4: GOOD}
    add_sweep(study, "second-b2", rate_arms(same, same, adam_b2=0.98))
    warm = {"warmup_ratio": 0.5}
    add_sweep(study, "long-warmup", rate_arms(same, dict.fromkeys(same), **warm))
    add_sweep(study, "held-out-correction", [(ON | {"learning_rate": 3e-4}, STEADY)])
    add_sweep(study, "held-out-no-correction", [(OFF | {"learning_rate": 1e-4}, GOOD)])
    name = "held-out-no-correction-longer-warm-up"
    add_sweep(study, name, [(OFF | {"learning_rate": 1e-4} | warm, STEADY[::-1])])
    finding = bias_correction.run(study)
    # The highest mean; of equal ones the lowest learning rate.
    assert finding.numbers["chosen_learning_rates"] == {
        "correction": 3e-4,
        "no correction": 1e-4,
        "no correction, longer warm-up": 1e-4,
    }
    held_out = finding.numbers["held_out"]
    gap = held_out["correction minus no correction"]["mean"]
    assert gap["value"] == pytest.approx(np.mean(STEADY) - np.mean(GOOD))
    assert held_out["correction minus no correction, longer warm-up"]["mean"][
        "value"
    ] == pytest.approx(0)
    assert finding.numbers["b2"]["0.999"]["value"] == pytest.approx(0.5)
    assert finding.numbers["b2"]["0.98"]["value"] == 0
    factor = pd.read_parquet(study.folder("bias_correction") / "factor.parquet")
    (lowest,) = factor[(factor["adam_b2"] == 0.999) & (factor["step"] == 10)]["factor"]
    assert lowest == pytest.approx(0.153, abs=1e-3)  # the paper's smallest, at step 10
    names = ["figure", "figure_factor", "figure_held_out", "figure_peak"]
    assert pictures(study.folder("bias_correction")) == names


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([True, True], "yes"),
        ([True, None], "in part"),
        ([True, False], "in part"),
        ([False, None], "no"),
        ([None, None], "cannot say"),
        ([], "cannot say"),
    ],
)
def test_agreement(parts, expected):
    assert agreement(parts) == expected
