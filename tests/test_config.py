"""Defaults, then YAML, then flags; the grid; seeds; and every way to get it wrong."""

import dataclasses
import math
import re
from pathlib import Path

import pytest

import jaxtune.config
from jaxtune.config import Settings, SweepConfig, parse, seed_list
from jaxtune.errors import UserError

CONFIGS = sorted((Path(__file__).parents[1] / "configs").rglob("*.yaml"))
NEEDED = ("--model", "m", "--task", "rte")


@pytest.fixture
def with_files(tmp_path: Path):
    """Parses flags after `--config` files that hold the given texts."""

    def run(*texts: str, flags: str = "") -> Settings:
        argv: list[str] = []
        for number, text in enumerate(texts):
            file = tmp_path / f"{number}.yaml"
            file.write_text(text, encoding="utf-8")
            argv += ["--config", str(file)]
        return parse([*argv, *flags.split()])

    return run


def with_flags(flags: str) -> Settings:
    return parse([*NEEDED, *flags.split()])


def changes(config: SweepConfig) -> dict[str, object]:
    """The fields that differ from the defaults, apart from model and task."""
    default = dataclasses.asdict(SweepConfig(model="m", task="rte"))
    return {k: v for k, v in dataclasses.asdict(config).items() if v != default[k]}


def test_defaults_are_the_papers_recommendation():
    settings = with_flags("")
    config = settings.base
    assert settings == Settings(SweepConfig(model="m", task="rte"), {}, (config,))
    assert (config.learning_rate, config.bias_correction, config.num_seeds) == (2e-5, True, 32)
    assert (config.adam_b1, config.adam_b2, config.adam_eps) == (0.9, 0.999, 1e-6)
    assert (config.batch_size, config.max_length, config.warmup_ratio) == (16, 128, 0.1)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--learning_rate 1e-5 --num_seeds 4", {"learning_rate": 1e-5, "num_seeds": 4}),
        ("--learning-rate 1e-5 --num-seeds 4", {"learning_rate": 1e-5, "num_seeds": 4}),
        ("--learning-rate=1e-5 --num_seeds=4", {"learning_rate": 1e-5, "num_seeds": 4}),
        ("--max_steps 7 --max_steps 8", {"max_steps": 8}),
        ("--max_grad_norm null --packing false", {"max_grad_norm": None, "packing": False}),
        ("--max_grad_norm=null --packing=false", {"max_grad_norm": None, "packing": False}),
        ("--max_grad_norm None --packing False", {"max_grad_norm": None, "packing": False}),
        ("--packing true --dry_run true", {"dry_run": True}),
        ("--text_columns a b", {"text_columns": ("a", "b")}),
        ("--precision bfloat16 --schedule cosine", {"precision": "bfloat16", "schedule": "cosine"}),
        ("--seeds 0-31,77", {"seeds": "0-31,77"}),
        ("--seeds 007", {"seeds": "007"}),
        ("--task mrpc --out runs/x", {"task": "mrpc", "out": "runs/x"}),
    ],
)
def test_flags(flags, expected):
    assert changes(with_flags(flags).base) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("learning_rate: 2e-6\nadam_eps: 1e-08", {"learning_rate": 2e-6, "adam_eps": 1e-8}),
        ("learning_rate: 1", {"learning_rate": 1.0}),
        ("num-seeds: 5", {"num_seeds": 5}),
        ("max_grad_norm: null\nmax_steps: ~\ndropout:", {"max_grad_norm": None}),
        ("packing: false\nbias_correction: no", {"packing": False, "bias_correction": False}),
        ("random_weights: true\noverwrite: True", {"random_weights": True, "overwrite": True}),
        ("text_columns: [a, b]", {"text_columns": ("a", "b")}),
        ("text_columns: a", {"text_columns": ("a",)}),
        ("text_columns: [true, 1]", {"text_columns": ("True", "1")}),
        ("seeds: 0-31,77", {"seeds": "0-31,77"}),
        ("seeds: 5", {"seeds": "5"}),
        ("seeds: '007'", {"seeds": "007"}),
        ("label_column: -1 or 1", {"label_column": "-1 or 1"}),
        ("label_column: --out", {"label_column": "--out"}),
        ("data_dir: a folder/é", {"data_dir": "a folder/é"}),
        ("grid:", {}),
    ],
)
def test_yaml(with_files, text, expected):
    settings = with_files(f"model: m\ntask: rte\n{text}\n")
    assert changes(settings.base) == expected
    assert settings.arms == (settings.base,)


