"""The study of the correction: its rules choose and test what its plan says, its page stands, and
its command goes on where it stopped.
"""

import itertools
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from link_settings import arm_settings
from made_up import RECIPE
from pages import Page
from studies import made_up_study

from jaxtune.core.errors import UserError
from jaxtune.data import corpus as corpus_module
from jaxtune.stats.intervals import Estimate
from jaxtune.storage.trial_rows import read_rows
from jaxtune.study.__main__ import main
from jaxtune.study.drawing.draw import draw
from jaxtune.study.effective_steps import (
    largest_step,
)
from jaxtune.study.figures import correction
from jaxtune.study.finding import write_finding
from jaxtune.study.link_arms import ARMS, NONE, PLAIN
from jaxtune.study.link_models import NORMS, Model, Wanted, equal_ones, plan_words, runs_of
from jaxtune.study.link_tests import against, arms_against_none, at_best, best_rates
from jaxtune.study.link_words import claims_of_steps
from jaxtune.study.page import write_page
from jaxtune.study.running import say_finding
from jaxtune.study.settings import FIGURES, StudyConfig, parse


def made_up_trials(fails):
    """Every trial of the plan's grid, and of the shallower models; `fails(row)` decides."""
    links = arm_settings()
    rows = []
    for layers, families in ((24, [*NORMS]), (12, ["bert", "modernbert"])):
        for family, number in itertools.product(families, range(2)):
            linked = family in ("bert", "modernbert")
            arms = PLAIN.arms if layers == 12 else ARMS if linked else ARMS[:4]
            rates = (
                StudyConfig.pre_norm_rates
                if family == "modernbert"
                else StudyConfig.post_norm_rates
            )
            cells = itertools.product(
                arms, rates, (0.98, 0.999) if layers == 24 else (0.999,), (0, 1000, 1001)
            )
            for arm, rate, b2, seed in cells:
                settings = RECIPE | {"learning_rate": rate, "adam_b2": b2} | links[arm]
                steps = {
                    column: largest_step(settings, 189, first) / 0.05
                    for first, column in correction.COLUMNS.items()
                }
                about = {"model": f"{family}-{number}-{layers}", "family": family}
                about |= {"norms": NORMS[family], "layers": layers, "arm": arm, "adam_b2": b2}
                about |= {"learning_rate": rate, "seed": seed, "fresh": seed >= 1000}
                rows.append(about | steps | {"num_steps": 189, "metric": "accuracy"})
    table = pd.DataFrame(rows).assign(trivial=0.6)
    table["failed"] = [bool(fails(row)) for row in table.to_dict("records")]
    noise = np.random.default_rng(1).normal(0, 0.005, len(table))
    return table.assign(final=np.where(table["failed"], 0.6, 0.9 + noise))


def too_large(row):
    """As the size of the steps alone would have it: ten times as much with norms before."""
    column = correction.COLUMNS[correction.AT_THE_END]
    bound = 1e-2 * (10 if row["family"] == "modernbert" else 1) * (2 if row["layers"] == 12 else 1)
    return row[column] > bound or row[column] < 10**-3.5


@pytest.fixture(scope="module")
def trials():
    return made_up_trials(too_large)


def made_up_model(name, loss, layers=24):
    return Model(Wanted(name, 0, layers), f"models/{name}", loss, 0.05)


@pytest.fixture(scope="module")
def found(trials, tmp_path_factory):
    study = made_up_study(tmp_path_factory.mktemp("correction"), "correction")
    finding = correction.conclude(study, [made_up_model("bert", 1.4)], [], trials)
    write_finding(
        study.folder("correction"),
        "correction",
        finding,
        {"command": ["python"], "settings": "", "seconds": 1.0},
    )
    draw(study.folder("correction"))
    return study, finding


def test_the_best_rate_is_of_exploration_alone_and_of_equal_ones_the_lowest():
    cell = {"family": "bert", "adam_b2": 0.98, "arm": NONE}
    scores = {1e-4: (0.8, 0.1), 3e-4: (0.8, 0.9), 1e-3: (0.7, 0.99)}
    table = pd.DataFrame(
        [
            cell | {"learning_rate": rate, "final": score, "fresh": fresh}
            for rate, both in scores.items()
            for fresh, score in zip((False, True), both, strict=True)
        ]
    )
    rates = best_rates(table[~table["fresh"]])
    assert rates == {("bert", 0.98, NONE): 1e-4}
    assert at_best(table[table["fresh"]], rates)["final"].tolist() == [0.1]


def test_each_cell_has_its_own_best_rate(trials):
    deep = trials[trials["layers"] == 24]
    best = at_best(deep[deep["fresh"]], best_rates(deep[~deep["fresh"]]))
    cells = best.groupby(["family", "adam_b2", "arm"])["learning_rate"]
    assert len(cells) == 4 * 2 * 4 + 2 * 2 * 6
    assert (cells.nunique() == 1).all()
    assert (cells.size() == 4).all()  # two models of two fresh seeds


