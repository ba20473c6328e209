"""What is left out of a report's tables and drawings: never what decided, and never silently."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import RECIPE, made_up_arm, made_up_rows, write_made_up_sweep
from pages import Page
from test_figures import record, records, source

from jaxtune.report import contents, task_contents
from jaxtune.report.__main__ import main
from jaxtune.report.contents import sections
from jaxtune.report.findings import find
from jaxtune.report.grid_tables import main_effects_table
from jaxtune.report.pair_tables import new_examples_table, order_table, pairs_table
from jaxtune.report.sources import DEV, LOSS
from jaxtune.report.tables import MOST_PAIRS
from jaxtune.report.tasks import ManyFindings
from jaxtune.stats.holm import Corrected
from jaxtune.stats.intervals import Estimate
from jaxtune.stats.tasks_words import judge_tasks

NOTE = f"Of 25 pairs the {MOST_PAIRS} with the smallest p are shown."
SCORES = [0.7, 0.8, 0.9]


def titled(found, title):
    return next(section for section in sections(found) if section.title == title)


def write_losses_alone(top):
    """As of transformers' Trainer with results, and a log of training losses."""
    for arm, seed in itertools.product(("lr=2e-5", "lr=5e-5"), range(3)):
        folder = top / arm / f"seed_{seed}"
        folder.mkdir(parents=True)
        (folder / "all_results.json").write_text(json.dumps({"eval_accuracy": SCORES[seed]}))
        log = [{"step": step, "loss": 1 / step} for step in (10, 20, 30)]
        (folder / "trainer_state.json").write_text(json.dumps({"log_history": log}))


@pytest.mark.parametrize("floor", [(), ("--floor", "0.5")])
def test_runs_that_log_losses_alone_have_no_panels_of_the_dev_set(floor, tmp_path):
    write_losses_alone(tmp_path)
    assert main([str(tmp_path), *floor]) == 0
    text = (tmp_path / "report.html").read_text()
    assert Page(text).open == []
    training = text.split("<h2>Training</h2>")[1].split("</section>")[0]
    assert training.count("<figure>") == training.count("training loss</figcaption>") == 2
    # No floor is drawn, and without one nothing is said to have succeeded.
    assert "best constant prediction" not in training
    assert ("successful" in training) == bool(floor)


def test_each_arm_has_the_panels_that_it_has_curves_for():
    curves = {"loss": {LOSS: [1.0]}, "dev": {DEV: [0.7]}, "none": {}}
    made = [
        source([record(row, of) for row in made_up_rows(SCORES, name, bias_correction=True)])
        for name, of in curves.items()
    ]
    panels = titled(find(made), "Training").panels
    assert {panel.title for panel in panels} == {
        "loss: training loss",
        "dev: accuracy on the dev set",
    }
    assert not any(section.title == "Training" for section in sections(find(made[2:])))


def of_p(p):
    return Corrected(p, 0.05)


def test_pairs_over_tasks_that_decided_are_shown():
    """By whichever test, first the smallest p, an exact 0 too."""
    arms = {name: made_up_arm(SCORES, name) for name in "ab"}
    verdict = judge_tasks({"rte": arms, "cola": arms})
    (pair,) = verdict.pairs
    open_ = {
        f"corrected_{kind}": of_p(1.0 if kind == "failures" else None)
        for kind in ("failures", "spread", "location")
    }
    pairs = [pair._replace(one=f"open{i}", **open_) for i in range(22)]
    pairs += [
        pair._replace(one=kind, **open_ | {f"corrected_{kind}": of_p(p)})
        for kind, p in (("location", 0.01), ("spread", 0.001), ("failures", 0.0))
    ]

    def table_of(pairs):
        changed = verdict._replace(pairs=tuple(pairs))
        return task_contents.pairs_table(ManyFindings((), {}, changed, {}, {}))

    table = table_of(pairs)
    assert len(table.rows) == MOST_PAIRS
    first = [row[0].split("\n")[0] for row in table.rows[:3]]
    assert first == ["failures", "spread", "location"]
    assert table.note.endswith(NOTE)
    assert "are shown" not in table_of(pairs[5:]).note


def test_tables_of_pairs_say_how_many_are_shown():
    found = find(
        [source(records([[1.0]] * 3, SCORES, name=name, bias_correction=True)) for name in "ab"]
    )
    (pair,) = found.verdict.comparisons
    new = SimpleNamespace(difference=Estimate(0.0), from_seeds=0.01, from_examples=2e-6)
    same = pair._replace(new_examples=new)
    many = found.verdict._replace(comparisons=(same,) * 25, open_pair=same)
    for make in (pairs_table, order_table, new_examples_table):
        assert "are shown" not in (make(found) or SimpleNamespace(note="")).note
        table = make(found._replace(verdict=many))
        assert len(table.rows) == MOST_PAIRS
        assert table.note.endswith(NOTE)
    # Of errors none but 0 looks like 0, and 0 has no sign.
    assert table.rows[0][3:] == ("0.010000", "0.000002")
    assert table.rows[0][2] == "+0.000"


def test_of_pairs_that_holm_ties_the_clearest_are_shown_and_the_one_that_is_named():
    """Nearly every corrected p is 1: the first pairs of all were shown, and the note said more."""
    found = find(
        [source(records([[1.0]] * 3, SCORES, name=name, bias_correction=True)) for name in "ab"]
    )
    (pair,) = found.verdict.comparisons
    alone = pair.tests.spread._replace(p=0.5)

    def at(number, p):
        tests = pair.tests._replace(spread=alone._replace(p=p), location=alone, failures=alone)
        tied = {name: of_p(1.0) for name in ("failures", "spread", "location")}
        return pair._replace(one=str(number), tests=tests, **tied)

    pairs = [at(number, 0.4 - number / 100) for number in range(30)]
    named = at("named", 0.45)
    verdict = found.verdict._replace(comparisons=(*pairs, named), open_pair=named)
    table = pairs_table(found._replace(verdict=verdict))
    shown = [row[0].split("\n")[0] for row in table.rows]
    assert shown == [*map(str, range(29, 9, -1)), "named"]
    assert " Of 31 pairs the 20 with the smallest p are shown, and the one that the" in table.note


