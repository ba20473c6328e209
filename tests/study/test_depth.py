"""The study of depth: its rule on made-up sweeps, and the order of the models it is given."""

import json

import pytest
from studies import add_sweep, made_up_study, pictures

from jaxtune.models.pretrained import locate
from jaxtune.study.__main__ import main
from jaxtune.study.figures import depth

LAYERS = {"shallow": 2, "middle": 10, "deep": 12}
SCORES = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.92, 0.94]


def folder_of(folder, layers):
    """A model's folder of which the config alone is there."""
    folder.mkdir()
    raw = json.loads((locate("miniature") / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(raw | {"num_hidden_layers": layers}))
    return str(folder)


def depths(tmp_path, *failed, names=tuple(LAYERS)):
    """Models of three depths, of whose eight trials without correction so many fail; they are
    given to the study in the order of `names`.
    """
    folders = {name: folder_of(tmp_path / name, layers) for name, layers in LAYERS.items()}
    study = made_up_study(tmp_path, depth_models=tuple(folders[name] for name in names))
    for name, count in zip(LAYERS, failed, strict=True):
        arms = [
            ({"bias_correction": False}, [0.6] * count + SCORES[count:]),
            ({"bias_correction": True}, SCORES),
        ]
        add_sweep(study, f"depth-{name}", arms, model=name)
    return study


@pytest.mark.parametrize("names", [tuple(LAYERS), ("deep", "shallow", "middle")])
def test_depth_makes_it_fail(tmp_path, names):
    """In whatever order the models are given: 12 is more than 2, if not as a text."""
    study = depths(tmp_path, 0, 2, 7, names=names)
    finding = depth.run(study)
    assert finding.agrees == "yes"
    assert finding.claims[0].found == "shallow 0 of 8, middle 2 of 8, deep 7 of 8"
    assert "deep: 7 of 8 failed" in finding.here
    assert finding.claims[1].found.startswith("7 of 8 against 0 of 8 failed, +88 points")
    assert pictures(study.folder("depth")) == ["figure"]


@pytest.mark.parametrize(("failed", "agrees"), [((7, 2, 0), "no"), ((2, 2, 3), "in part")])
def test_depth_does_not(tmp_path, failed, agrees):
    assert depth.run(depths(tmp_path, *failed)).agrees == agrees


def test_models_of_one_depth_are_refused_before_any_sweep(tmp_path, capsys):
    models = [folder_of(tmp_path / name, 4) for name in ("one", "other")]
    out = tmp_path / "out"
    assert main(["all", "--depth_models", *models, "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{models[0]} and {models[1]} of depth_models both have 4 layers; give" in error
    assert not out.exists()
