"""ModernBERT's config.json in both of its spellings, what of it is refused, and a padding id behind
all words.
"""

import json
import re
from pathlib import Path
from typing import Any

import hf
import numpy as np
import pytest
from hf import configured
from small_groups import assert_same, plan_for, run
from tiny import write_tiny_model

from jaxtune.core.errors import UserError
from jaxtune.models.pretrained import config_json, load_classifier, read_config

KINDS = ("full_attention", "sliding_attention")


def rope(**more: Any) -> dict[str, Any]:
    """transformers 5's rotary parameters, some of the windows' replaced."""
    values = {"rope_type": "default", "rope_theta": 160_000.0}
    return {KINDS[0]: values, KINDS[1]: values | {"rope_theta": 10_000.0} | more}


def test_both_spellings_are_one(tmp_path: Path) -> None:
    """What transformers 5 writes, what 4 wrote, and what we write; a base may be in each."""
    new = hf.make_folder("modernbert", global_attn_every_n_layers=2, local_rope_theta=99.0)
    raw = json.loads((new / "config.json").read_text())
    assert raw["layer_types"] == [*KINDS, *KINDS]
    assert raw["rope_parameters"][KINDS[1]]["rope_theta"] == 99.0
    config, _ = read_config(new)
    assert (config.global_every, config.rotary_base, config.local_rotary_base) == (2, 16e4, 99)
    old = configured(new, tmp_path / "old", layer_types=None, rope_parameters=None)
    written = json.loads((old / "config.json").read_text()) | config_json(config)
    (old / "config.json").write_text(json.dumps(written))
    assert read_config(old)[0] == config
    theirs = hf.transformers.AutoConfig.from_pretrained(old)
    assert theirs.layer_types == raw["layer_types"]
    assert theirs.rope_parameters == raw["rope_parameters"]
    assert theirs.sliding_window == 2


def test_a_window_on_either_side_counts_as_in_transformers(tmp_path: Path) -> None:
    folder = hf.make_folder("modernbert")
    changed = configured(folder, tmp_path / "to", local_attention=4, sliding_window=1)
    theirs = hf.transformers.AutoConfig.from_pretrained(changed)
    assert read_config(changed)[0].window == theirs.local_attention == 2


def test_other_names_of_distilbert_count_as_in_transformers(tmp_path: Path) -> None:
    hf.make_model("distilbert").save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    other = {"num_hidden_layers": 1, "num_attention_heads": 2}
    file.write_text(json.dumps(json.loads(file.read_text()) | other))
    theirs = hf.transformers.AutoConfig.from_pretrained(tmp_path)
    ours = read_config(tmp_path)[0]
    assert (ours.num_layers, ours.num_heads) == (theirs.n_layers, theirs.n_heads) == (1, 2)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_hidden_layers": [1]}))
    with pytest.raises(UserError, match=r"has num_hidden_layers \[1\]; give a whole number"):
        read_config(tmp_path)


