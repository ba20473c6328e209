"""Exports that are refused: of what is not there, into a folder in use, of parameters or answers
that have changed.
"""

import json
import shutil

import numpy as np
import pytest
from animals import FAILS, LEARNS, usable
from exporting import export

from jaxtune.storage.kept_params import load_params, save_params


def without_digests(out):
    """Rows as earlier versions wrote them, which do not vouch for parameters."""
    file = out / "trials.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        del row["params_sha256"], row["row_sha256"]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["worst"], "'worst'; give best, ensemble, soup, or the number"),
        (["10"], "no finished trial 10"),
        (["0", "--arm", "other"], r"no arm [other]; it has [learning_rate=0.001] and ["),
        (["1", "--arm", LEARNS], "no finished trial 1 "),
        (["ensemble"], "give --arm with the name of [learning_rate=0.001] or ["),
        (["soup"], "holds 2 arms, and a soup is made of one"),
        (["best", "--arm", FAILS], "All 5 trials"),
        (["soup", "--arm", FAILS], "All 5 trials"),
    ],
)
def test_refusals(swept_animals, tmp_path, capsys, arguments, sentence):
    """One sentence, status 1, and nothing left behind."""
    assert export(swept_animals, arguments[0], tmp_path / "hf", *arguments[1:]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert sentence in error
    assert not any(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_refused(swept_animals, tmp_path, capsys):
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "mine.txt").touch()
    assert export(swept_animals, "best", tmp_path / "hf") == 1
    assert "not an empty folder" in capsys.readouterr().err
    assert export(swept_animals, "best", tmp_path / "hf" / "mine.txt") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["hf", "mine.txt"]
    assert export(tmp_path / "nothing", "best", tmp_path / "new") == 1
    assert "holds no sweep" in capsys.readouterr().err


@pytest.mark.parametrize("step", ["final", "best"])
@pytest.mark.parametrize("trial", ["its number", "ensemble", "soup"])
def test_parameters_of_another_trial_are_refused(swept_animals, tmp_path, capsys, step, trial):
    out = tmp_path / "out"
    shutil.copytree(swept_animals, out)
    number = usable(out).trial.iloc[-1]
    own = out / "params" / f"{number:05d}"
    shutil.rmtree(own)
    shutil.copytree(out / "params" / "00001", own)
    trial = number if trial == "its number" else trial
    assert export(out, trial, tmp_path / "hf", "--arm", LEARNS, "--step", step) == 1
    assert capsys.readouterr().err.endswith(
        f"error: {out}: params/{own.name} has changed since it was written; give the sweep's"
        " command again, and it repeats that trial.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_best_parameters_must_give_the_best_score(swept_animals, tmp_path, capsys):
    """Where a row does not vouch for them."""
    out = tmp_path / "out"
    shutil.copytree(swept_animals, out)
    without_digests(out)
    number = usable(out).trial.iloc[0]
    best = out / "params" / f"{number:05d}" / "best"
    shutil.rmtree(best)
    shutil.copytree(out / "params" / "00001" / "best", best)
    assert export(out, number, tmp_path / "hf", "--step", "best") == 1
    assert f"{best} does not give the score in trials.jsonl: the " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert export(out, 1, tmp_path / "hf", "--step", "best") == 0


def test_changed_predictions_are_refused(swept_animals, tmp_path, capsys):
    """Also where they are as close as rounding leaves them, for an ensemble is scored by them."""
    out = tmp_path / "out"
    shutil.copytree(swept_animals, out)
    kept = out / "predictions" / "00000.npy"
    np.save(kept, np.nextafter(np.load(kept), np.float32(np.inf)))
    assert export(out, 0, tmp_path / "hf") == 1
    assert f"{kept} is missing or damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_missing_and_changed_parameters(swept_animals, tmp_path, capsys):
    """What was never kept, and what no longer gives the saved predictions, is refused by name,
    where a row does not vouch for it.
    """
    out = tmp_path / "out"
    shutil.copytree(swept_animals, out)
    without_digests(out)
    final = out / "params" / "00000" / "final"
    kept = out / "predictions" / "00000.npy"
    kept.rename(tmp_path / "kept.npy")
    assert export(out, 0, tmp_path / "hf") == 1
    assert "00000.npy is missing or damaged" in capsys.readouterr().err
    (tmp_path / "kept.npy").rename(kept)
    params = load_params(final)
    params["head/classifier/bias"] = params["head/classifier/bias"] + np.float32([0.5, 0.0])
    save_params(final, params)
    assert export(out, 0, tmp_path / "hf") == 1
    assert "does not give the logits in" in capsys.readouterr().err
    save_params(final, {name: array[..., :1] for name, array in params.items()})
    assert export(out, 0, tmp_path / "hf") == 1
    assert "which has changed since" in capsys.readouterr().err
    for file in final.rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    assert export(out, 0, tmp_path / "hf") == 1
    assert "is damaged and cannot be read" in capsys.readouterr().err
    shutil.rmtree(out / "params")
    assert export(out, 0, tmp_path / "hf") == 1
    assert "--save_params final --out OTHER" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
