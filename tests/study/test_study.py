"""The command, end to end: every study in its smallest version on a tiny model, its page, its
plans, what it refuses.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pages import Page

from jaxtune.core.errors import UserError
from jaxtune.data import corpus as corpus_module
from jaxtune.storage.trial_rows import read_rows
from jaxtune.study.__main__ import main
from jaxtune.study.context import FAMILY_SETTINGS, family_settings
from jaxtune.study.drawing.draw import draw
from jaxtune.study.finding import FINDING
from jaxtune.study.settings import FIGURES, parse

CONFIGS = Path(__file__).parents[2] / "configs" / "study"
OURS = [
    *("baselines", "small_data", "gradient_norms", "bias_correction", "depth"),
    *("generalization", "ablation", "training_curves"),
]
FIELDS = {"figure", "title", "paper", "here", "agrees", "why", "claims", "numbers", "notes"}


@pytest.fixture(scope="module", autouse=True)
def few_sentences():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_module, "MINIATURE_SENTENCES", 2000)
        yield


@pytest.fixture(scope="module")
def command(tiny, tmp_path_factory):
    """Folder and flags of the studies that these tests share."""
    out = tmp_path_factory.mktemp("study") / "out"
    text = out.parent / "text.txt"  # of forgetting, for a model of one's own
    text.write_text("\n".join(corpus_module.miniature_held_out()) + "\n")
    flags = ["--model", tiny, "--text", str(text), "--smoke", "true", "--out", str(out)]
    return out, flags


@pytest.fixture(scope="module")
def studied(command):
    """Each study once, by its own command; they share the default recipe's sweep."""
    out, flags = command
    for figure in OURS:
        assert main([figure, *flags]) == 0
    return out


def finding_of(out, figure):
    return json.loads((out / figure / FINDING).read_text())


@pytest.mark.storm
def test_one_study_by_its_command(command, capsys):
    """Sweeps, table, numbers, picture and sentence of the smallest study belong together."""
    out, flags = command
    assert main(["baselines", *flags]) == 0
    assert "Results" in capsys.readouterr().out
    finding = finding_of(out, "baselines")
    assert set(finding) == FIELDS | {"command", "settings", "seconds"}
    table = pd.read_parquet(out / "baselines" / "trials.parquet")
    sweeps = {"devlin": "main", "mixout": "mixout", "mosbach": "stable"}
    for recipe, name in sweeps.items():
        rows = read_rows(out / "sweeps" / f"{name}-miniature")
        rows = [row for row in rows if recipe != "devlin" or not row["bias_correction"]]
        own = table[table["recipe"] == recipe].set_index("seed")["final"].to_dict()
        assert own == {row["seed"]: row["final"] for row in rows}
        numbers = finding["numbers"]["miniature"][recipe]
        assert numbers["n"] == len(rows)
        assert numbers["failed"]["count"] == sum(row["failed"] for row in rows)
        assert numbers["mean"]["value"] == pytest.approx(np.mean(list(own.values())))
        assert f"{recipe}: " in finding["here"]
    assert {"figure.png", "figure.svg"} <= {file.name for file in (out / "baselines").iterdir()}


@pytest.mark.storm
@pytest.mark.parametrize("figure", OURS)
def test_each_study_says_what_it_found(studied, figure):
    finding = finding_of(studied, figure)
    assert set(finding) == FIELDS | {"command", "settings", "seconds"}
    assert finding["agrees"] in ("yes", "no", "in part", "cannot say")
    assert finding["here"]
    assert finding["command"][3] == figure
    numbers = [file for file in (studied / figure).iterdir() if file.suffix == ".parquet"]
    drawn = [file for file in (studied / figure).iterdir() if file.suffix in (".png", ".svg")]
    if "nothing to show" in finding["here"] or "no training of one" in finding["here"]:
        assert finding["agrees"] == "cannot say"
        assert not drawn
    else:
        assert numbers
        assert {"figure.png", "figure.svg"} <= {file.name for file in drawn}