def test_main_effects_that_decided_are_shown():
    settings = itertools.product((0, 1), (True, False))
    arms = [
        source(
            records(
                [[1.0]] * 3, SCORES, name=f"{decay} {on}", weight_decay=decay, bias_correction=on
            )
        )
        for decay, on in settings
    ]
    found = find(arms)
    effect = found.verdict.main_effects[0]._replace(
        corrected_failures=of_p(1.0), corrected_spread=of_p(None), corrected_location=of_p(None)
    )
    effects = [effect._replace(setting="open")] * 23
    effects += [
        effect._replace(
            setting="spread",
            corrected_spread=of_p(0.01),
            location=effect.location._replace(effect=-1e-9),
        ),
        effect._replace(setting="failures", corrected_failures=of_p(0.0)),
    ]
    verdict = found.verdict._replace(main_effects=tuple(effects))
    table = main_effects_table(found._replace(verdict=verdict))
    assert [row[0].split("\n")[0] for row in table.rows[:3]] == ["failures", "spread", "open"]
    assert table.rows[1][5] == "+0.00"
    assert table.note.endswith(NOTE)


@pytest.mark.usefixtures("undrawn")
def test_arms_without_a_rate_curve_are_counted(monkeypatch):
    arms = [
        source(records([[1.0]] * 3, SCORES, name=name, bias_correction=True, learning_rate=rate))
        for name, rate in (("a", 1e-5), ("b", 2e-5), ("c", 3e-5), ("d", 1e-5))
    ]
    assert "Curves are drawn" not in titled(find(arms), "Effective learning rate").lede
    monkeypatch.setattr(contents, "MOST_ARMS", 2)
    assert "Curves are drawn for 3 of 4 arms" in titled(find(arms), "Effective learning rate").lede


@pytest.mark.slow
def test_bands_are_told_of_where_they_are_drawn():
    arms = [
        source(records([[1.0]] * 3, SCORES, name=name, bias_correction=True)) for name in "abcd"
    ]
    for number, told in ((3, True), (4, False)):
        section = titled(find(arms[:number]), "Final scores")
        assert ("with one standard deviation of it" in section.note) == told
        # A band is a filled shape, of which nothing else there is any.
        assert ("fill-opacity" in section.panels[1].svg) == told
        assert "expected to score. That" in section.note.replace(
            ", with one standard deviation of it", ""
        )


def profiles_of(tmp_path, names, steady):
    """The section of a report on two tasks, in which one recipe scatters less than the others."""
    rng = np.random.default_rng(0)
    rows = [
        {"task": task, "arm": arm, "seed": seed, "floor": 0.5}
        | {"score": 0.8 + (0.001 if arm == steady else 0.05) * rng.uniform(-1, 1)}
        for task in ("t1", "t2")
        for arm in names
        for seed in range(8)
    ]
    file = tmp_path / "scores.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    assert main([str(file)]) == 0
    page = (tmp_path / "scores_report" / "report.html").read_text()
    return page.split("<h2>Performance profiles</h2>")[1].split("</section>")[0]


def test_profiles_are_of_the_leader_first(tmp_path, monkeypatch):
    monkeypatch.setattr(task_contents, "MOST_ARMS", 2)
    section = profiles_of(tmp_path, "ABC", steady="C")
    assert section.index("<span>C</span>") < section.index("</ul>")
    assert section.count("<span>") == 2
    assert "Curves are drawn for 2 of 3 recipes" in section
    assert "95% bands" in section


@pytest.mark.slow
def test_profiles_of_many_recipes_have_no_bands(tmp_path):
    section = profiles_of(tmp_path, "ABCD", steady="D")
    assert section.count("<span>") == 4
    assert "Curves are drawn" not in section
    assert "95% bands" not in section


@pytest.mark.usefixtures("undrawn")
def test_settings_do_not_overwrite_statistics(tmp_path):
    """Neither of an arm, nor the folder of a trial."""
    scores = {"off": [0.7, 0.8], "on": [0.7, 0.9]}
    outs = [
        write_made_up_sweep(
            tmp_path / name,
            {f"{name} {arm}": own for arm, own in scores.items()},
            **RECIPE | {"n": 1000, "std": 0.1, "expected_best_of_1": None, "folder": "mine"},
        )
        for name in ("one", "two")
    ]
    assert main([*map(str, outs), "--to", str(tmp_path / "to")]) == 0
    arms = pd.read_csv(tmp_path / "to" / "arms.csv").set_index("arm")
    assert arms["n"].tolist() == [2] * 4
    assert arms.loc["one off", "std"] == pytest.approx(np.std([0.7, 0.8], ddof=1))
    assert arms["setting_n"].tolist() == [1000] * 4
    assert arms["setting_std"].tolist() == [0.1] * 4
    assert arms.loc["two on", "expected_best_of_1"] == pytest.approx(0.8)
    assert arms["folder"].tolist() == ["mine"] * 4
    trials = pd.read_csv(tmp_path / "to" / "trials.csv")
    assert trials["folder"].tolist() == ["one"] * 4 + ["two"] * 4
    assert trials["setting_folder"].tolist() == ["mine"] * 8
    assert trials["n"].tolist() == [1000] * 8
