"""A call of `run_sweep` is the command: the same settings, trials, plan and sentences."""

import json

import numpy as np
import pytest
import yaml
from same_results import assert_same_tables

import jaxtune
from jaxtune.config.parse import from_settings, parse
from jaxtune.core.errors import UserError
from jaxtune.sweep.__main__ import main
from jaxtune.training.check_settings import with_length_in_use


def test_a_call_runs_what_the_command_runs(small, results, tmp_path):
    flags = [f"--{name}={value}" for name, value in (small | {"num_seeds": 2}).items()]
    out = tmp_path / "out"
    assert main([*flags, "--grid.bias_correction", "false", "true", "--out", str(out)]) == 0
    command = jaxtune.load_results(out)
    assert_same_tables(results.trials[:4], command.trials)
    assert (
        results.history[results.history.trial < 4].value.tolist() == command.history.value.tolist()
    )
    assert results.config == command.config | {"num_seeds": 8}
    recorded = json.loads((results.outs[0] / "manifest.json").read_text())["command"]
    assert recorded[:3] == ["python", "-m", "jaxtune.sweep"]
    typed = with_length_in_use(parse(recorded[3:]))
    assert yaml.safe_load(typed.as_yaml()) == results.config


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"learning_rat": 1e-5}, "learning_rat .*did you mean learning_rate?"),
        ({"grid": {"learning_rat": [1e-5]}}, "did you mean learning_rate?"),
        ({"num_seeds": "many"}, "num_seeds"),
        ({"num_seeds": 0}, "num_seeds is 0; give a number of at least 1"),
        ({"task": "rte", "data_dir": "/none"}, "/none"),
    ],
)
def test_a_wrong_setting_is_an_exception_with_the_commands_sentence(
    small, tmp_path, settings, sentence
):
    with pytest.raises(jaxtune.UserError, match=sentence):
        jaxtune.run_sweep(**small | settings, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "swept"), [({"model": "miniature"}, []), ({}, ["bias_correction"])]
)
def test_the_miniature_needs_no_task_and_the_quickstart_no_setting(monkeypatch, settings, swept):
    seen = []

    def run(parsed, argv):
        seen.append(parsed)
        raise jaxtune.UserError("seen")

    monkeypatch.setattr("jaxtune.sweep.run.run_sweep", run)
    with pytest.raises(jaxtune.UserError, match="seen"):
        jaxtune.run_sweep(**settings)
    (parsed,) = seen
    assert (parsed.base.model, parsed.base.task) == ("miniature", "miniature")
    assert list(parsed.grid) == swept


@pytest.mark.slow
def test_a_dry_run_prints_the_plan_and_leaves_nothing(small, tmp_path, capsys):
    out = tmp_path / "out"
    assert jaxtune.run_sweep(**small | {"num_seeds": 3}, out=out, dry_run=True) is None
    assert "3 trials, 15 trial-steps" in capsys.readouterr().out
    assert not out.exists()


def test_texts_are_recorded_as_they_are():
    """A class may be called True, and a child process would be given another one."""
    flags = jaxtune._as_flags({"classes": ["None", "True"], "packing": np.bool_(False)})
    assert flags == ["--classes=None", "--classes=True", "--packing=false"]


def test_flags_carry_all_that_a_call_accepts():
    """As to a process of its own: words that look like flags, and lists without an entry."""
    custom = {"model": "m", "task": "custom", "train_file": "-a.csv", "dev_file": "b.csv"}
    settings = custom | {"classes": ["-LRB-", "NN"], "config": [], "grid": {"remat": ["none"]}}
    assert parse(jaxtune._as_flags(dict(settings))) == from_settings(settings)


def test_numbers_of_numpy_and_jax_are_settings(tiny, tmp_path):
    import jax.numpy as jnp

    for rate in (np.array(2e-5), np.float32(2e-5), jnp.float32(2e-5)):
        flags = jaxtune._as_flags({"learning_rate": rate, "grid": {"adam_b2": np.array([0.9])}})
        assert float(flags[0].removeprefix("--learning_rate=")) == pytest.approx(2e-5)
        assert flags[1:] == ["--grid.adam_b2=0.9"]
    with pytest.raises(UserError, match="grid is no mapping"):
        jaxtune.run_sweep(model=tiny, task="miniature", grid=[1], out=tmp_path / "x")
