"""Defaults, then YAML, then flags, and the grid. How to get it wrong is in test_bad_input.py."""

import dataclasses
import functools
import math
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from config_files import NEEDED, changes, parsed

import jaxtune.config.parse
from jaxtune.config.parse import Settings, from_settings, parse
from jaxtune.config.recipe_files import recipe_names
from jaxtune.config.settings import TRACKER_MODULES, MetricName, SweepConfig, TrackerName
from jaxtune.core.accelerators import NAMES as ACCELERATORS
from jaxtune.core.errors import UserError
from jaxtune.core.help import docs_of
from jaxtune.core.metrics import METRICS

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.fixture
def run(tmp_path: Path):
    """`parsed`, of files in a folder of the test's own."""
    return functools.partial(parsed, tmp_path)


def test_defaults_are_the_papers_recommendation():
    config = SweepConfig(model="m", task="rte")
    assert parse(["--model", "m", "--task", "rte"]) == Settings(config, {}, (config,))
    assert (config.learning_rate, config.bias_correction, config.num_seeds) == (2e-5, True, 32)
    assert (config.adam_b1, config.adam_b2, config.adam_eps) == (0.9, 0.999, 1e-6)
    assert (config.batch_size, config.max_length, config.warmup_ratio) == (16, 128, 0.1)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--learning_rate 1e-5 --num_seeds 4", {"learning_rate": 1e-5, "num_seeds": 4}),
        ("--learning-rate 1e-5 --num-seeds 4", {"learning_rate": 1e-5, "num_seeds": 4}),
        ("--learning-rate=1e-5 --num_seeds=4", {"learning_rate": 1e-5, "num_seeds": 4}),
        ("--max_steps 7 --max_steps 8", {"max_steps": 8}),
        ("--max_grad_norm null --packing false", {"max_grad_norm": None, "packing": False}),
        ("--max_grad_norm=null --packing=false", {"max_grad_norm": None, "packing": False}),
        ("--packing true --dry_run true", {"dry_run": True}),
        ("--precision bfloat16 --schedule cosine", {"precision": "bfloat16", "schedule": "cosine"}),
        ("--seeds 0-31,77", {"seeds": "0-31,77"}),
        ("--seeds 007", {"seeds": "007"}),
        ("--warmup_ratio 0 --dropout 0", {"warmup_ratio": 0.0, "dropout": 0.0}),
        ("--warmup_ratio 1 --dropout 0.99", {"warmup_ratio": 1.0, "dropout": 0.99}),
        ("--init_seeds 0-4 --order_seeds 5,7", {"init_seeds": "0-4", "order_seeds": "5,7"}),
    ],
)
def test_flags(run, flags, expected):
    assert changes(run(flags).base) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("learning_rate: 2e-6\nadam_eps: 1e-08", {"learning_rate": 2e-6, "adam_eps": 1e-8}),
        ("learning_rate: 1", {"learning_rate": 1.0}),
        ("num-seeds: 5", {"num_seeds": 5}),
        ("max_grad_norm: null\nmax_steps: ~\ndropout:", {"max_grad_norm": None}),
        ("packing: false\nbias_correction: no", {"packing": False, "bias_correction": False}),
        ("random_weights: true\noverwrite: True", {"random_weights": True, "overwrite": True}),
        ("seeds: 0-31,77", {"seeds": "0-31,77"}),
        ("seeds: 5", {"seeds": "5"}),
        ("seeds: '007'", {"seeds": "007"}),
        ("data_dir: --out", {"data_dir": "--out"}),
        ("data_dir: a folder/\u00e9", {"data_dir": "a folder/\u00e9"}),
        ("grid:", {}),
    ],
)
def test_yaml(run, text, expected):
    settings = run("", text)
    assert changes(settings.base) == expected
    assert settings.arms == (settings.base,)


@pytest.mark.parametrize(
    ("text", "columns"),
    [("[a, b]", ("a", "b")), ("a", ("a",)), ("[true, 1]", ("true", "1")), ("--out", ("--out",))],
)
def test_text_columns(run, text, columns):
    custom = "task: custom\ntrain_file: a.csv\ndev_file: b.csv\ntext_columns: "
    assert run("", custom + text).base.text_columns == columns
    assert run("--text_columns c d", custom + text).base.text_columns == ("c", "d")


def test_later_wins(run):
    first = "learning_rate: 1e-5\nnum_epochs: 1\nbatch_size: 1"
    settings = run("--learning-rate 3e-6", first, "learning_rate: 2e-6\nnum_epochs: 2")
    assert changes(settings.base) == {"learning_rate": 3e-6, "num_epochs": 2, "batch_size": 1}


