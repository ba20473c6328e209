"""Input that means harm: code in checkpoints, names that leave their folder, secrets that must stay
out of results.

The last tests are whole commands in processes of their own.
"""

import contextlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bad_data import GOOD, RTE, write
from spoiling import WEIGHTS, Planted, flipped, pickled, remote_code

from jaxtune.config.parse import parse
from jaxtune.core.errors import LONGEST_MESSAGE, UserError
from jaxtune.storage.out_folder import out_folder
from jaxtune.storage.tensorboard import run_name
from jaxtune.sweep.__main__ import main
from jaxtune.training.prepare import prepare

SMALL = ["--num_seeds", "1", "--max_steps", "2", "--train_examples", "32"]


@pytest.fixture
def tiny(tiny, tmp_path) -> Path:
    """A copy of the model, to be spoilt."""
    return Path(shutil.copytree(tiny, tmp_path / "tiny"))


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_the_planted_pickle_would_run(tmp_path):
    """Otherwise the tests that it does not run prove nothing."""
    pickle.loads(pickle.dumps(Planted(tmp_path / "executed")))
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.bin", WEIGHTS, "training_args.bin", "tokenizer.pkl"]
)
def test_no_pickle_is_read_for_weights(tiny, tmp_path, capsys, name):
    pickled(name)(tiny)
    assert main(["--model", str(tiny), "--task", "miniature", "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    if name.endswith("model.bin"):
        assert f"{name} is a pickle, which can run code and is not read" in error
    assert not (tiny / "executed").exists()


def test_no_pickle_is_read_beside_weights(tiny):
    weights = (tiny / WEIGHTS).read_bytes()
    pickled("optimizer.pt")(tiny)
    for name in ("pytorch_model.bin", "training_args.bin", "vocab.pkl", "tokenizer.pickle"):
        shutil.copy(tiny / "optimizer.pt", tiny / name)
    (tiny / WEIGHTS).write_bytes(weights)
    assert prepare(parse(["--model", str(tiny), "--task", "miniature"]).base).fresh
    assert not (tiny / "executed").exists()


@pytest.mark.parametrize("source", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("tokenizer_class", ["Own", "PreTrainedTokenizerFast"])
def test_no_code_of_a_model_folder_is_run(tiny, source, tokenizer_class):
    own = {"AutoConfig": "own.Own", "AutoModel": "own.Own", "AutoTokenizer": ["own.Own", "own.Own"]}
    remote_code(source, auto_map=own, tokenizer_class=tokenizer_class)(tiny)
    with contextlib.suppress(UserError):  # refused or read without it
        prepare(parse(["--model", str(tiny), "--task", "miniature"]).base)
    assert not (tiny / "executed").exists()


@pytest.mark.parametrize(
    "model", ["../../x", "/a/b/..", "/", "..", ".", "a/b", "x/../../y", "~", "../" * 9 + "etc/x"]
)
def test_the_default_folder_lies_in_runs(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    out = out_folder(parse(["--model", model, "--task", "rte"]))
    assert (tmp_path / out).resolve().parent == tmp_path / "runs"


@pytest.mark.parametrize(
    "arm", ["a=../../x", "a=/etc/x", "a=..", "a=\\..\\x", "a=\0\n\x1b[2J", "a=~"]
)
def test_an_arm_is_one_folder(arm):
    name = run_name(arm)
    assert Path(name).name == name
    assert name.isprintable()
    assert name not in (".", "..")


@pytest.mark.storm
def test_swept_file_names_stay_in_out(tiny, tmp_path, monkeypatch):
    """Arms are named after what is swept, paths among it."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    flags = write(tmp_path / "data", ".csv", GOOD[".csv"], GOOD[".csv"])
    flags[flags.index("--train_file") + 1] = "../../data/train.csv"
    sweep = ["--grid.train_file", "../../data/train.csv", "../../data/dev.csv"]
    before = files_below(tmp_path)
    small = ["--num_seeds", "1", "--max_steps", "1", "--save_params", "all"]
    assert main(["--model", str(tiny), *flags, *sweep, *small, "--out", "out"]) == 0
    new = files_below(tmp_path) - before
    assert len([path for path in new if "tb" in path.parts]) >= 4
    assert all(path.is_relative_to(inside / "out") for path in new)


def test_messages_are_one_printable_line():
    error = UserError("a\nb\x1b[2J\ud800" + "x" * 10**6 + "end")
    assert str(error).startswith("a\\nb\\x1b[2J\\ud800xxx")
    assert str(error).endswith("xxxend")
    assert len(str(error)) < LONGEST_MESSAGE + 100
    assert str(UserError("caf\u00e9 \u732b is fine")) == "caf\u00e9 \u732b is fine"


# Several commands one after the other, for most of each would be imports.
EACH = """
import json, sys
from jaxtune.sweep.__main__ import main
for words in json.loads(sys.argv[1]):
    print(main(words))
"""


def run(*flags: object, program=("-m", "jaxtune.sweep"), **environment: str):
    """The command as a user starts it, with nothing in the hub's cache."""
    return subprocess.run(
        [sys.executable, *program, *map(str, flags)],
        env=os.environ | environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.storm
def test_no_secret_of_the_environment_reaches_the_results(tiny, tmp_path):
    names = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "MINE")
    secrets = {name: f"secret-{number}-9f8e7d6c5b4a" for number, name in enumerate(names)}
    out = tmp_path / "out"
    flags = ["--model", tiny, "--task", "miniature", *SMALL, "--save_params", "final"]
    done = run(*flags, "--out", out, XDG_CACHE_HOME=str(tmp_path), **secrets)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "manifest.json").read_text())["sha256"]
    assert len(files_below(out)) > 10
    for content in (
        done.stdout.encode(),
        done.stderr.encode(),
        *(p.read_bytes() for p in files_below(out)),
    ):
        assert not any(secret.encode() in content for secret in secrets.values())
        assert b"9f8e7d6c5b4a" not in content


@pytest.mark.parametrize(
    ("environment", "commands"),
    [
        (
            {"HF_HUB_OFFLINE": "1"},
            {
                ("--model", "a/b", "--task", "miniature"): (
                    "(HF_HUB_OFFLINE is set, and the hub's cache does not hold it); download its"
                    " config.json, *.safetensors and tokenizer files from"
                    " https://huggingface.co/a/b into a folder and give that folder as --model"
                ),
                ("--model", "miniature", "--task", "rte"): (
                    "put its files at DIR/RTE/train.tsv and DIR/RTE/dev.tsv, and pass --data_dir"
                    " DIR"
                ),
            },
        ),
        (
            {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"},
            {
                ("--model", "a/b", "--task", "miniature"): (
                    "(the hub cannot be reached); download its config.json"
                )
            },
        ),
    ],
)
@pytest.mark.slow
def test_what_to_download_and_where_to_put_it(tmp_path, environment, commands):
    words = [[*flags, "--out", str(tmp_path / "out")] for flags in commands]
    done = run(json.dumps(words), program=("-c", EACH), HF_HOME=str(tmp_path), **environment)
    assert done.returncode == 0
    assert done.stdout == "1\n" * len(commands)
    for error, says in zip(done.stderr.splitlines(), commands.values(), strict=True):
        assert error.startswith("error: ")
        assert says in error
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_mistake_as_a_user_sees_it(tiny, tmp_path):
    """In a process of its own, with all that is imported on the way to it."""
    flipped(8)(tiny)
    done = run("--model", tiny, "--task", "miniature", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "is no readable safetensors" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_mistakes_are_one_sentence_and_leave_nothing(tiny, tmp_path, capfd):
    data = write(tmp_path / "data", "rte", RTE, RTE + "9\ta\tb\tperhaps\n")
    (tmp_path / "c.yaml").write_text("model: miniature\ntask: miniature\nwarmup_ration: 0.1\n")
    for flags, status, says in (
        (["--model", tiny, *data], 1, "dev.tsv, line 4 has the label 'perhaps': use one of"),
        (
            ["--config", tmp_path / "c.yaml"],
            1,
            "c.yaml, line 3: warmup_ration is no field; did you",
        ),
        (["--learning_rat", "1"], 2, "did you mean --learning_rate?"),
    ):
        assert main([*map(str, flags), "--out", str(tmp_path / "out")]) == status
        said = capfd.readouterr()
        assert said.out == ""
        assert says in said.err
        assert "Traceback" not in said.err
        assert said.err.count("\n") == 1
        assert not (tmp_path / "out").exists()