BAD = [
    ({"layer_types": [KINDS[1]] * 4}, "layer_types ['sliding_attention', 'sliding_attention', "),
    ({"layer_types": [*KINDS, KINDS[1], KINDS[1], KINDS[0]]}, "one name for each of the"),
    ({"layer_types": [KINDS[0], KINDS[0], KINDS[1], KINDS[0]]}, "for the first and every n-th"),
    (
        {"layer_types": [KINDS[0], "chunked_attention"] * 2},
        "has layer_types ['full_attention', 'ch",
    ),
    ({"layer_types": 3}, "has layer_types 3; jaxtune has"),
    ({"rope_parameters": rope(rope_type="yarn")}, "'yarn'"),
    ({"rope_parameters": rope(partial_rotary_factor=0.5)}, "'partial_rotary_factor': 0.5"),
    ({"rope_parameters": {"rope_theta": 1e4}}, "has rope_parameters {'rope_theta': 10000.0}; jax"),
    ({"rope_parameters": rope(rope_theta="much")}, "'much'}}; jaxtune has encoders with a rope_th"),
    ({"rope_parameters": rope(rope_theta=0)}, "has rope_parameters {'full_attention': {'rope_type"),
    (
        {"rope_parameters": None, "local_rope_theta": "much"},
        "has local_rope_theta 'much'; give a number of at least 1.",
    ),
    ({"rope_scaling": {"type": "linear"}}, "has rope_scaling {'type': 'linear'}; jaxtune has"),
    ({"head_dim": 16}, "has head_dim 16; jaxtune has heads that share hidden_size evenly"),
    (
        {"head_dim": {}},
        "has head_dim {}; jaxtune has heads that share hidden_size evenly, of 8 num",
    ),
    ({"head_dim": "8"}, "has head_dim '8'; jaxtune has"),
    ({"head_dim": 8, "num_attention_heads": "4"}, "has num_attention_heads '4'; give a whole"),
    ({"head_dim": 32, "num_attention_heads": 0}, "has num_attention_heads 0; give a whole number"),
    ({"sliding_window": {}}, "has sliding_window {}; give a whole number, 1 to 500000."),
    ({"sliding_window": "64"}, "has sliding_window '64'; give a whole number, 1 to 500000."),
    ({"sliding_window": True}, "has sliding_window True; give a whole number, 1 to 500000."),
    ({"sliding_window": 0}, "has sliding_window 0; give a whole number, 1 to 500000."),
    ({"sliding_window": 500_001}, "has sliding_window 500001; give a whole number"),
    ({"hidden_size": 28, "num_attention_heads": 4}, "heads of 7 numbers, which do not make pairs"),
    ({"local_attention": 0}, "has local_attention 0; give a whole number, 1 to"),
    ({"local_attention": [64, 64]}, "has local_attention [64, 64]; give a whole number"),
    ({"norm_bias": "no"}, "has norm_bias 'no'; give true or false"),
    ({"classifier_pooling": "max"}, "has classifier_pooling 'max'; accepted are cls, mean"),
    ({"classifier_activation": "mish"}, "asks for classifier_activation 'mish'; accepted are gelu"),
    ({"mlp_dropout": 1}, "has mlp_dropout 1; give a rate from 0 up to 1"),
    ({"norm_eps": 0}, "has norm_eps 0; give a small number above 0"),
    ({"is_decoder": True}, "has is_decoder True; jaxtune has encoders with False"),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD)
def test_other_mathematics_is_refused(changes: dict, sentence: str, tmp_path: Path) -> None:
    folder = configured(hf.make_folder("modernbert"), tmp_path / "bad", **changes)
    with pytest.raises(UserError, match=re.escape(sentence)) as error:
        read_config(folder)
    assert str(error.value).startswith(str(folder))


def test_a_lost_part_of_a_fused_tensor_is_a_misfit(tmp_path: Path) -> None:
    def cut(tensors: dict[str, np.ndarray]) -> None:
        name = "model.layers.1.attn.Wqkv.weight"
        tensors[name] = tensors[name][:64]

    folder = hf.edited(hf.make_folder("modernbert"), tmp_path, cut)
    wanted = r"layers\.1\.attn\.Wqkv\.weight has shape \(64, 32\), not \(96, 32\)\.$"
    with pytest.raises(UserError, match=wanted):
        load_classifier(folder, read_config(folder)[0], 2)


def padding_last(folder: Path) -> Path:
    """Gives padding the last id, as ModernBERT has it, and its word the first."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    last = max(words, key=words.get)
    words[last], words["[PAD]"] = 0, words[last]
    for added in tokenizer["added_tokens"]:
        added["id"] = words[added["content"]]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((folder / "config.json").read_text()) | {"pad_token_id": words["[PAD]"]}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.slow
def test_a_compact_vocabulary_with_padding_behind_all_words(tmp_path: Path) -> None:
    """It keeps the words in use alone, and trains as the whole one."""
    model = str(padding_last(write_tiny_model(tmp_path, family="modernbert")))
    whole = plan_for(model, "--num_seeds", "1", "--compact_vocabulary", "false")
    small = plan_for(model, "--num_seeds", "1")
    kept = small.task.kept_words
    assert len(kept) < len(whole.task.kept_words)
    assert kept[small.task.model.encoder.config.pad_token_id] == len(whole.task.kept_words) - 1
    (one,), (two,) = (run(plan, 1, 1)[0].values() for plan in (whole, small))
    np.testing.assert_allclose(one.logits, two.logits, atol=1e-5)


@pytest.mark.slow
def test_a_trial_is_the_same_alone_and_among_others(tmp_path: Path) -> None:
    """Bit for bit on CPU, dropout on."""
    plan = plan_for(str(write_tiny_model(tmp_path, family="modernbert")), "--num_seeds", "4")
    together, alone = run(plan, 4, 4)[0], run(plan, 1, 1, seeds=[2])[0]
    assert_same(alone[2, "all"], together[2, "all"])