def test_one_config_flag_takes_several_files(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(NEEDED + "num_epochs: 1")
    second.write_text("num_epochs: 2")
    argv = ["--batch_size", "4", "--config", str(first), str(second), "--max_steps", "9"]
    assert changes(parse(argv).base) == {"num_epochs": 2, "batch_size": 4, "max_steps": 9}
    argv = [f"--config={second}", f"--config={first}", "--max_steps=9"]
    assert changes(parse(argv).base) == {"num_epochs": 1, "max_steps": 9}
    with pytest.raises(UserError, match="--config has no value; give a path"):
        parse(["--config", "--num_seeds", "3"])


@pytest.mark.parametrize(
    ("flags", "name", "values"),
    [
        ("--grid.learning_rate 1e-5 2e-5", "learning_rate", (1e-5, 2e-5)),
        ("--grid.learning-rate 1e-5 2e-5", "learning_rate", (1e-5, 2e-5)),
        ("--grid.learning_rate=1e-5", "learning_rate", (1e-5,)),
        ("--grid.learning_rate=1e-5 2e-5", "learning_rate", (1e-5, 2e-5)),
        ("--grid.learning_rate 1e-5 --grid.learning_rate 1", "learning_rate", (1e-5, 1.0)),
        ("--grid.weight_decay 0 0.1", "weight_decay", (0.0, 0.1)),
        ("--grid.bias_correction true false", "bias_correction", (True, False)),
        ("--grid.max_grad_norm null 1", "max_grad_norm", (None, 1.0)),
        ("--grid.batch_size 8 --num_seeds 3", "batch_size", (8,)),
        ("--learning_rate 1 --grid.learning_rate 2", "learning_rate", (2.0,)),
    ],
)
def test_swept_values(run, flags, name, values):
    settings = run(flags)
    assert settings.grid == {name: values}
    expected = [dataclasses.replace(settings.base, **{name: value}) for value in values]
    assert list(settings.arms) == expected


def test_swept_fields_are_crossed(run):
    settings = run("--grid.learning_rate 1 2 --seeds 4 --grid.bias_correction true false")
    assert {arm.seeds for arm in settings.arms} == {"4"}
    arms = [(arm.learning_rate, arm.bias_correction) for arm in settings.arms]
    assert arms == [(1, True), (1, False), (2, True), (2, False)]


def test_yaml_grids(run):
    grid = "grid: {learning_rate: [1e-5, 2e-5], max-grad-norm: [null, 1], packing: false}"
    settings = run("", grid)
    swept = {"learning_rate": (1e-5, 2e-5), "max_grad_norm": (None, 1.0), "packing": (False,)}
    assert settings.grid == swept
    assert len(settings.arms) == 4


@pytest.mark.parametrize(
    ("second", "flags", "expected"),
    [
        ("", "--grid.adam_b2 0.9", {"adam_b1": (0.1, 0.2), "adam_b2": (0.9,)}),
        ("", "--grid.adam_b1 0.3", {"adam_b1": (0.3,)}),
        ("grid: {adam_b1: [0.4]}", "", {"adam_b1": (0.4,)}),
        ("grid: {adam_b1: [0.4]}", "--grid.adam-b1 0.5 0.6", {"adam_b1": (0.5, 0.6)}),
        ("", "--adam-b1=0.2", {}),
        ("adam_b1: 0.2", "", {}),
        ("adam_b1: 0.2", "--grid.adam_b1 0.3", {"adam_b1": (0.3,)}),
        ("adam_b2: 0.2", "--adam_eps 1", {"adam_b1": (0.1, 0.2)}),
    ],
)
def test_later_sources_override_what_a_file_sweeps(run, second, flags, expected):
    settings = run(flags, "grid: {adam_b1: [0.1, 0.2]}", second)
    assert settings.grid == expected
    assert len(settings.arms) == math.prod(map(len, expected.values()))


def test_the_quickstart_runs_only_without_config_model_and_task(run, tmp_path, monkeypatch):
    quickstart = tmp_path / "quickstart.yaml"
    quickstart.write_text("model: quick\ntask: cola\ngrid: {bias_correction: [false, true]}")
    monkeypatch.setattr(jaxtune.config.parse, "QUICKSTART", quickstart)
    base, arms = (settings := parse(["--num_seeds", "3"])).base, settings.arms
    assert (base.model, base.task, base.num_seeds) == ("quick", "cola", 3)
    assert [arm.bias_correction for arm in arms] == [False, True]
    assert [arm.bias_correction for arm in parse(["--bias_correction", "true"]).arms] == [True]
    other = tmp_path / "other.yaml"
    other.write_text("num_seeds: 2")
    for argv in (["--model", "m"], ["--model=m"], ["--task=rte"], ["--config", str(other)]):
        with pytest.raises(UserError, match="model and task go together"):
            parse(argv)
    assert run("").base.model == "m"


def test_the_packaged_quickstart_parses():
    settings = parse([])
    assert settings.base.model == settings.base.task == "miniature"
    assert [arm.bias_correction for arm in settings.arms] == [False, True]


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "--max_grad_norm null --dropout 0.1 --packing false --seeds 007",
        "--task custom --train_file a.csv --dev_file=-b.csv --text_columns a b --label_column=--y",
        "--learning_rate 1e-05 --grid.learning_rate 1e-05 2.5e-7 --grid.max_grad_norm null 1",
        "--model ./12 --data_dir 5 --grid.packing true false",
        "--grid.precision float32 bfloat16 --grid.train_examples null 100 --adam_eps 1e-30",
    ],
)
def test_written_settings_read_back(run, flags):
    settings = run(flags)
    assert run("", settings.as_yaml()) == settings