def test_later_wins(with_files):
    first = "model: m\ntask: rte\nlearning_rate: 1e-5\nnum_epochs: 1\nbatch_size: 1"
    second = "learning_rate: 2e-6\nnum_epochs: 2"
    assert changes(with_files(first, second, flags="--learning-rate 3e-6").base) == {
        "learning_rate": 3e-6,
        "num_epochs": 2,
        "batch_size": 1,
    }


def test_one_config_flag_takes_several_files(tmp_path):
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    files[0].write_text("model: m\ntask: rte\nnum_epochs: 1")
    files[1].write_text("num_epochs: 2")
    argv = ["--batch_size", "4", "--config", *map(str, files), "--max_steps", "9"]
    expected = {"num_epochs": 2, "batch_size": 4, "max_steps": 9}
    assert changes(parse(argv).base) == expected
    expected["num_epochs"] = 1
    argv = [f"--config={files[1]}", f"--config={files[0]}", "--batch_size=4", "--max_steps=9"]
    assert changes(parse(argv).base) == expected


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ("--learning_rat 1", "learning_rat"),
        ("--nonsense 1", "nonsense"),
        ("stray", "stray"),
        ("--learning_rate fast", "learning_rate"),
        ("--learning_rate null", "learning_rate"),
        ("--num_epochs 2.5", "num_epochs"),
        ("--packing maybe", "packing"),
        ("--packing", "packing"),
        ("--precision float16", "precision"),
        ("--grid.learning_rate 1e-5 fast", "learning_rate"),
        ("--grid.bias_correction 2", "bias_correction"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_the_flag(capsys, flags, named):
    with pytest.raises(SystemExit) as caught:
        with_flags(flags)
    assert caught.value.code == 2
    assert named in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("learning_rat: 1", "learning_rat"),
        ("1: 2", "--1"),
        ("help: 1", "help"),
        ("config: other.yaml", "config"),
        ("num_epochs: many", "num_epochs"),
        ("learning_rate: {a: 1}", "learning_rate"),
        ("num_epochs: [1, 2]", "2"),
        ("seeds: [1, 2]", "2"),
        ("grid: {num_epochs: [1, many]}", "num_epochs"),
    ],
)
def test_wrong_yaml_exits_with_2_and_names_the_key(with_files, capsys, text, named):
    with pytest.raises(SystemExit) as caught:
        with_files(f"model: m\ntask: rte\n{text}\n")
    assert caught.value.code == 2
    assert named in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "is no mapping of field names to values"),
        ("text", "is no mapping of field names to values"),
        ("grid: [learning_rate]", "is no mapping of field names to values"),
        ("a: [", "cannot be read: while parsing"),
        ("grid: {learning_rate: []}", "--grid.learning_rate has no values"),
        ("grid: {1: [2]}", "--grid.1 is no field that can be swept"),
    ],
)
def test_files_that_are_no_config_are_refused(with_files, text, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        with_files(text)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match="config file nowhere.yaml cannot be read"):
        parse(["--config", "nowhere.yaml"])
    with pytest.raises(UserError, match="--config has no file"):
        parse([*NEEDED, "--config"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        *((f"--{name} 0", f"{name} is 0; give a number of at least 1") for name in (
            "num_seeds num_epochs batch_size max_length log_every "
            "max_steps eval_every train_examples trials_per_device"
        ).split()),
        ("--model null", "--model is not given; --model and --task go together"),
        ("--task null", "--task is not given; --model and --task go together"),
        ("--task squad", "The task 'squad' is unknown; accepted are rte, mrpc"),
        ("--task custom", "Task custom needs --train_file and --dev_file"),
        ("--task custom --train_file a.csv", "Task custom needs --train_file and --dev_file"),
        ("--init_seeds 0-3", "init_seeds and order_seeds are crossed with each other"),
        ("--order_seeds 0-3", "init_seeds and order_seeds are crossed with each other"),
        ("--seeds 1 --init_seeds 1 --order_seeds 1", "seeds and init_seeds contradict each other"),
        ("--dropout_seeds 1", "dropout_seeds belong to a crossed design"),
        ("--warmup_ratio 1.1", "warmup_ratio is 1.1; give a share"),
        ("--warmup_ratio -0.1", "warmup_ratio is -0.1; give a share"),
        ("--warmup_ratio nan", "warmup_ratio is nan; give a share"),
        ("--dropout 1", "dropout is 1.0; give a rate"),
        ("--dropout -0.5", "dropout is -0.5; give a rate"),
        ("--seeds 3-1", "Seeds '3-1' hold the empty range '3-1'"),
        ("--init_seeds 1 --order_seeds a", "Seeds 'a' cannot be read at 'a'"),
        ("--init_seeds 1 --order_seeds 1 --dropout_seeds 1.5", "cannot be read at '1.5'"),
        ("--grid.warmup_ratio 0.1 2", "warmup_ratio is 2.0; give a share"),
        ("--grid.learning_rate", "--grid.learning_rate has no values"),
        ("--grid.learning_rate --grid.adam_b2 0.9", "--grid.learning_rate has no values"),
        ("--grid.learning_rat 1", "--grid.learning_rat is no field that can be swept"),
        ("--grid.seeds 1 2", "--grid.seeds is no field that can be swept; accepted are data_dir"),
    ],
)  # fmt: skip
def test_contradictions_are_one_sentence(flags, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        with_flags(flags)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags"),
    [
        "--warmup_ratio 0 --dropout 0",
        "--warmup_ratio 1 --dropout 0.99",
        "--task custom --train_file a.csv --dev_file b.csv",
        "--init_seeds 0-4 --order_seeds 5,7 --dropout_seeds 1",
        "--num_seeds 1 --max_steps 1 --eval_every 1 --trials_per_device 1",
    ],
)
def test_limits_are_accepted(flags):
    with_flags(flags)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0", (0,)),
        ("0-3", (0, 1, 2, 3)),
        ("0-2,77", (0, 1, 2, 77)),
        ("5,3,4-4", (5, 3, 4)),
        ("2,0-3,2", (2, 0, 1, 3)),
        (" 1 , 3 - 4 ", (1, 3, 4)),
        ("007,010-011", (7, 10, 11)),
        ("4294967295", (2**32 - 1,)),
    ],
)
def test_seed_lists(text, seeds):
    assert seed_list(text) == seeds


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "1,", ",1", "1,,2", "-1", "1-", "1-2-3", "3-1", "1.5", "0x1", "1 2", "1e3"],
)
def test_other_seed_lists_are_refused(text):
    with pytest.raises(UserError, match="Seeds"):
        seed_list(text)


