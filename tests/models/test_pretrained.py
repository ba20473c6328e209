"""Hugging Face folders: read as transformers reads them, and written so that it reads them back."""

from pathlib import Path

import hf
import huggingface_hub
import jax
import numpy as np
import pytest
import scipy.stats
import torch
from hf import BARE, CLASSIFICATION, FAMILIES, MASKED_LM, assert_encoder_is, configured
from huggingface_hub import errors
from safetensors.numpy import load_file

from jaxtune.core.errors import UserError
from jaxtune.models.families import FAMILIES as ALL
from jaxtune.models.names import paths
from jaxtune.models.pretrained import (
    WEIGHTS,
    draw_fresh,
    load_classifier,
    locate,
    num_parameters,
    random_classifier,
    read_config,
    with_dropout,
    write_folder,
)

NOT_FOUND = errors.RepositoryNotFoundError.__new__(errors.RepositoryNotFoundError)
BOTH_HEADS = ("head/pooler", "head/classifier")
EVERY = (*FAMILIES, *hf.NAMESAKES)
POOLED = ("bert", "albert", "modernbert")  # whose classifier begins with a pre-trained layer


def head_of(family: str) -> tuple[str, ...]:
    """All modules of the head."""
    return tuple(ALL[family].classifier)


@pytest.mark.parametrize("head", [CLASSIFICATION, MASKED_LM])
@pytest.mark.parametrize("family", EVERY)
def test_written_folder_is_the_folder_read(family: str, head: str, tmp_path: Path) -> None:
    """transformers finds no tensor missing or unexpected in it, and computes bitwise equal
    logits.
    """
    source = hf.make_folder(family, head)
    write_folder(tmp_path / "new", hf.load_jax(source, head), read_config(source)[1])
    inputs = hf.torch_inputs(hf.make_batch(family), family)
    with torch.no_grad():
        one, two = (hf.load_torch(p, head)(**inputs).logits for p in (source, tmp_path / "new"))
    assert torch.equal(one, two)
    assert set(load_file(source / WEIGHTS)) == set(load_file(tmp_path / "new" / WEIGHTS))


@pytest.mark.parametrize("head", [BARE, MASKED_LM])
@pytest.mark.parametrize("family", EVERY)
def test_checkpoints_without_a_classifier(family: str, head: str) -> None:
    """Bare models' names have no prefix and their pooler is BERT's and ALBERT's head; masked-LM
    ones have none.
    """
    folder = hf.make_folder(family, head)
    names, prefix = load_file(folder / WEIGHTS), ALL[family].prefix
    assert any(name.startswith(prefix) for name in names) == (head != BARE)
    model, fresh, _ = load_classifier(folder, read_config(folder)[0], 2)
    assert_encoder_is(model, folder)
    # ModernBERT's is the masked-LM head's dense layer and LayerNorm.
    pooled = family in POOLED and (head == MASKED_LM) == (family == "modernbert")
    assert fresh == (BOTH_HEADS[1:] if pooled else head_of(family))


@pytest.mark.parametrize("family", EVERY)
def test_a_classifier_of_another_task_gives_no_more_than_its_pooler(family: str) -> None:
    """As recipes/stilts.yaml says: transformers keeps all but the map to labels in every family."""
    folder, fewer = hf.make_folder(family), hf.NUM_LABELS - 1
    start = load_classifier(folder, read_config(folder)[0], fewer)
    assert start.fresh == (BOTH_HEADS[1:] if family in POOLED else BOTH_HEADS)
    auto = hf.transformers.AutoModelForSequenceClassification
    _, info = auto.from_pretrained(
        folder, num_labels=fewer, ignore_mismatched_sizes=True, output_loading_info=True
    )
    classifier = ALL[family].classifier["head/classifier"]
    assert not info["missing_keys"]
    assert {name.rsplit(".", 1)[0] for name, *_ in info["mismatched_keys"]} == {classifier}


def test_masked_lm_needs_its_head() -> None:
    with pytest.raises(UserError, match=r"cls\.predictions\.bias is missing"):
        hf.load_jax(hf.make_folder("bert"), MASKED_LM)


@pytest.mark.parametrize("family", EVERY)
def test_absent_values_have_transformers_defaults(family: str, tmp_path: Path) -> None:
    """An old config.json that leaves out what equals a default means what transformers reads in
    it.
    """
    keys = ALL[family].keys
    optional = [keys[field] for field in ALL[family].absent if field in keys]
    # Room for the padding id that ModernBERT has by default.
    sizes = {"vocab_size": 50_300} if family == "modernbert" else {}
    source = hf.make_folder(family, **sizes)
    short = configured(source, tmp_path / "short", **dict.fromkeys(optional))
    hf.transformers.AutoConfig.from_pretrained(short).save_pretrained(tmp_path / "full")
    assert read_config(short)[0] == read_config(tmp_path / "full")[0]


def test_with_dropout_sets_every_rate() -> None:
    config = read_config(hf.make_folder("albert"))[0]
    rates = ("hidden_dropout", "attention_dropout", "classifier_dropout")
    assert [getattr(with_dropout(config, 0.3), rate) for rate in rates] == [0.3] * 3
    assert with_dropout(config, None) is config


