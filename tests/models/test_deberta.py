"""DeBERTa's own: what its config.json can choose, against torch; distances; names; and what is
refused.
"""

from pathlib import Path
from typing import Any

import hf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from against_torch import PACKED, assert_same_gradients, run_jax, run_torch
from hf import CLASSIFICATION, MASKED_LM, configured, deviation, edited
from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position

from jaxtune.core.errors import UserError
from jaxtune.models.distance import shifted, table_rows
from jaxtune.models.encoder_config import RelativeConfig
from jaxtune.models.families.deberta import DEBERTA
from jaxtune.models.folder import WEIGHTS
from jaxtune.models.pretrained import config_json, load_classifier, read_config, with_dropout

torch = hf.torch
NAME = "deberta-v2"
# Together every key is at a value of its own once, and none of them at a published one.
VARIANTS: list[dict[str, Any]] = [
    {
        "share_att_key": False,
        "pos_att_type": "c2p|p2c",
        "position_buckets": -1,
        "max_relative_positions": 4,
        "pooler_hidden_act": "tanh",
    },
    {"pos_att_type": "c2p", "norm_rel_ebd": "none", "embedding_size": 32, "hidden_act": "relu"},
    {"pos_att_type": "p2c", "position_biased_input": True, "max_relative_positions": 8},
]


@pytest.mark.parametrize("changes", VARIANTS)
def test_what_config_json_can_choose_is_torchs(changes: dict[str, Any]) -> None:
    """Logits and every gradient, packed and with a row of padding alone, as short batches have it.

    A bias of keys that meet no query of a distance moves all scores of a row alike: both sides hold
    noise.
    """
    folder, batch = hf.make_folder(NAME, **changes), hf.make_batch(NAME)
    expected, reference = run_torch(hf.load_torch(folder), batch, NAME, CLASSIFICATION)
    rows = hf.jax_rows(batch, [*PACKED, []], slots=26)
    logits, gradients = run_jax(hf.load_jax(folder), batch, rows)
    assert deviation(logits, expected) < 1e-5
    assert set(gradients) == set(reference)
    largest = max(np.abs(gradient).max() for gradient in reference.values())
    idle = "pos_key_proj.bias" if "share_att_key" in changes else "key_proj.bias"
    if "p2c" in changes["pos_att_type"] and "share_att_key" not in changes:
        idle = "none"
    for name in [name for name in gradients if name.endswith(idle)]:
        assert np.abs(gradients.pop(name)).max() < 1e-7 * largest
    assert_same_gradients(gradients, reference)


def test_a_second_text_where_there_are_token_types() -> None:
    folder, batch = hf.make_folder(NAME, type_vocab_size=2), hf.make_batch("bert")
    with torch.no_grad():
        theirs = hf.load_torch(folder)(**hf.torch_inputs(batch, "bert")).logits.numpy()
    logits = jax.jit(lambda model, rows: model(rows))(hf.load_jax(folder), hf.jax_rows(batch))
    assert deviation(np.asarray(logits), theirs) < 1e-5


@pytest.mark.parametrize(
    ("buckets", "farthest"), [(256, 512), (32, 128), (6, 12), (5, 40), (-1, 9)]
)
@pytest.mark.parametrize("slots", [1, 2, 17, 512])
def test_rows_of_distances_are_transformers(buckets: int, farthest: int, slots: int) -> None:
    """Every pair of slots, also those farther apart than the table goes."""
    config = RelativeConfig(buckets if buckets > 0 else farthest, farthest, buckets > 0)
    x = torch.zeros(slots, 1)
    theirs = build_relative_position(x, x, buckets, farthest)[0].numpy() + config.span
    rows = table_rows(config, slots)
    assert rows.shape == (2 * slots - 1,)
    query, key = np.indices((slots, slots))
    ours = rows[key - query + slots - 1]
    np.testing.assert_array_equal(ours, np.clip(theirs, 0, 2 * config.span - 1))


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_the_shift_puts_distances_in_place(slots: int) -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, slots, 2 * slots - 1)), jnp.float32)
    query, key = np.indices((slots, slots))
    np.testing.assert_array_equal(shifted(x), x[:, query, key - query + slots - 1])


