"""Protects what is made of adapters: peft and transformers give the logits that the sweep left, and
so does predict, of words that training never met too.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from answering import command, further, write_files
from exporting import export, torch_logits
from hf import torch
from tiny import write_tiny_model
from transformers import AutoModelForSequenceClassification

import jaxtune
from jaxtune.predict.__main__ import main as predict
from jaxtune.storage.kept_params import load_params
from jaxtune.sweep.__main__ import main as sweep

pytest.importorskip("peft")
ADAPTERS = ("--grid.lora_rank", "2", "4", "--lora_targets", "all", "--save_params", "final")
ARM = "lora_rank=2"  # narrower than the program's


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def out(tiny, files, tmp_path_factory):
    """Two trials of each rank, of a learning rate at which all of them learn."""
    out = tmp_path_factory.mktemp("adapted") / "out"
    flags = [*further(files), *ADAPTERS, "--num_seeds", "2", "--learning_rate", "1e-2"]
    flags += ["--max_steps", "40"]
    plain = command(tiny, files, out)
    assert sweep([*plain[: plain.index("--grid.bias_correction")], *flags]) == 0
    return out


def texts_of(file):
    lines = file.read_text().splitlines()
    place = lines[0].split(",").index("text")
    return [line.split(",")[place] for line in lines[1:]]


def peft_logits(base, folder, texts):
    """What a user of the card's snippet gets, who has put in the folders and the texts."""
    (code,) = re.findall("```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    code = code.replace(f'"{Path(base).name}"', repr(str(base)))
    code = code.replace('"FOLDER"', repr(str(folder))).replace('["A text."]', "texts")
    found = {"texts": texts}
    exec(code, found)
    return found["logits"].detach().numpy()


def test_peft_and_transformers_give_the_saved_answers(out, tiny, files, tmp_path):
    """Rank 2 in a program of rank 4: the folder has two columns."""
    assert export(out, 0, tmp_path / "peft", "--adapters", "true") == 0
    assert export(out, 0, tmp_path / "whole") == 0
    said = json.loads((tmp_path / "peft" / "adapter_config.json").read_text())
    assert (said["r"], said["lora_alpha"]) == (2, 16.0)
    card = (tmp_path / "peft" / "README.md").read_text()
    assert "PeftModel.from_pretrained" in card
    assert str(tiny) not in card + json.dumps(said)
    found = jaxtune.load_results(out)
    assert found.trials.arm[0] == ARM
    for split, name in (("dev", ""), ("test", "test")):
        expected = np.load(out / "predictions" / name / "00000.npy")
        texts = texts_of(files[split])
        for logits in (
            peft_logits(tiny, tmp_path / "peft", texts),
            torch_logits(tmp_path / "whole", texts),
        ):
            np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
            assert np.ptp(expected[:, 0]) > 1e-3  # or any model would do


@pytest.fixture(scope="module")
def of_another_task(tmp_path_factory):
    """Saved in bfloat16, with a head of three classes."""
    folder = write_tiny_model(tmp_path_factory.mktemp("three") / "base")
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    with torch.no_grad():
        for parameter in model.parameters():  # so that half precision in products would show
            parameter.normal_(0, 0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    model.to(torch.bfloat16).save_pretrained(folder)
    assert "bfloat16" in (folder / "config.json").read_text()
    return folder


@pytest.mark.slow
def test_the_card_loads_a_base_of_another_task_in_bfloat16(of_another_task, files, tmp_path):
    plain = command(of_another_task, files, tmp_path / "out")
    flags = ["--lora_rank", "2", "--save_params", "final", "--num_seeds", "1"]
    assert sweep([*plain[: plain.index("--grid.bias_correction")], *flags]) == 0
    assert export(tmp_path / "out", 0, tmp_path / "peft", "--adapters", "true") == 0
    expected = np.load(tmp_path / "out" / "predictions" / "00000.npy")
    logits = peft_logits(of_another_task, tmp_path / "peft", texts_of(files["dev"]))
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
    assert np.ptp(expected[:, 0]) > 1e-3  # or any model would do


@pytest.mark.storm
def test_peft_loads_pissa_onto_the_whole_base(tiny, files, tmp_path):
    """At twice the rank, whatever the scale: what the base kept in training is not the model's."""
    out = tmp_path / "out"
    plain = command(tiny, files, out)
    flags = ["--lora_rank", "2", "--lora_init", "pissa", "--grid.use_rslora", "false", "true"]
    flags += [*further(files), "--save_params", "final", "--num_seeds", "1", "--max_steps", "40"]
    flags += ["--learning_rate", "1e-2"]
    assert sweep([*plain[: plain.index("--grid.bias_correction")], *flags]) == 0
    for number in (0, 1):
        own, whole = tmp_path / f"peft{number}", tmp_path / f"whole{number}"
        assert export(out, number, own, "--adapters", "true") == 0
        assert export(out, number, whole) == 0
        said = json.loads((own / "adapter_config.json").read_text())
        assert (said["r"], said["use_rslora"]) == (4, bool(number))
        expected = np.load(out / "predictions" / "test" / f"{number:05d}.npy")
        texts = texts_of(files["test"])
        for logits in (peft_logits(tiny, own, texts), torch_logits(whole, texts)):
            np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
        assert np.ptp(expected[:, 0]) > 1e-3


def test_predict_merges_them(out, files, tmp_path):
    target = tmp_path / "answers.csv"
    assert (
        predict([str(out), "--file", str(files["test"]), "--trial", "1", "--out", str(target)]) == 0
    )
    lines = target.read_text().splitlines()
    logits = np.load(out / "predictions" / "test" / "00001.npy").astype(np.float64)
    expected = np.exp(logits[:, 1]) / np.exp(logits).sum(axis=1)
    place = lines[0].split(",").index("p(yes)")
    np.testing.assert_allclose([float(x.split(",")[place]) for x in lines[1:]], expected, atol=1e-4)


def test_an_ensemble_is_small_folders_on_one_base(out, tmp_path):
    arm = ("--arm", "lora_rank=4")
    assert export(out, "ensemble", tmp_path / "all", *arm, "--adapters", "true") == 0
    folders = sorted(path.name for path in (tmp_path / "all").glob("member_*"))
    assert folders == ["member_00001", "member_00003"]
    assert not list((tmp_path / "all").rglob("model.safetensors"))


def test_what_is_kept_is_what_was_trained(out):
    params = load_params(out / "params" / "00001" / "final")
    assert "encoder/word/embedding" not in params
    assert params["encoder/layers/query_lora/a/kernel"].shape[-1] == 4
    assert {path.split("/")[0] for path in params} == {"encoder", "head"}


def test_a_soup_of_adapters_is_refused(out, tmp_path, capsys):
    to = tmp_path / "soup"
    arm = ("--arm", ARM)
    assert export(out, "soup", to, *arm, "--adapters", "true") == 1
    assert "leave adapters out" in capsys.readouterr().err
    assert not to.exists()
    assert export(out, "soup", to, *arm) == 0  # of the merged models