def test_arms_are_compared_within_their_strata_and_with_holm(trials):
    deep = trials[trials["layers"] == 24]
    gaps = arms_against_none(deep, ["family", "adam_b2", "learning_rate"])
    assert list(gaps) == [arm for arm in ARMS if arm != NONE]
    # Links that two families run are compared with `none` of those two.
    assert gaps["clipping"].other.n == gaps["clipping"].one.n == 2 * 2 * 5 * 2 * 3
    assert gaps["schedule"].fails_less is True
    assert gaps["eps"].test.p == pytest.approx(1)
    smallest = min(gap.test.p for gap in gaps.values())
    assert min(gap.p for gap in gaps.values()) == pytest.approx(smallest * len(gaps))
    nothing = deep[deep["family"] == "bert"], deep[deep["family"] == "albert"]
    assert against({"x": nothing}, ["family"]) == {}


def test_strata_of_unlike_many_trials_do_not_turn_an_answer_round():
    """Run most where all fail, the arm fails more over all, and less in either stratum."""

    def rows(arm, failed, n, stratum):
        return [{"arm": arm, "bin": stratum, "failed": i < failed} for i in range(n)]

    one = pd.DataFrame(rows("x", 0, 20, 1) + rows("x", 62, 100, 2))
    other = pd.DataFrame(rows(NONE, 18, 100, 1) + rows(NONE, 23, 24, 2))
    gap = against({"x": (one, other)}, ["bin"])["x"]
    assert gap.one.value > gap.other.value
    assert gap.fails_less is True
    assert gap.counts.endswith("; within the strata the first fails less")
    assert gap.words.endswith("; within the strata the first fails less")


def test_the_study_finds_what_was_put_in(found):
    _, finding = found
    holds = {claim.asks: claim.holds for claim in finding.claims}
    assert len(holds) == 10
    one, eps, clipping, at_best_one, at_best_adam, _, differs, norms, *depths = holds.values()
    assert (one, clipping, norms) == (True, True, True)
    assert depths == [True, True]
    assert eps is None  # it changes no step
    assert differs is None
    # The same within two points: at a rate where it does not fail no arm scores more than another.
    assert (at_best_one, at_best_adam) == (False, False)
    for both in finding.numbers["areas"].values():
        # Steps decide, and the learning rate as set tells less of them.
        assert both["step"]["value"] > 0.94
        assert both["step"]["low"] > both["rate"]["high"]


@pytest.mark.parametrize(
    ("lows", "highs", "holds"),
    [
        ((0.91, 0.92), (0.97, 0.98), True),
        ((0.91, 0.85), (0.97, 0.98), None),
        ((0.70, 0.92), (0.89, 0.98), False),
        ((0.92, None), (0.98, None), None),
    ],
)
def test_both_kinds_of_models_decide_whether_steps_predict_failures(lows, highs, holds):
    areas = {
        norms: {"step": Estimate(0.9, low, high), "rate": Estimate(0.8, 0.7, 0.9)}
        for norms, low, high in zip("ab", lows, highs, strict=True)
    }
    assert claims_of_steps(areas, {})[0].holds is holds


@pytest.mark.slow
def test_a_link_that_does_more_than_change_the_step_is_found(tmp_path):
    table = made_up_trials(lambda row: too_large(row) and row["arm"] != "v from g^2")
    finding = correction.conclude(made_up_study(tmp_path), [made_up_model("bert", 1)], [], table)
    (claim,) = [claim for claim in finding.claims if "at the same step" in claim.asks]
    assert claim.holds is True
    assert "[v from g^2]" in claim.found


@pytest.mark.slow
def test_without_failures_nothing_is_claimed_of_them(tmp_path):
    table = made_up_trials(lambda row: False)
    finding = correction.conclude(made_up_study(tmp_path), [made_up_model("bert", 1)], [], table)
    assert [claim.holds for claim in finding.claims][:3] == [None] * 3
    (tells,) = [claim for claim in finding.claims if "AUC" in claim.asks]
    assert tells.holds is None
    assert "no trial failed" in tells.found


def test_the_page_and_the_terminal(found, capsys):
    study, finding = found
    page = write_page(study.config.out, ["correction"])
    read = Page(page.read_text())
    assert not read.open
    text = page.read_text()
    assert '<section id="correction">' in text
    assert text.count("<img ") == 3
    for words in (
        "docs/study/correction.md",
        "<li>[untuned warm-up] against [none]: at one learning rate ",
        "<li>Best rates, albert, b2 0.98: [none] ",
        "history has no norms",
        "than [none]: at one learning rate [schedule], [schedule and eps], [clipping],",
    ):
        assert words in text
    say_finding(finding)
    said = capsys.readouterr().out
    assert "Over all learning rates" in said
    assert "Best rates" not in said
    names = {file.name for file in study.folder("correction").iterdir()}
    pictures = {
        f"{n}.{s}" for n in ("figure", "figure_best", "figure_depth") for s in ("png", "svg")
    }
    assert pictures <= names


