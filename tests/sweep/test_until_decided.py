"""Seeds are added look by look until the verdict is decided; what has run is that of a plain sweep.

Five steps decide nothing about recipes: these tests say what is decided, but for those of made-up
scores.
"""

import pytest
from made_up import RECIPE, made_up_rows, write_made_up_sweep
from same_results import assert_same_trials
from small_sweep import EVERYTHING, command

import jaxtune
from jaxtune.config.parse import parse
from jaxtune.core.records import AtOnce
from jaxtune.storage.trial_rows import append_rows
from jaxtune.sweep import reading, run, train
from jaxtune.sweep.__main__ import main
from jaxtune.sweep.asked import asked_for
from jaxtune.sweep.conclude import is_decided
from jaxtune.sweep.reading import with_sizes
from jaxtune.training.plan import make_plans

LOOKS = (*EVERYTHING, "--until_decided", "--num_seeds", "1", "--max_seeds", "3")


def deciding(monkeypatch, at):
    """The verdict is decided with so many trials; returns how many it was asked for."""
    asked = []

    def decided(out, config, num_trials):
        asked.append(num_trials)
        return num_trials == at

    monkeypatch.setattr(train, "is_decided", decided)
    return asked


@pytest.mark.slow
def test_undecided_it_is_the_sweep_of_all_seeds(tiny, swept, tmp_path, monkeypatch, capsys):
    asked = deciding(monkeypatch, at=None)
    assert main(command(tiny, tmp_path / "out", *LOOKS)) == 0
    assert asked == [2, 4]  # after the last look there is nothing to go on to
    assert_same_trials(swept, tmp_path / "out")
    said = capsys.readouterr().out
    assert "looked at after 1, 2 and 3 seeds per arm" in said
    assert "After 1 seed per arm none was shown to be more stable than all others: going" in said
    # Of 1, 2 and 3 seeds each look has a third of the level.
    plain, looked = (jaxtune.load_results(out).verdict for out in (swept, tmp_path / "out"))
    assert [v.numbers.comparisons[0].times for v in (plain, looked)] == [1, 3]
    assert "Every p counts 3 times for that" in repr(looked)
    assert "fixed beforehand: whoever adds seeds" in repr(plain)


def test_decided_it_ends_and_stays_so(tiny, tmp_path, monkeypatch, capsys):
    deciding(monkeypatch, at=4)
    out = tmp_path / "out"
    assert main(command(tiny, out, *LOOKS)) == 0
    assert sorted(jaxtune.load_results(out).trials["trial"]) == [0, 1, 2, 3]
    assert "trials have finished" not in repr(jaxtune.load_results(out).verdict)  # no part of it
    # Again: nothing is planned.
    monkeypatch.setattr(run, "make_plans", lambda *_: pytest.fail("nothing is left to plan"))
    capsys.readouterr()
    assert main(command(tiny, out, *LOOKS)) == 0
    said = capsys.readouterr().out
    assert "Read 64" not in said
    assert "Results:" in said


@pytest.mark.parametrize(("finished", "sought"), [(0, 2), (2, 2), (3, 1), (4, 2)])
def test_as_many_at_once_as_one_look_has(tiny, tmp_path, monkeypatch, finished, sought):
    """Of 2, 4 and 6 trials; what is found is of all that is left."""
    counts = []

    def sized(plan):
        counts.append(len(plan.pending))
        return plan.stacking(3)

    monkeypatch.setattr("jaxtune.training.plan.stacks_trials", lambda *_: True)
    monkeypatch.setattr(reading, "sized", sized)
    settings = parse(command(tiny, tmp_path / "out", *LOOKS))
    asked = asked_for(settings)
    # Of an older version, whose rows do not tell what to keep.
    done = {number: AtOnce(7, None) for number in range(finished)}
    (plan,) = with_sizes(asked, make_plans(asked.trials, done))
    assert counts == [sought]
    assert (plan.per_device, len(plan.pending)) == (3, 6 - finished)


def rows_of(scores):
    """Of two arms, numbered seed by seed."""
    arms = [made_up_rows(own, name, trivial=0.5, **RECIPE) for name, own in scores.items()]
    for number, rows in enumerate(arms):
        for row in rows:
            row |= {"trial": 2 * row["trial"] + number, "seed": row["trial"]}
    return sorted((row for rows in arms for row in rows), key=lambda row: row["trial"])


def test_what_decides(tmp_path):
    """With 8 seeds: 7 failures against none, but not 4 against 2; and nothing but failures."""
    config = parse(
        ["--grid.bias_correction", "false", "true", "--until_decided", "--num_seeds", "8"]
    ).base
    good = [0.8 + 0.001 * i for i in range(16)]
    cases = {
        "clear": ({"off": [0.5] * 7 + good[:1], "on": good[:8]}, True),
        "open": ({"off": [0.5] * 4 + good[:4], "on": [0.5] * 2 + good[:6]}, False),
        "failed": ({"off": [0.5] * 8, "on": [0.5] * 8}, True),
        # The first 8 of 16 decide nothing, whatever comes after.
        "later": ({"off": good[:8] + [0.5] * 8, "on": good}, False),
    }
    for name, (scores, expected) in cases.items():
        write_made_up_sweep(tmp_path / name, scores)
        (tmp_path / name / "trials.jsonl").unlink()
        append_rows(tmp_path / name, rows_of(scores))
        assert is_decided(tmp_path / name, config, 16) is expected, name
    assert not is_decided(tmp_path / "clear", parse([]).base, 16)


@pytest.mark.parametrize(("seeds", "expected"), [(1, False), (2, False), (3, True)])
def test_few_failures_are_no_reason_to_stop(tmp_path, seeds, expected):
    """Recipes that fail in half of their trials fail in 4 of 4 in 6 of 100 sweeps."""
    config = parse(
        ["--grid.bias_correction", "false", "true", "--until_decided", "--num_seeds", str(seeds)]
    ).base
    scores = {"off": [0.5] * seeds, "on": [0.5] * seeds}
    write_made_up_sweep(tmp_path, scores)
    (tmp_path / "trials.jsonl").unlink()
    append_rows(tmp_path, rows_of(scores))
    assert is_decided(tmp_path, config, 2 * seeds) is expected