@pytest.mark.parametrize("text", ["4294967296", "0,4294967295-4294967296", "99999999999999999999"])
def test_seeds_that_random_keys_would_fold_onto_others_are_refused(text):
    with pytest.raises(UserError, match="the largest seed is 4294967295"):
        seed_list(text)


@pytest.mark.parametrize(
    ("flags", "grid"),
    [
        ("--grid.learning_rate 1e-5 2e-5", {"learning_rate": (1e-5, 2e-5)}),
        ("--grid.learning-rate 1e-5 2e-5", {"learning_rate": (1e-5, 2e-5)}),
        ("--grid.learning_rate=1e-5", {"learning_rate": (1e-5,)}),
        ("--grid.learning_rate=1e-5 2e-5", {"learning_rate": (1e-5, 2e-5)}),
        ("--grid.learning_rate 1e-5 --grid.learning_rate 1", {"learning_rate": (1e-5, 1.0)}),
        ("--grid.learning_rate 1e-5 0.00001", {"learning_rate": (1e-5,)}),
        ("--grid.weight_decay -1 0", {"weight_decay": (-1.0, 0.0)}),
        ("--grid.bias_correction true false", {"bias_correction": (True, False)}),
        ("--grid.bias_correction=true", {"bias_correction": (True,)}),
        ("--grid.max_grad_norm null 1", {"max_grad_norm": (None, 1.0)}),
        ("--grid.batch_size 8 --num_seeds 3", {"batch_size": (8,)}),
        ("--learning_rate 1 --grid.learning_rate 2", {"learning_rate": (2.0,)}),
    ],
)
def test_swept_values(flags, grid):
    settings = with_flags(flags)
    assert settings.grid == grid
    ((name, values),) = grid.items()
    assert [getattr(arm, name) for arm in settings.arms] == list(values)
    assert {dataclasses.replace(arm, **{name: 0}) for arm in settings.arms} == {
        dataclasses.replace(settings.base, **{name: 0})
    }