@pytest.mark.storm
def test_an_untrained_model_has_no_failed_and_successful_trials_to_compare(studied):
    rows = read_rows(studied / "sweeps" / "main-miniature")
    kinds = {row["failed"] for row in rows if not row["bias_correction"]}
    assert len(kinds) == 1
    for figure in ("gradient_norms", "training_curves"):
        here = finding_of(studied, figure)["here"]
        assert "None of the 3 trials of [bias_correction=false]" in here


@pytest.mark.storm
def test_the_numbers_are_those_of_the_sweeps(studied):
    table = pd.read_parquet(studied / "baselines" / "trials.parquet")
    rows = read_rows(studied / "sweeps" / "main-miniature")
    devlin = {row["seed"]: row["final"] for row in rows if not row["bias_correction"]}
    own = table[table["recipe"] == "devlin"]
    assert dict(zip(own["seed"], own["final"], strict=True)) == devlin
    assert finding_of(studied, "baselines")["numbers"]["miniature"]["mixout"]["n"] == 2


@pytest.mark.storm
def test_depth_pretrains_every_model_alike(studied):
    settings = [
        json.loads((studied / f"models/layers-{depth:02d}/pretraining.json").read_text())
        for depth in (1, 2)
    ]
    assert [s.pop("layers") for s in settings] == [[1, 1], [1, 2]]
    assert settings[0] == settings[1]
    losses = finding_of(studied, "depth")["numbers"]["held_out"]
    assert all(2 < loss < 6 for loss, _ in losses.values())


@pytest.mark.storm
def test_small_data_takes_as_many_steps_as_the_full_set(studied):
    table = pd.read_parquet(studied / "small_data" / "trials.parquet")
    steps = table.groupby("set")["num_steps"].unique().map(list).to_dict()
    assert steps == {"full set": [4], "as many epochs": [2], "as many steps": [4]}


@pytest.mark.storm
def test_all_goes_on_from_what_is_there(studied, command, capsys):
    out, flags = command
    written = {file: file.read_bytes() for file in out.glob("sweeps/*/trials.jsonl")}
    weights = (out / "models/layers-02/model.safetensors").stat().st_mtime_ns
    assert main(["all", *flags]) == 0
    assert "Compiled" not in capsys.readouterr().out
    assert {file: file.read_bytes() for file in out.glob("sweeps/*/trials.jsonl")} == written
    assert (out / "models/layers-02/model.safetensors").stat().st_mtime_ns == weights
    page = (out / "study.html").read_text()
    read = Page(page)
    assert not read.open
    assert all(value.startswith(("#", "data:")) for value in read.loaded)
    for figure in FIGURES:
        assert f'<section id="{figure}">' in page
    assert page.count("<img ") == len(list(out.glob("*/figure*.png")))


@pytest.mark.storm
def test_drawing_imports_no_jax(studied):
    folders = [str(studied / name) for name in ("baselines", "bias_correction", "ablation")]
    code = (
        "import sys; from pathlib import Path; from jaxtune.study.drawing.draw import draw; "
        "from jaxtune.study import page; from jaxtune.study.drawing import curves, norms; "
        "[draw(Path(folder)) for folder in sys.argv[1:]]; print('jax' in sys.modules)"
    )
    command = [sys.executable, "-c", code, *folders]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.storm
def test_a_picture_drawn_again_is_the_same(studied):
    before = (studied / "ablation" / "figure.svg").read_bytes()
    draw(studied / "ablation")
    assert (studied / "ablation" / "figure.svg").read_bytes() == before


@pytest.mark.storm
def test_another_config_in_the_same_folder_is_refused(studied, command, capsys):
    assert main(["baselines", *command[1], "--mixout", "0.5"]) == 1
    assert "holds the results of another config" in capsys.readouterr().err