def test_what_is_less_than_the_plan_is_said(found, tmp_path, trials):
    assert not any("Not all of the plan" in note for note in found[1].notes)
    study = made_up_study(tmp_path, "correction", pretrainings=1, b2_values=(0.999,))
    finding = correction.conclude(study, [made_up_model("bert", 1.4)], [], trials)
    assert (
        "Not all of the plan: pretrainings 1 in place of 3, b2_values 0.999 in place of 0.98 0.999."
        in finding.notes
    )


def test_models_that_have_not_learnt_are_left_out():
    """One too high, and one whose pre-training diverged, which moves no median."""
    losses = {"a": 1.4, "e": np.nan, "b": 1.45, "c": 1.7}
    models = [made_up_model(name, loss) for name, loss in losses.items()]
    shallow = made_up_model("d", 1.64, layers=12)
    kept, left_out = equal_ones([*models, shallow])
    assert [model.wanted.family for model in kept] == ["a", "b", "d"]
    assert [model.wanted.family for model in left_out] == ["e", "c"]


def test_the_plan_is_that_of_the_page(tmp_path):
    words = plan_words(made_up_study(tmp_path, "correction"))
    assert words.startswith(
        "Plan: 12 models of 24 layers and 6 models of 12 layers, each pre-trained for 3,700 steps;"
        " 2,700 trials of 189 steps."
    )
    study = made_up_study(tmp_path, "correction")
    names = [runs.name for runs in runs_of(study, Wanted("albert", 0, 24))]
    assert names == ["corrections"]


def test_other_tasks_are_refused(tmp_path):
    with pytest.raises(UserError, match="leave --tasks out"):
        correction.run(made_up_study(tmp_path, "correction", tasks=("rte",)))


def test_a_dry_run_prints_the_plan_and_leaves_nothing(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["correction", "--dry_run", "true", "--smoke", "true", "--out", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Plan: 4 models of 2 layers and 2 models of 1 layer, each pre-trained for 30" in said
    assert "Pre-training bert-0-layers-02" in said
    assert not out.exists()


def test_it_is_no_part_of_all(tmp_path):
    assert "correction" not in FIGURES
    assert parse(["correction", "--out", str(tmp_path)]).figure == "correction"


@pytest.fixture(scope="module")
def smoked(tmp_path_factory):
    out = tmp_path_factory.mktemp("smoke") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_module, "MINIATURE_SENTENCES", 2000)
        assert main(["correction", "--smoke", "true", "--out", str(out)]) == 0
        yield out


@pytest.mark.storm
def test_smoke_runs_every_arm_of_every_model(smoked):
    table = pd.read_parquet(smoked / "correction" / "trials.parquet")
    deep = table[table["layers"] == 2]
    assert set(deep.loc[deep["family"] == "bert", "arm"]) == set(ARMS)
    assert set(deep.loc[deep["family"] == "albert", "arm"]) == set(ARMS[:4])
    assert set(table["family"]) == set(NORMS)
    assert len(table) == 2 * 2 * 2 * (4 + 4 + 10 + 10) + 2 * 2 * 2 * 2
    # What is alike but for the links has one learning rate and step size where they are off.
    for name in ("bert-0-layers-02", "modernbert-0-layers-02"):
        rows = read_rows(smoked / "sweeps" / f"warmup-miniature-{name}")
        assert {row["untuned_warmup"] for row in rows} == {True}
        assert {row["seed"] for row in rows} == {0, 1000}
    finding = json.loads((smoked / "correction" / "finding.json").read_text())
    assert len(finding["claims"]) == 10
    assert '<section id="correction">' in (smoked / "study.html").read_text()


@pytest.mark.storm
def test_smoke_goes_on_from_what_is_there(smoked, capsys):
    """Without a sweep and a model, these are made again, and the numbers are the same."""
    before = pd.read_parquet(smoked / "correction" / "trials.parquet")
    kept = {f: f.stat().st_mtime_ns for f in smoked.glob("models/*/model.safetensors")}
    shutil.rmtree(smoked / "sweeps" / "moments-miniature-bert-0-layers-02")
    assert main(["correction", "--smoke", "true", "--out", str(smoked)]) == 0
    said = capsys.readouterr().out
    assert "Pre-training" not in said
    assert {f: f.stat().st_mtime_ns for f in kept} == kept
    after = pd.read_parquet(smoked / "correction" / "trials.parquet")
    pd.testing.assert_frame_equal(before, after)
