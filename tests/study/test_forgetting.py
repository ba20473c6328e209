"""Figure 2 end to end, its rule on made-up numbers, and what it refuses."""

import json
from pathlib import Path

import hf
import jax
import numpy as np
import pandas as pd
import pytest
from studying import draw_apart, tiny_study

from jaxtune.export.members import read_sweep
from jaxtune.models.names import paths
from jaxtune.models.pretrained import load_masked_lm, read_config
from jaxtune.stats.intervals import Estimate
from jaxtune.study.__main__ import main
from jaxtune.study.figures import forgetting
from jaxtune.study.figures.forgetting import (
    CORRECTED,
    FAILED,
    SUCCESSFUL,
    Measured,
    judge,
    perplexity_interval,
)
from jaxtune.study.layer_replacement import encoder_of, perplexity, text_losses


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return tiny_study(tmp_path_factory.mktemp("forgetting"), "forgetting")


@pytest.fixture(scope="module")
def finding(study):
    return forgetting.run(study)


@pytest.fixture(scope="module")
def folder(study, finding):
    return study.folder("forgetting")


def test_a_curve_per_trial_from_fine_tuned_to_pretrained(folder, finding, study):
    """Trial 0 failed and 2 did not, by the test's arrangement; 1 and 3 are the arm with
    correction.
    """
    table = pd.read_parquet(folder / "perplexity.parquet")
    kinds = table.groupby("trial")["kind"].first()
    assert kinds.to_dict() == {0: FAILED, 1: CORRECTED, 2: SUCCESSFUL, 3: CORRECTED}
    assert table.groupby("trial")["top"].apply(list).map(lambda tops: tops == [0, 1, 2]).all()
    ends = table[table["top"] == 2]["perplexity"]
    assert ends.nunique() == 1
    assert ends.iloc[0] == finding.numbers["pretrained_perplexity"]
    assert finding.title.startswith("Figure 2")
    assert "failed 0, successful 2" in finding.notes[0]


def test_the_ends_are_the_sweeps_trials_and_the_models_folder(folder, study):
    """From the saved parameters and the model's folder alone, without the study's own reading of
    them.
    """
    table = pd.read_parquet(folder / "perplexity.parquet").set_index(["trial", "top"])["perplexity"]
    own = Path(study.config.model)
    model = load_masked_lm(own, read_config(own)[0])
    text = forgetting._ask(study).text
    sweep = read_sweep(study.main(), "final")
    present = np.asarray(text.present)
    for member in sweep.members:
        encoder = encoder_of(sweep.params(member), model.encoder)
        for top, whole in ((0, encoder), (2, model.encoder)):
            losses = np.asarray(jax.jit(text_losses)(whole, model, text))[present]
            assert table[member.number, top] == pytest.approx(float(perplexity(losses)), rel=1e-6)
        word = paths(encoder)["word/embedding"]
        assert not np.array_equal(word, model.encoder.word.embedding[...])


def test_curves_of_the_failed_trials(folder):
    curves = pd.read_parquet(folder / "curves.parquet")
    assert set(curves["trial"]) == {0}
    assert set(curves["name"]) == {"loss", "dev/accuracy"}
    assert curves["trivial"].iloc[0] == pytest.approx(0.6)


@pytest.mark.slow
def test_drawn_from_the_files_alone_and_without_jax(folder):
    assert not draw_apart(folder)
    for suffix in ("png", "svg"):
        assert (folder / f"figure.{suffix}").stat().st_size > 5000


def test_again_it_is_the_same(folder, study):
    """The sweep is found finished, and the text's hidden words are the same."""
    before = pd.read_parquet(folder / "perplexity.parquet")
    forgetting.run(study)
    pd.testing.assert_frame_equal(before, pd.read_parquet(folder / "perplexity.parquet"))


