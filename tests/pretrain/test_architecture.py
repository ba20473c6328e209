"""The encoder of a pre-training: every family has one, and none is begun that could not be read."""

import json
from typing import get_args, get_type_hints

import pytest

from jaxtune.core.errors import UserError
from jaxtune.models.families import FAMILIES
from jaxtune.models.pretrained import config_json, read_config
from jaxtune.pretrain.__main__ import main
from jaxtune.pretrain.architecture import check_encoder, encoder_of
from jaxtune.pretrain.settings import PretrainConfig

ASKED = get_args(get_type_hints(PretrainConfig)["family"])


def built(out, family, hidden_size, num_heads, max_length=16):
    """Of the miniature's vocabulary."""
    sizes = {"hidden_size": hidden_size, "num_heads": num_heads, "max_length": max_length}
    config = PretrainConfig(data="miniature", out=out, family=family, **sizes)
    return encoder_of(config, 121, FAMILIES[family].only.get("pad_token_id", 0), 2)


@pytest.mark.parametrize("family", ASKED)
def test_every_family_has_an_architecture_of_its_own(family, tmp_path):
    """Without training: what follows from another value does, such as the width of the tables."""
    encoder = built(tmp_path, family, 16, 2)
    assert encoder.family == family
    assert encoder.embedding_size == encoder.hidden_size == 16
    assert encoder.projected == encoder.always_projected


@pytest.mark.parametrize("max_length", [3, 16, 999_000])
@pytest.mark.parametrize("width", [(1, 1), (2, 1), (16, 2), (64, 4), (100_000, 50)])
@pytest.mark.parametrize("family", ASKED)
def test_what_is_not_refused_is_read(family, width, max_length, tmp_path):
    """The whole reader takes the config.json of what the check lets pass, at its ends too."""
    encoder = built(tmp_path, family, *width, max_length)
    if width == (1, 1) and family == "modernbert":
        with pytest.raises(UserError, match="has heads of 1 numbers"):
            check_encoder(encoder)
        return
    check_encoder(encoder)
    (tmp_path / "config.json").write_text(json.dumps(config_json(encoder)))
    assert read_config(tmp_path)[0] == encoder


@pytest.mark.parametrize(("width", "inner"), [(2, 1), (16, 40), (64, 168), (768, 2048)])
def test_a_gated_layer_is_8_3_times_as_wide(width, inner, tmp_path):
    assert built(tmp_path, "modernbert", width, 1).intermediate_size == inner


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            "--family modernbert --hidden_size 36",
            "The ModernBERT of these flags has heads of 9 numbers, which do not make pairs that"
            " could be turned; --hidden_size over --num_heads must be even.",
        ),
        (
            "--init_std 20",
            "The BERT of these flags has --init_std 20.0; give a small number above 0 and below"
            " 10.",
        ),
        (
            "--hidden_size 200000",
            "The BERT of these flags has --hidden_size 200000; give a whole number, 1 to 100000.",
        ),
        (
            "--layers 2000 --steps 1 --learning_rates 1e-3",
            "The BERT of these flags has --layers 2000; give a whole number, 1 to 1000.",
        ),
        (
            "--family roberta --max_length 1000000",
            "The RoBERTa of these flags has a number of positions (of --max_length) 1000001; give"
            " a whole number, 1 to 1000000.",
        ),
    ],
)
def test_what_could_not_be_read_is_not_begun(flags, says, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("jaxtune.data.corpus.MINIATURE_SENTENCES", 400)
    out = tmp_path / "out"
    assert main(["--data", "miniature", "--out", str(out), *flags.split()]) == 1
    assert says in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("name", ["checkpoints", "model.safetensors"])
def test_a_folder_of_somebody_elses_stays_as_it_is(name, tmp_path, capsys):
    """What a pre-training keeps while it runs is taken away at its end."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine").touch()
    assert main(["--data", "miniature", "--out", str(tmp_path)]) == 1
    assert (
        f"error: {tmp_path} holds {name}, and no pre-training has begun there; give another --out."
        in capsys.readouterr().err
    )
    assert [*tmp_path.rglob("*")] == [tmp_path / name, tmp_path / name / "mine"]