@pytest.mark.slow
def test_a_dry_run_prints_plans_and_leaves_nothing(tiny, tmp_path, capsys):
    flags = ["--model", tiny, "--smoke", "true", "--dry_run", "true", "--out"]
    for figure in ("baselines", "depth"):
        assert main([figure, *flags, str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "Sweep mixout-miniature" in said
    assert "Pre-training 1 layers" in said
    assert not (tmp_path / "out").exists()


def glue_folder(folder):
    """RTE with as many rows as a plan needs."""
    (folder / "RTE").mkdir()
    lines = ["index\tsentence1\tsentence2\tlabel"]
    lines += [
        f"{i}\tthe captain praises the dogs\tthe dogs\t{('entailment', 'not_entailment')[i % 2]}"
        for i in range(40)
    ]
    for split in ("train", "dev"):
        (folder / "RTE" / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.storm
def test_the_papers_scale_is_the_same_code(tiny, tmp_path, capsys):
    flags = ["--config", str(CONFIGS / "paper.yaml"), "--model", tiny, "--random_weights", "true"]
    flags += ["--data_dir", str(glue_folder(tmp_path)), "--tasks", "rte", "--dry_run", "true"]
    assert main(["ablation", *flags, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "in all: 450 trials" in said
    assert said.count("peak learning rate 3e-05") == 6
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_config_parses(file, tmp_path):
    config = parse(["all", "--config", str(file), "--out", str(tmp_path)])
    assert config.num_seeds == 25
    assert config.learning_rate == 2e-5


def test_paper_settings(tmp_path):
    config = parse(["all", "--config", str(CONFIGS / "paper.yaml"), "--out", str(tmp_path)])
    arms = len(config.ablation_learning_rates) * len(config.ablation_epochs) * 2
    assert (arms, arms * config.ablation_seeds) == (18, 450)
    assert config.small_examples == 1000
    assert config.tasks == ("rte", "mrpc", "cola")


@pytest.mark.parametrize("family", FAMILY_SETTINGS)
def test_each_family_has_the_papers_settings(family, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    assert family_settings(str(tmp_path)) == FAMILY_SETTINGS[family]
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(UserError, match="names no BERT"):
        family_settings(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("num_seed: 3\n", "did you mean num_seeds"),
        ("- 3\n", "no mapping"),
        ("a: [\n", "is no YAML"),
        ("figure: depth\n", "figure is no field"),
        ("num_seeds: many\n", "num_seeds is 'many'"),
        ("learning_rates: [1e-4, low]\n", "learning_rates is 'low'"),
    ],
)
def test_a_bad_config_is_one_sentence(tmp_path, text, said, capsys):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    assert main(["depth", "--config", str(file), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--num_seeds", "-3"), "num_seeds is -3; give a number of at least 1."),
        (("--mask_rate", "7"), "mask_rate is 7.0; give a number above 0 and below 1."),
        (("--learning_rates", "1e-4", "0"), "learning_rates is 0.0; give a finite number above 0"),
        (("--depth_layers", "4"), "depth_layers is 4; give two depths or more, each a larger"),
        (("--depth_layers", "12", "4"), "depth_layers is 12 4; give two depths or more, each"),
        (("--depth_layers", "4", "4"), "depth_layers is 4 4; give two depths or more, each"),
        (("--depth_layers", "4", "6"), "depth_layers is 4 6; give two depths or more, each"),
        (("--post_norm_rates", "inf"), "post_norm_rates is inf; give a finite number above 0."),
        (("--depth_models", "X"), "depth_models is X; give two different ones or more, or"),
        (("--depth_models", "X", "X"), "depth_models is X X; give two different ones or"),
        (("--surface_low", "2"), "surface_low is 2.0 and surface_high 1.5; give the smaller"),
    ],
)
def test_what_is_out_of_range_is_refused_before_any_sweep(tmp_path, flags, said, capsys):
    out = tmp_path / "out"
    assert main(["all", *flags, "--out", str(out)]) == 1
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_usage(tmp_path):
    for flags in ([], ["figure_99", "--out", str(tmp_path)], ["depth"]):
        assert main(flags) == 2


def test_depth_wants_models_on_other_tasks(tiny, tmp_path, capsys):
    assert main(["depth", "--model", tiny, "--tasks", "rte", "--out", str(tmp_path / "out")]) == 1
    assert "--depth_models" in capsys.readouterr().err