def made_up(kind, values, interval, train_loss=0.69, trial=0):
    low, high = map(float, interval)
    fine_tuned = Estimate(values[0], low, high)
    return Measured(trial, kind, train_loss, 0.05, np.array(values), fine_tuned, 5.0)


SUCCEEDED = made_up(SUCCESSFUL, [12.0, 9, 5, 5, 5], (11, 13), 0.2, 1)
LOST = made_up(FAILED, [900.0, 9, 5, 5, 5], (800, 1000))


@pytest.mark.parametrize(
    ("failed", "parts", "agrees"),
    [
        (LOST, [True, True, True], "yes"),
        (LOST._replace(train_loss=0.5), [True, True, False], "in part"),
        (LOST._replace(fine_tuned=Estimate(12.5, 10.0, 14.0)), [None, True, True], "in part"),
        (
            LOST._replace(fine_tuned=Estimate(9.0, 8.0, 10.0), train_loss=0.1),
            [False, True, False],
            "in part",
        ),
        (
            made_up(FAILED, [9.0, 90, 5, 11, 5], (8, 10), 0.1),
            [False, False, False],
            "no",
        ),
        (LOST._replace(fine_tuned=Estimate(900.0)), [None, True, True], "in part"),
    ],
)
def test_the_rule(failed, parts, agrees):
    """Intervals apart, overlapping or missing; how much is put back; whether anything was
    learned.
    """
    finding = judge([failed, SUCCEEDED], np.log(2))
    assert list(finding.numbers["parts"].values()) == parts
    assert finding.agrees == agrees
    assert finding.here.endswith("Of its norm the encoder has moved: failed 5.0%; successful 5.0%.")
    json.dumps(finding.numbers)


def test_of_many_trials_it_says_the_middle_and_the_ends():
    many = [LOST._replace(trial=i, moved=0.01 * (i + 1)) for i in range(6)]
    finding = judge([*many, SUCCEEDED], np.log(2))
    assert finding.claims[0].found == (
        "failed 900.0 (900.0 to 900.0, median and range of 6); successful 12.0 (95% interval 11.0"
        " to 13.0)"
    )
    assert finding.here.startswith("Median perplexity: failed 900.0; successful 12.0; pre-trained")
    moved = "moved: failed 3.5% (1.0% to 6.0%, median and range of 6); successful 5.0%."
    assert moved in finding.here


def test_layers_to_put_back_count_to_the_last_one_needed():
    assert LOST.mended == 1
    assert made_up(FAILED, [5.0, 5, 5, 5, 5], (4, 6)).mended == 0
    assert made_up(FAILED, [50.0, 5, 5, 11, 5], (4, 6)).mended == 4
    assert made_up(FAILED, [np.inf, np.inf, 10, 5, 5], (4, 6)).mended == 2


def test_the_interval_is_over_sentences():
    """Words that repeat each other within a sentence say no more than one: the interval does not
    shrink.
    """
    losses = np.random.default_rng(0).normal(3, 1, 40)
    alone = perplexity_interval(losses, np.arange(40))
    repeated = perplexity_interval(np.repeat(losses, 9), np.repeat(np.arange(40), 9))
    assert alone.value == pytest.approx(np.exp(losses.mean()))
    assert repeated[:3] == pytest.approx(alone[:3], rel=1e-6)
    assert alone.low < alone.value < alone.high


def test_refusals_before_any_sweep(tmp_path, capsys):
    """One sentence each, and no folder of sweeps."""
    albert = str(hf.make_folder("albert", hf.MASKED_LM))
    cases = [
        (["--model", albert, "--text", "x.txt"], "is an ALBERT"),
        (["--random_weights", "true"], "nothing to forget"),
        (["--model", str(hf.make_folder("bert", hf.MASKED_LM))], "give --text FILE"),
    ]
    for flags, words in cases:
        assert main(["forgetting", "--out", str(tmp_path / "out"), *flags]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert words in error
        assert error.count("\n") == 1
    assert not (tmp_path / "out" / "sweeps").exists()
