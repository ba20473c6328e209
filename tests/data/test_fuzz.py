"""Damaged files, by the thousand: every reader gives a valid result or a UserError, never anything
else.

A case is a function of the reader's name and its number, so a failure repeats.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import jax
import numpy as np
import pytest
from bad_data import FILES, GOOD
from bad_tables import GOOD_TABLES, TABLE
from tiny import write_tiny_model

from jaxtune.config.parse import Settings, parse
from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError
from jaxtune.data.corpus import read_texts
from jaxtune.data.custom import read_custom
from jaxtune.data.examples import Dataset, Examples
from jaxtune.data.glue import read_glue_folder
from jaxtune.data.tokenizer_folder import load_tokenizer
from jaxtune.data.tokens import tokenize
from jaxtune.models.families import BERT
from jaxtune.models.folder import WEIGHTS, weight_files
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.names import classifier_modules
from jaxtune.models.pretrained import load_classifier, read_config
from jaxtune.models.weights import fill, read_tensors

FEW, MANY = 40, 3000  # cases per reader
HEADER = 4500  # about where the tiny model's weights begin
BYTES = b"\0\t\n\r\"',:[]{}\\-019aN\x7f\x80\xc3\xed\xff"
SENTENCES = Examples(["the dog sleeps", "two mice sing"], None, np.array([0, 1], np.int32))


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to four flips, insertions, deletions, repetitions or cuts, half of them near the
    beginning.
    """
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        size = len(changed)
        end = min(size, HEADER) if rng.random() < 0.5 else size
        place, length = rng.randrange(end + 1), rng.choice([1, 1, 2, 8, 40])
        part = changed[place : place + length]
        kind = rng.randrange(7)
        if kind == 0 and place < size:
            changed[place] ^= 1 << rng.randrange(8)
        elif kind == 1 and place < size:
            changed[place] = rng.choice(BYTES)
        elif kind == 2:
            changed[place:place] = bytes(rng.choice(BYTES) for _ in range(length))
        elif kind == 3:
            changed[place : place + length] = b""
        elif kind == 4:
            changed[place:place] = part * rng.choice([1, 2, 50])
        elif kind == 5:
            changed[place : place + length] = rng.randbytes(length)
        elif rng.random() < 0.3:
            del changed[place:]
    return bytes(changed)


def check_examples(dataset: Dataset) -> None:
    """What training relies on."""
    for split in (dataset.train, dataset.dev):
        assert len(split.first) == len(split.labels) >= 2
        assert len(np.unique(split.labels)) >= 2
        assert np.isfinite(split.labels).all()
        for text in [*split.first, *(split.second or [])]:
            assert text.strip()
            assert "\0" not in text
            text.encode()


def read_glue(task: str) -> Callable[[Path], None]:
    return lambda folder: check_examples(read_glue_folder(task, folder))


def read_table(suffix: str, regression: bool = False) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        files = folder / f"train{suffix}", folder / f"dev{suffix}"
        check_examples(read_custom(*files, ("text",), "label", regression))

    return read


def read_settings(folder: Path) -> None:
    settings = parse(["--config", str(folder / "config.yaml")])
    assert all(0 < arm.learning_rate < np.inf for arm in settings.arms)
    settings.as_yaml()


def read_weights(folder: Path) -> None:
    config, _ = read_config(folder)
    fresh = ("head/pooler", "head/classifier")
    modules = classifier_modules(BERT)
    model = fill(SKELETONS[config.family], read_tensors(folder, config), modules, fresh)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(model))


def read_architecture(folder: Path) -> None:
    config, _ = read_config(folder)
    assert config.hidden_size % config.num_heads == 0
    load_classifier(folder, config, 2)


def read_index(folder: Path) -> None:
    assert all(file.parent == folder for file in weight_files(folder))


def read_tokenizer(folder: Path) -> None:
    table = tokenize(load_tokenizer(folder), SENTENCES, 16, 121)
    assert table.ids.min() >= 0
    assert table.ids.max() < 121


SKELETONS: dict[str, SequenceClassifier] = {}
# Reader -> the file that is damaged, and who reads its folder.
READERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    **{task: (f"{FILES[task]}/train.tsv", read_glue(task)) for task in FILES},
    "csv": ("train.csv", read_table(".csv")),
    "scores": ("train.csv", read_table(".csv", regression=True)),
    "tsv": ("dev.tsv", read_table(".tsv")),
    "jsonl": ("train.jsonl", read_table(".jsonl")),
    "json": ("train.json", read_table(".json")),
    "parquet": ("train.parquet", read_table(".parquet")),
    "saved dataset": ("train/data-00000-of-00001.arrow", read_table("")),
    "state of a saved dataset": ("dev/state.json", read_table("")),
    "texts": ("train.jsonl", lambda folder: assert_lines(read_texts(folder / "train.jsonl"))),
    "yaml": ("config.yaml", read_settings),
    "weights": (WEIGHTS, read_weights),
    "index": (f"{WEIGHTS}.index.json", read_index),
    "config.json": ("config.json", read_architecture),
    "tokenizer": ("tokenizer.json", read_tokenizer),
    "tokenizer settings": ("tokenizer_config.json", read_tokenizer),
}


def assert_lines(lines: list[str]) -> None:
    assert all(line.strip() == line != "" for line in lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Every file that is read, in good order."""
    folder = write_tiny_model(tmp_path_factory.mktemp("fuzz"))
    for kind, content in (GOOD | GOOD_TABLES).items():
        for split in ("train", "dev"):
            file = folder / FILES.get(kind, "") / f"{split}{'.tsv' if kind in FILES else kind}"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
    for split in ("train", "dev"):
        datasets.Dataset.from_dict(TABLE).save_to_disk(folder / split)
    base = SweepConfig(model="m", task="rte")
    (folder / "config.yaml").write_text(
        Settings(base, {"learning_rate": (1e-5, 2.0)}, ()).as_yaml()
    )
    (folder / f"{WEIGHTS}.index.json").write_text('{"weight_map": {"a": "part.safetensors"}}')
    config, _ = read_config(folder)
    skeleton = jax.eval_shape(lambda: SequenceClassifier(config, 2, key=jax.random.key(0)))
    SKELETONS["bert"] = skeleton
    return folder


@pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.storm)])
@pytest.mark.parametrize("name", READERS)
def test_damaged_files(folder: Path, tmp_path: Path, name: str, cases: int) -> None:
    damaged, read = READERS[name]
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    if name == "index":  # which counts only where there is no whole file
        (tmp_path / WEIGHTS).rename(tmp_path / "part.safetensors")
    else:
        (tmp_path / f"{WEIGHTS}.index.json").unlink()
    read(tmp_path)
    good, refused = (tmp_path / damaged).read_bytes(), 0
    for case in range(cases):
        (tmp_path / damaged).write_bytes(mutate(good, random.Random(f"{name} {case}")))
        try:
            read(tmp_path)
        except UserError:
            refused += 1
        except BaseException as error:
            raise AssertionError(f"{name}, case {case}") from error
    print(f"{name}: {refused} of {cases} damaged files refused, the others read")
    assert 0 < refused <= cases
