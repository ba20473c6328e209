"""What a command asks for, before anything is read or written; and what its manifest says of it."""

import json
import shutil

import pytest
from small_sweep import command

from jaxtune.config.parse import parse
from jaxtune.core.errors import UserError
from jaxtune.sweep import asked, run
from jaxtune.sweep.__main__ import main
from jaxtune.sweep.asked import asked_for, check_arms

BOTH = ("--grid.use_token_types", "true", "false")


def test_equal_arms_are_none_of_a_sweep(tiny, tmp_path):
    grid = ("--grid.lora_rank", "0", "2", "--grid.lora_alpha", "8", "16")
    with pytest.raises(UserError, match=r"^The arms \[lora_rank=0 lora_alpha=8.0\] and "):
        check_arms(asked_for(parse(command(tiny, tmp_path / "out", *grid))))


@pytest.mark.slow
def test_what_an_older_sweep_of_equal_arms_holds_stays(tiny, tmp_path, monkeypatch, capsys):
    """What is finished is no error, and of what is not the report may still judge the trials."""
    grid = ("--grid.lora_rank", "0", "2", "--grid.lora_alpha", "8", "16")
    words = command(tiny, tmp_path / "out", *grid, "--num_seeds", "1", "--max_steps", "1")
    with monkeypatch.context() as older:
        older.setattr(asked, "check_arms_differ", lambda *_: None)
        assert main(words) == 0
    assert main(words) == 0
    capsys.readouterr()
    assert main([*words, "--num_seeds", "2"]) == 1
    said = capsys.readouterr().err
    assert "would train the same trials, for lora_alpha makes no difference there" in said
    assert f"out holds stays, and jaxtune report {tmp_path / 'out'} judges it." in said


def test_token_types_that_a_model_does_not_tell_apart(tiny, tmp_path):
    assert len(asked_for(parse(command(tiny, tmp_path / "out", *BOTH))).settings.arms) == 2
    model = shutil.copytree(tiny, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"type_vocab_size": 1}))
    with pytest.raises(UserError, match="for use_token_types makes no difference there"):
        check_arms(asked_for(parse(command(str(model), tmp_path / "out", *BOTH))))


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ((), "float32"),
        (("--precision", "bfloat16"), "bfloat16"),
        (("--grid.precision", "float32", "bfloat16"), "float32 and bfloat16"),
    ],
)
def test_the_manifest_has_the_precision_of_every_arm(flags, precision):
    settings = parse(["--model", "m", "--task", "rte", *flags])
    assert run._provenance(settings, [], [], {})["precision"] == precision