@pytest.mark.parametrize("family", FAMILIES)
def test_fresh_head_is_normal_with_std_002(family: str) -> None:
    """Over 500 keys the fresh weights are N(0, 0.02), or ModernBERT's by its width and cut at two
    deviations; all others stay, biases are 0, and no two keys agree.
    """
    folder = hf.make_folder(family)
    model, fresh, _ = load_classifier(folder, read_config(folder)[0], 4)
    assert fresh == (BOTH_HEADS[1:] if family in POOLED else BOTH_HEADS)
    by_width = model.encoder.config.head.draw == "by_width"
    std = 1 / np.sqrt(32) if by_width else 0.02
    normal = scipy.stats.truncnorm(-2, 2) if by_width else scipy.stats.norm
    keys = jax.random.split(jax.random.key(0), 500)
    drawn = jax.jit(jax.vmap(lambda key: draw_fresh(model, fresh, key)))(keys)
    before = paths(model)
    for path, leaf in paths(drawn).items():
        module, name = path.rsplit("/", 1)
        if module not in fresh:
            np.testing.assert_array_equal(leaf[7], before[path], err_msg=path)
        elif name == "bias":
            assert not np.any(leaf), path
        else:
            values = np.asarray(leaf).ravel()
            assert len(np.unique(leaf, axis=0)) == len(keys)
            expected = std * normal.std()
            assert values.std() == pytest.approx(expected, rel=5 / np.sqrt(2 * len(values)))
            assert scipy.stats.kstest(values / std, normal.cdf).pvalue > 1e-6
    assert np.any(before["head/pooler/kernel"]) == (family in POOLED)


def test_fresh_modules_have_keys_of_their_own() -> None:
    """Which other modules are fresh does not change a module's draw, and no two modules share
    one.
    """
    folder, key = hf.make_folder("bert"), jax.random.key(3)
    model, *_ = load_classifier(folder, read_config(folder)[0], 32)
    alone, both = (draw_fresh(model, fresh, key).head for fresh in (BOTH_HEADS[1:], BOTH_HEADS))
    np.testing.assert_array_equal(alone.classifier.kernel[...], both.classifier.kernel[...])
    shared = np.corrcoef(np.ravel(both.classifier.kernel), np.ravel(both.pooler.kernel))[0, 1]
    assert abs(shared) < 5 / 32


@pytest.mark.parametrize("family", FAMILIES)
def test_num_parameters_is_torchs(family: str) -> None:
    for head in (CLASSIFICATION, MASKED_LM):
        folder = hf.make_folder(family, head)
        expected = sum(p.numel() for p in hf.load_torch(folder, head).parameters())
        assert num_parameters(hf.load_jax(folder, head)) == expected


def test_random_classifier_has_the_loaded_ones_structure() -> None:
    folder = hf.make_folder("roberta")
    config, _ = read_config(folder)
    (one, *_), (two, *_) = random_classifier(config, 3), load_classifier(folder, config, 3)
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert [x.shape for x in jax.tree.leaves(one)] == [x.shape for x in jax.tree.leaves(two)]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("jaxtune-tests/no-such-model", "could not be had from the hub"),
        ("/no/such/folder", "There is no folder"),
        ("./no-such-folder", "There is no folder"),
        ("a/b/c", "There is no folder"),
        (__file__, "is a file; give the folder that it lies in"),
        ("a/b@v1", "no hub id; give a revision apart, as --model a/b --revision v1"),
    ],
)
def test_unknown_model_is_a_user_error(model: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        locate(model)
    assert locate(str(tmp_path)) == tmp_path
    with pytest.raises(UserError, match=r"revision is 'v1', but the model .* is a folder"):
        locate(str(tmp_path), "v1")


def test_a_revision_is_asked_of_the_hub(tmp_path: Path, monkeypatch) -> None:
    asked: list[object] = []

    def download(model: str, *, revision: str | None, **_: object) -> str:
        asked.extend([model, revision])
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert [locate("a/b"), locate("a/b", "v1")] == [tmp_path] * 2
    assert asked == ["a/b", None, "a/b", "v1"]


def test_a_revision_that_the_hub_lacks(monkeypatch) -> None:
    def download(*_: object, **__: object) -> None:
        raise errors.RevisionNotFoundError.__new__(errors.RevisionNotFoundError)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(UserError, match=r"no revision 'v1' of it\); .*co/a/b/tree/v1 into"):
        locate("a/b", "v1")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.HFValidationError("no"), "this is no hub id"),
        (errors.LocalEntryNotFoundError("no"), "the hub cannot be reached"),
        (
            NOT_FOUND,
            "the hub has no public model of this name",
        ),
        (TimeoutError("no"), "TimeoutError"),
    ],
)
def test_the_hubs_errors_have_reasons(error, reason, monkeypatch) -> None:
    def download(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    expected = (
        rf"\({reason}\); download its config\.json, .* from https://huggingface\.co/a/b into a"
    )
    with pytest.raises(UserError, match=expected):
        locate("a/b")