def test_swept_fields_are_crossed():
    settings = with_flags("--grid.learning_rate 1 2 --seeds 4 --grid.bias_correction true false")
    arms = [(arm.learning_rate, arm.bias_correction) for arm in settings.arms]
    assert arms == [(1, True), (1, False), (2, True), (2, False)]
    assert {arm.seeds for arm in settings.arms} == {"4"}


def test_yaml_grids(with_files):
    text = "model: m\ntask: rte\nlearning_rate: 1e-5\ngrid: {learning_rate: [1e-5, 2e-5], "
    settings = with_files(text + "max-grad-norm: [null, 1], packing: false}")
    grid = {"learning_rate": (1e-5, 2e-5), "max_grad_norm": (None, 1.0), "packing": (False,)}
    assert settings.grid == grid
    assert len(settings.arms) == 4


@pytest.mark.parametrize(
    ("second", "flags", "expected"),
    [
        ("", "--grid.adam_b2 0.9", {"adam_b1": (0.1, 0.2), "adam_b2": (0.9,)}),
        ("", "--grid.adam_b1 0.3", {"adam_b1": (0.3,)}),
        ("grid: {adam_b1: [0.4]}", "", {"adam_b1": (0.4,)}),
        ("grid: {adam_b1: [0.4]}", "--grid.adam-b1 0.5 0.6", {"adam_b1": (0.5, 0.6)}),
        ("", "--adam_b1 0.2", {}),
        ("", "--adam-b1=0.2", {}),
        ("adam_b1: 0.2", "", {}),
        ("adam_b1: 0.2", "--grid.adam_b1 0.3", {"adam_b1": (0.3,)}),
        ("adam_b2: 0.2", "--adam_eps 1", {"adam_b1": (0.1, 0.2)}),
    ],
)
def test_later_sources_override_what_a_file_sweeps(with_files, second, flags, expected):
    first = "model: m\ntask: rte\ngrid: {adam_b1: [0.1, 0.2]}"
    settings = with_files(first, second, flags=flags)
    assert settings.grid == expected
    assert len(settings.arms) == math.prod(map(len, expected.values()))


def test_the_quickstart_runs_only_without_config_model_and_task(tmp_path, monkeypatch):
    quickstart = tmp_path / "quickstart.yaml"
    quickstart.write_text("model: quick\ntask: cola\ngrid: {bias_correction: [false, true]}")
    monkeypatch.setattr(jaxtune.config, "QUICKSTART", quickstart)
    settings = parse(["--num_seeds", "3"])
    assert (settings.base.model, settings.base.task, settings.base.num_seeds) == (
        "quick",
        "cola",
        3,
    )
    assert [arm.bias_correction for arm in settings.arms] == [False, True]
    assert [arm.bias_correction for arm in parse(["--bias_correction", "true"]).arms] == [True]
    for argv in (["--model", "m"], ["--model=m"], ["--task=rte", "--num_seeds", "3"]):
        with pytest.raises(UserError, match="--model and --task go together"):
            parse(argv)
    other = tmp_path / "other.yaml"
    other.write_text("num_seeds: 2")
    with pytest.raises(UserError, match="--model and --task go together"):
        parse(["--config", str(other)])
    assert parse([*NEEDED, "--config", str(other)]).base.model == "m"


def test_the_packaged_quickstart_parses():
    settings = parse([])
    assert settings.base.model == settings.base.task == "miniature"
    assert [arm.bias_correction for arm in settings.arms] == [False, True]


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "--max_grad_norm null --dropout 0.1 --packing false --text_columns a null --seeds 007",
        "--learning_rate 1e-05 --grid.learning_rate 1e-05 2.5e-7 --grid.max_grad_norm null 1",
        "--model ./12 --data_dir 5 --train_file=-x.csv --label_column=--y --grid.packing true false",
        "--grid.precision float32 bfloat16 --grid.train_examples null 100 --adam_eps inf",
    ],
)
def test_written_settings_read_back(with_files, flags):
    settings = with_flags(flags)
    assert with_files(settings.as_yaml()) == settings


def test_written_settings_leave_the_command_out(with_files):
    settings = with_flags("--out x --dry_run true --overwrite true --num_seeds 3")
    again = with_files(settings.as_yaml())
    assert changes(again.base) == {"num_seeds": 3}
    assert "grid" not in settings.as_yaml()


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_every_packaged_config_parses(file):
    # A config may leave the model or the task to the command line.
    settings = parse([*NEEDED, "--config", str(file)])
    assert settings.arms