def authors_head(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The names of a head in the authors' files."""
    names = {new: old for old, new in DEBERTA.other_names.items()}
    parts = {name: name.rsplit(".", 1) for name in tensors}
    return {
        f"{names.get(module, module)}.{leaf}": tensors[n] for n, (module, leaf) in parts.items()
    }


def test_the_authors_masked_lm_head_is_read() -> None:
    """`legacy` false: other names, the same function."""
    folder = hf.make_folder(NAME, MASKED_LM, legacy=False, embedding_size=32)
    batch = hf.make_batch(NAME)
    rows = hf.jax_rows(batch)
    places, _ = hf.lm_targets(batch, rows)
    model = hf.load_jax(folder, MASKED_LM)
    logits = np.asarray(jax.jit(lambda model: model(rows, places))(model))
    with torch.no_grad():
        theirs = hf.load_torch(folder, MASKED_LM)(**hf.torch_inputs(batch, NAME)).logits
    assert deviation(logits, theirs[hf.lm_labels(batch) != hf.IGNORED].numpy()) < 1e-5


def test_a_published_file_of_version_3(tmp_path: Path) -> None:
    """In float16, with the heads of its pre-training and a position table that is not read."""
    source = hf.make_folder(NAME, MASKED_LM)

    def publish(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        extra = {
            "deberta.embeddings.position_embeddings.weight": np.zeros((12, 16)),
            "mask_predictions.dense.weight": np.ones((32, 32)),
            "mask_predictions.classifier.weight": np.ones((1, 32)),
        }
        return {n: x.astype(np.float16) for n, x in (authors_head(tensors) | extra).items()}

    folder = edited(source, tmp_path, publish)
    model, fresh, notes = load_classifier(folder, read_config(folder)[0], 2)
    assert fresh == ("head/pooler", "head/classifier")
    assert notes == (
        "deberta.embeddings.position_embeddings.weight is left out of the weights: the model reads"
        " no positions in its embeddings.",
        "Not of the encoder, and left out of the weights: lm_predictions, mask_predictions.",
    )
    with torch.no_grad():
        theirs = hf.load_torch(source, MASKED_LM).deberta.encoder.rel_embeddings.weight.half()
    np.testing.assert_array_equal(model.encoder.distance.embedding[...], theirs.float().numpy())
    # As in transformers, which draws a head by its own names: they are not these.
    with pytest.raises(UserError, match=r"cls\.predictions\.bias is missing"):
        hf.load_jax(folder, MASKED_LM)


def test_dropout_before_the_pooler_stays_off_where_the_checkpoint_has_none() -> None:
    config = read_config(hf.make_folder(NAME))[0]
    assert with_dropout(config, 0.3).pooler_dropout == 0.0
    own = read_config(hf.make_folder(NAME, pooler_dropout=0.2))[0]
    assert [with_dropout(own, rate).pooler_dropout for rate in (None, 0.0, 0.3)] == [0.2, 0.0, 0.3]


def test_a_config_is_read_as_it_was_written(tmp_path: Path) -> None:
    """As pre-training writes it; absent keys mean what transformers takes."""
    for number, changes in enumerate([{}, *VARIANTS]):
        source = hf.make_folder(NAME, **changes)
        config = read_config(source)[0]
        written = configured(source, tmp_path / str(number), **config_json(config))
        assert read_config(written)[0] == config
    optional = dict.fromkeys(("norm_rel_ebd", "position_buckets", "max_relative_positions"))
    short = configured(hf.make_folder(NAME), tmp_path / "short", share_att_key=None, **optional)
    relative = RelativeConfig(12, 12, False, shared_projections=False, normalised=False)
    assert read_config(short)[0].relative == relative


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"relative_attention": False}, "has relative_attention False; jaxtune has DeBERTa with true"),
    ({"relative_attention": None}, "has relative_attention False; jaxtune has"),
    ({"conv_kernel_size": 3}, "has conv_kernel_size 3; jaxtune has encoders with 0"),
    ({"pos_att_type": "p2c|p2p"}, "has pos_att_type 'p2c|p2p'; give p2c, c2p, or both"),
    ({"pos_att_type": None}, "has pos_att_type None; give p2c"),
    ({"pos_att_type": []}, r"has pos_att_type \[\]; give p2c"),
    ({"position_buckets": 3}, "has position_buckets 3 for distances up to 12; give 4 to 20"),
    ({"position_buckets": 22}, "has position_buckets 22 for distances up to 12; give 4 to 20"),
    ({"position_buckets": "256"}, "has position_buckets '256'; give a whole number up to"),
    ({"max_relative_positions": 1.5}, "has max_relative_positions 1.5; give a whole number up to"),
    ({"norm_rel_ebd": "group_norm"}, "asks for norm_rel_ebd 'group_norm'; accepted are none, lay"),
    ({"share_att_key": "yes"}, "has share_att_key 'yes'; give true or false"),
    ({"position_biased_input": 0}, "has position_biased_input 0; give true or false"),
    ({"pooler_hidden_act": "mish"}, "asks for pooler_hidden_act 'mish'; accepted are gelu, "),
    ({"pooler_hidden_size": 16}, "has pooler_hidden_size 16; with its hidden_size jaxtune has 32"),
    ({"attention_head_size": 16}, "has attention_head_size 16; with its hidden_size jaxtune has 8"),
    ({"pooler_dropout": 1.0}, "has pooler_dropout 1.0; give a rate from 0 up to 1"),
    ({"cls_dropout": -0.1}, "has cls_dropout -0.1; give a rate from 0 up to 1"),
    ({"type_vocab_size": -1}, "has type_vocab_size -1; give a whole number, 0 to 1000"),
    ({"embedding_size": 0}, "has embedding_size 0; give a whole number, 1 to"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_other_mathematics_is_refused_by_name(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = configured(hf.make_folder(NAME), tmp_path / "model", **changes)
    with pytest.raises(UserError, match=message.replace("|", r"\|") + r"[^.]*(\.\d[^.]*)*\.$"):
        read_config(folder)
    assert (folder / WEIGHTS).is_file()
