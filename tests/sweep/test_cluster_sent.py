"""Files that are sent to a node are read there as they are here, and nothing of them stays."""

import fcntl
import json
import os
import shutil
import stat
import tempfile

import pytest
import yaml
from safetensors.numpy import load_file, save_file

from jaxtune.config.parse import parse
from jaxtune.config.trials import make_trials
from jaxtune.core.errors import UserError
from jaxtune.storage.inputs import absolute, read_inputs
from jaxtune.sweep.cluster import sent_files
from jaxtune.sweep.cluster.messages import unpack
from jaxtune.sweep.cluster.sent_files import FOLDERS, laid_out, sent
from jaxtune.sweep.cluster.worker import Worker
from jaxtune.sweep.meter import Meter
from jaxtune.sweep.same_plan import fingerprint
from jaxtune.training.plan import make_plans

pytest.importorskip("ray")
SMALL = ["--num_seeds", "2", "--max_steps", "2", "--batch_size", "4"]


@pytest.fixture(autouse=True)
def node(tmp_path, monkeypatch):
    """The temporary folder of a node whose store is this process's memory."""
    monkeypatch.setattr("ray.put", lambda part: part)
    monkeypatch.setattr("ray.get", lambda part: part)
    monkeypatch.setattr(sent_files, "PART", 1000)
    folder = tmp_path / "node"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def model(tiny, tmp_path):
    """A model folder that can be taken away."""
    return shutil.copytree(tiny, tmp_path / "here" / "model")


def asked_for(flags):
    """What the driver of a sweep asks of a worker of its first program, with the files."""
    settings = parse([*SMALL, *map(str, flags)])
    plan = make_plans(make_trials(settings))[0]
    inputs = read_inputs(settings)
    return {
        "settings": yaml.safe_load(absolute(settings).as_yaml()),
        "first": plan.trials[0].number,
        "share": [trial.number for trial in plan.trials],
        "inputs": {role: list(file) for role, file in inputs.items()},
        "files": sent(inputs),
        "fingerprint": fingerprint(plan),
    }


def opened(asked):
    worker = Worker(None, False)
    worker._meter = Meter()
    return unpack(worker.open(asked)).facts


def table(path, texts=("good", "bad", "fine", "poor", "great", "awful")):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"a {text} film,{number % 2}" for number, text in enumerate(texts)]
    path.write_text("\n".join(["text,label", *rows, ""]))
    return path


def sharded(model):
    """In two files, with the index that names them."""
    tensors = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    names = {name: f"part-{number % 2}.safetensors" for number, name in enumerate(tensors)}
    for part in set(names.values()):
        own = {name: tensor for name, tensor in tensors.items() if names[name] == part}
        save_file(own, model / part, metadata={"format": "pt"})
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


class TestWhatIsSent:
    """The originals are gone when the worker reads."""

    def assert_opened(self, flags, tmp_path, node):
        asked = asked_for(flags)
        (tmp_path / "here").rename(tmp_path / "gone")
        assert opened(asked)["size"] >= 1
        assert not [*node.iterdir()]
        assert "problem" in opened(asked | {"files": {}})

    def test_model_and_tables(self, model, tmp_path, node):
        here = tmp_path / "here"
        flags = ["--model", model, "--task", "custom", "--train_file", table(here / "train.csv")]
        flags += ["--dev_file", table(here / "dev.csv"), "--test_file", table(here / "test.csv")]
        flags += ["--more_dev_files", f"more={table(here / 'more' / 'dev.csv')}"]
        self.assert_opened(flags, tmp_path, node)

    def test_swept_tables(self, model, tmp_path, node):
        here = tmp_path / "here"
        swept = [
            table(here / "a" / "train.csv"),
            table(here / "b" / "train.csv", ("so", "la", "mi", "re")),
        ]
        flags = ["--model", model, "--task", "custom", "--dev_file", table(here / "dev.csv")]
        self.assert_opened([*flags, "--grid.train_file", *swept], tmp_path, node)

    def test_weights_in_several_files(self, model, tmp_path, node):
        sharded(model)
        self.assert_opened(["--model", model, "--task", "miniature"], tmp_path, node)

    def test_a_folder_of_a_benchmark(self, model, tmp_path, node):
        rows = [f"{n}\tone thing\tanother\t{'not_' * (n % 2)}entailment" for n in range(8)]
        folder = tmp_path / "here" / "glue" / "RTE"
        folder.mkdir(parents=True)
        for split in ("train", "dev"):
            text = "\n".join(["index\tsentence1\tsentence2\tlabel", *rows, ""])
            (folder / f"{split}.tsv").write_text(text)
        flags = ["--model", model, "--task", "rte", "--data_dir", folder.parent]
        self.assert_opened(flags, tmp_path, node)

    def test_a_model_of_the_hub(self, model, node):
        """The node has no cache of it, and no network."""
        flags = ["--model", "some/model", "--revision", "v1", "--task", "miniature"]
        with pytest.MonkeyPatch.context() as here:
            here.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(model))
            asked = asked_for(flags)
        shutil.rmtree(model)
        assert opened(asked)["size"] >= 1
        assert not [*node.iterdir()]

    def test_the_packaged_model(self, node):
        assert opened(asked_for(["--model", "miniature"]))["size"] >= 1
        assert not [*node.iterdir()]


def test_another_byte_is_refused_by_its_checksum(model):
    asked = asked_for(["--model", model, "--task", "miniature"])
    path = str(model / "model.safetensors")
    first, *parts = asked["files"][path]
    asked["files"] = asked["files"] | {path: [first, *parts[:-1], parts[-1][:-1] + b"?"]}
    problem = opened(asked)["problem"]
    assert f"is not {path} as it was" in problem
    assert "give the command again" in problem


def test_what_is_too_large_is_said_and_not_sent(model, monkeypatch, capsys):
    monkeypatch.setattr(sent_files, "MOST_BYTES", 10_000)
    assert asked_for(["--model", model, "--task", "miniature"])["files"] == {}
    said = capsys.readouterr().out
    assert "they must lie under the same paths on every node" in said


def test_a_store_without_room_is_one_sentence(model, monkeypatch):
    from ray.exceptions import OutOfDiskError

    def full(_):
        raise OutOfDiskError

    monkeypatch.setattr("ray.put", full)
    with pytest.raises(UserError, match="Ray has no room for model and data here"):
        asked_for(["--model", model, "--task", "miniature"])


def test_a_disk_without_room_is_one_sentence(model, node):
    asked = asked_for(["--model", model, "--task", "miniature"])
    node.rmdir()
    node.write_text("no folder")
    assert f"cannot be written to {node} (Not a directory)" in opened(asked)["problem"]


def test_the_folder_is_closed_to_others_and_a_dead_workers_goes(model, node):
    asked = asked_for(["--model", model, "--task", "miniature"])
    alive, dead, link = (node / f"{FOLDERS}{name}" for name in ("alive", "dead", "link"))
    kept = node / "kept"
    for folder in (alive, dead, kept):
        folder.mkdir()
        (folder / "file").touch()
    link.symlink_to(kept)
    held = os.open(alive, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with laid_out(asked["files"], asked["settings"], asked["inputs"]) as settings:
        (own,) = {*node.glob(f"{FOLDERS}*")} - {alive, link}
        assert stat.S_IMODE(own.stat().st_mode) == 0o700
        assert settings["model"] == f"{own}{model}"
        assert not dead.exists()
    os.close(held)
    assert {*node.iterdir()} == {alive, kept, link}
    assert (kept / "file").exists()
    assert (alive / "file").exists()
