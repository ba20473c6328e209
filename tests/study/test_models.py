"""The studies of several models: a BERT, a RoBERTa and an ALBERT, each with its family's
settings.
"""

import pandas as pd
import pytest
from studying import tiny_study
from tiny import LAYERS, write_tiny_model

from jaxtune.storage.trial_rows import read_rows
from jaxtune.study.__main__ import main
from jaxtune.study.context import FAMILY_SETTINGS
from jaxtune.study.drawing.draw import draw
from jaxtune.study.figures import bias_correction, gradient_norms
from jaxtune.study.finding import write_finding

MODELS = ["model", "roberta", "albert"]  # names of the folders; the first is a BERT


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    more = [str(write_tiny_model(folder / name, family=name)) for name in MODELS[1:]]
    return tiny_study(
        folder,
        "gradient_norms",
        more_models=tuple(more),
        num_seeds=4,
        grid_seeds=2,
        held_out_seeds=2,
        learning_rates=(1e-3, 1e-2),
        log_every=1,
    )


def concluded(study, module, figure):
    """The study run to its end, pictures drawn; its folder and finding."""
    finding = module.run(study)
    write_finding(study.folder(figure), figure, finding, {})
    draw(study.folder(figure))
    return study.folder(figure), finding


@pytest.mark.storm
def test_gradient_norms_of_three_families(study):
    folder, finding = concluded(study, gradient_norms, "gradient_norms")
    norms = pd.read_parquet(folder / "norms.parquet")
    assert norms["model"].unique().tolist() == MODELS
    blocks = norms[norms["layer"] >= 0].groupby("model")["layer"].nunique().to_dict()
    assert blocks == {"model": LAYERS, "roberta": LAYERS, "albert": 1}
    assert (norms.groupby("model")["trial"].nunique() == 4).all()  # two of either kind
    assert (norms["value"] > 0).all()
    assert set(finding.numbers) == set(MODELS)
    for model in MODELS:
        assert f"{model}: in the second half" in finding.here
    assert {"figure.png", "figure_kinds.png"} <= {file.name for file in folder.iterdir()}


@pytest.mark.storm
def test_bias_correction_of_three_families(study):
    folder, finding = concluded(study, bias_correction, "bias_correction")
    trials = pd.read_parquet(folder / "trials.parquet")
    grid = trials[trials["role"] == "grid"]
    arms = grid.groupby(["model", "learning_rate", "bias_correction"], sort=False).size()
    assert len(arms) == 3 * 2 * 2
    assert (arms == 2).all()
    b2 = grid.groupby("model")["adam_b2"].unique().map(list).to_dict()
    assert b2 == {"model": [0.999], "roberta": [0.98], "albert": [0.999]}
    for model in MODELS:
        assert f"{model}, failed without and with correction" in finding.here
    # What is open is asked of the first model alone.
    assert set(trials.loc[trials["role"] != "grid", "model"]) == {"model"}
    assert (folder / "figure.png").exists()


@pytest.mark.storm
def test_each_family_has_its_settings_also_on_the_packaged_task(study):
    for name in MODELS[1:]:
        rows = read_rows(study.main(model=str(study.config.out.parent / name)))
        for row in rows:
            own = {field: row[field] for field in ("adam_b2", "weight_decay", "max_grad_norm")}
            expected = {"adam_b2": 0.999, "weight_decay": 0.01, "max_grad_norm": None}
            expected |= {k: v for k, v in FAMILY_SETTINGS[name].items() if k in own}
            assert own == expected


@pytest.mark.parametrize("figure", ["gradient_norms", "bias_correction", "all"])
@pytest.mark.parametrize(
    ("second", "sentence"),
    [("nowhere", "There is no folder"), ("other/model", "have the same name")],
)
def test_a_wrong_second_model_is_refused_before_any_sweep(
    tmp_path, capsys, figure, second, sentence
):
    first = write_tiny_model(tmp_path / "model")
    write_tiny_model(tmp_path / "other" / "model")
    out, text = tmp_path / "out", tmp_path / "text.txt"
    text.write_text("the dog sleeps\n")
    flags = ["--model", str(first), "--more_models", str(tmp_path / second), "--text", str(text)]
    assert main([figure, *flags, "--smoke", "true", "--out", str(out)]) == 1
    assert sentence in capsys.readouterr().err
    assert not (out / "sweeps").exists()