def test_written_settings_leave_the_command_out(run):
    text = run("--out x --dry_run true --overwrite true --num_seeds 3").as_yaml()
    assert changes(run("", text).base) == {"num_seeds": 3}


@pytest.mark.parametrize(
    "flags",
    [*(f"--config={file}" for file in CONFIGS), *(f"--recipe={name}" for name in recipe_names())],
    ids=lambda flags: Path(flags).stem,
)
def test_every_config_and_recipe_parses(flags):
    # They may leave the model or the task to the command line.
    assert parse(["--model", "m", "--task", "rte", flags]).arms


def test_recipes_are_read_before_config_files(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(NEEDED + "num_epochs: 5")
    base = parse(["--config", str(file), "--recipe", "mosbach", "reference_code"]).base
    assert (base.num_epochs, base.use_token_types, base.bias_correction) == (5, False, True)


def test_settings_of_a_call_are_those_of_the_command(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("weight_decay: 0")
    called = from_settings(
        {
            **{"model": tmp_path, "task": "rte", "num_seeds": np.int64(3), "dropout": None},
            **{"recipe": "mosbach", "config": [file], "learning_rate": "1e-5", "overwrite": True},
            "grid": {"adam_eps": np.array([1e-8, 1e-6]), "packing": (True, False), "mixout": 0},
        }
    )
    flags = f"--model {tmp_path} --task rte --num_seeds 3 --dropout null --recipe mosbach --config"
    flags += f" {file} --learning_rate 1e-5 --overwrite --grid.adam_eps 1e-8 1e-6"
    assert called == parse([*flags.split(), "--grid.packing", "true", "false", "--grid.mixout=0"])
    assert from_settings({}) == parse([])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"num_seds": 3}, "num_seds is no setting; did you mean num_seeds?"),
        ({"zebra": 3}, "zebra is no setting; accepted are model, task, out, revision, "),
        ({"num_seeds": 2.5}, "num_seeds is 2.5; give a whole number."),
        ({"num_seeds": True}, "num_seeds is True; give a whole number."),
        ({"num_seeds": None}, "num_seeds is None; give a whole number."),
        ({"num_seeds": [1]}, "num_seeds is [1]; give a whole number."),
        ({"num_seeds": 0}, "num_seeds is 0; give a number of at least 1."),
        ({"packing": "false"}, "packing is 'false'; give true or false."),
        ({"learning_rate": True}, "learning_rate is True; give a number."),
        ({"learning_rate": 10**400}, "learning_rate is inf; give a finite number above 0."),
        ({"schedule": "linaer"}, "schedule is 'linaer'; give linear, cosine or constant."),
        ({"text_columns": [["a"]]}, "text_columns is ['a']; give a text, or a list of them."),
        ({"grid": {"lerning_rate": [1]}}, "lerning_rate is no field that can be swept; did you"),
        ({"grid": {"seeds": [1]}}, "seeds is no field that can be swept; accepted are data_dir"),
        ({"grid": {"learning_rate": []}}, "grid.learning_rate has no values; give a list of them."),
        ({"grid": {"learning_rate": [1, "x"]}}, "learning_rate is 'x'; give a number."),
        ({"grid": [1]}, "grid is no mapping of field names to values."),
        ({"recipe": "mosbac"}, "mosbac is no recipe; did you mean mosbach?"),
        ({"recipe": "x"}, "x is no recipe; accepted are albert, deberta, devlin, "),
        ({"config": "nowhere.yaml"}, "cannot read nowhere.yaml (No such file or directory)"),
    ],
)
def test_wrong_settings_of_a_call(wrong, says):
    with pytest.raises(UserError) as error:
        from_settings({"model": "m", "task": "rte", **wrong})
    assert str(error.value).startswith(says)


def test_texts_of_a_config_file_are_what_is_written_there(tmp_path):
    """YAML reads `no` as false and `01` as 1."""
    custom = ["--model", "m", "--task", "custom", "--train_file", "a.csv", "--dev_file", "b.csv"]
    file = tmp_path / "config.yaml"
    file.write_text(
        "classes: [no, yes, 01, 1.0, 0x1F, 2026-11-30]\npositive_class: yes\nlabel_column: 7\n"
        "grid:\n  class_weights: [1.50, null]\n"
    )
    parsed = parse([*custom, "--config", str(file)])
    assert parsed.base.classes == ("no", "yes", "01", "1.0", "0x1F", "2026-11-30")
    assert parsed.base.positive_class == "yes"
    assert parsed.base.label_column == "7"
    assert parsed.grid["class_weights"] == ("1.50", None)
    # What takes no text is as YAML has it.
    file.write_text("bias_correction: no\nlearning_rate: 10\n")
    assert parse([*custom, "--config", str(file)]).base.bias_correction is False


def test_the_names_of_settings_are_those_of_what_they_name():
    assert {*get_args(MetricName)} == {*METRICS}
    assert {*get_args(TrackerName)} == {*TRACKER_MODULES}
    for name in ACCELERATORS:
        assert re.search(rf"\b{name}\b", docs_of(SweepConfig)["device"].text)
