"""Of several sources the later wins: files, flags, arguments of a call, and what beside a grid."""

import functools
from pathlib import Path

import pytest
import yaml
from config_files import changes, parsed

import jaxtune
from jaxtune.config.parse import from_call, from_settings, parse, settings_in
from jaxtune.core.errors import UsageError, UserError
from jaxtune.core.flags import parse_flags
from jaxtune.merge.__main__ import MergeConfig


@pytest.fixture
def run(tmp_path: Path):
    """`parsed`, of files in a folder of the test's own."""
    return functools.partial(parsed, tmp_path)


def test_a_later_source_is_not_overridden_by_an_earlier_one(tmp_path):
    """`max_steps` wins over `num_epochs`, `seeds` over `num_seeds`, where one source has both."""
    common = ["--model", "m", "--task", "rte"]

    def epochs_and_steps(*argv):
        base = parse([*common, *argv]).base
        return base.num_epochs, base.max_steps

    assert epochs_and_steps("--recipe", "longer") == (3, 400)
    assert epochs_and_steps("--recipe", "longer", "mosbach") == (20, None)
    assert epochs_and_steps("--recipe", "mosbach", "longer") == (20, 400)
    assert epochs_and_steps("--recipe", "longer", "--num_epochs", "7") == (7, None)
    assert epochs_and_steps("--recipe", "longer", "--num_epochs", "7", "--max_steps", "9") == (7, 9)
    assert epochs_and_steps("--max_steps", "9", "--num_epochs", "7") == (7, 9)
    swept = parse([*common, "--recipe", "longer", "--grid.num_epochs", "3", "20"])
    assert [(arm.num_epochs, arm.max_steps) for arm in swept.arms] == [(3, None), (20, None)]
    file = tmp_path / "seeds.yaml"
    file.write_text("seeds: 0-31\n")
    assert parse([*common, "--config", str(file)]).base.seeds == "0-31"
    later = parse([*common, "--config", str(file), "--num_seeds", "4"]).base
    assert (later.seeds, later.num_seeds) == (None, 4)
    # Each by itself: seeds given beside num_seeds do not keep max_steps.
    both = ["--recipe", "longer", "--num_epochs", "7", "--num_seeds", "4", "--seeds", "5"]
    base = parse([*common, *both]).base
    assert (base.max_steps, base.seeds) == (None, "5")


@pytest.mark.parametrize(
    ("flags", "grid", "refused"),
    [
        ("--learning_rate 5e-5", "--grid.learning_rate 1e-5 2e-5", True),
        ("--learning_rate 0.00001", "--grid.learning_rate 1e-5 2e-5", False),
        ("--max_grad_norm null", "--grid.max_grad_norm 1 2", True),
        ("--train_file ./a.csv", "--grid.train_file a.csv c.csv", False),
        ("--train_file d.csv", "--grid.train_file a.csv c.csv", True),
    ],
)
def test_a_value_beside_a_grid_is_one_of_it(flags, grid, refused):
    common = "--model m --task rte"
    if "file" in flags:
        common = "--model m --task custom --dev_file b.csv"
    settings = settings_in(f"{common} {flags} {grid}".split())
    if not refused:
        assert len(from_call(settings).arms) == 2
        return
    with pytest.raises(UserError, match=r"which is none of the values of grid\..* leave one of"):
        from_call(settings)


def test_a_config_file_has_a_value_beside_its_grid(run, tmp_path):
    """As the file that a sweep writes."""
    written = run("", "learning_rate: 5e-5\ngrid: {learning_rate: [1e-5, 2e-5]}").as_yaml()
    file = tmp_path / "config.yaml"
    file.write_text(written)
    again = from_call({"config": file})
    assert again.base.learning_rate == 5e-5
    assert again.grid == {"learning_rate": (1e-5, 2e-5)}


def test_the_miniature_of_a_file_keeps_its_data_dir(tmp_path):
    """Earlier versions have written such files, and a sweep of one goes on."""
    file = tmp_path / "config.yaml"
    file.write_text("model: miniature\ndata_dir: GLUE\n")
    assert parse(["--config", str(file)]).base.data_dir == "GLUE"
    given = yaml.safe_load(file.read_text())
    assert from_settings(given).base.data_dir == "GLUE"  # as the nodes of a cluster are told
    for flags in (["--data_dir", "GLUE"], ["--task", "miniature", "--model=m", "--data_dir=GLUE"]):
        with pytest.raises(UserError, match="give --task and --model too, or leave data_dir out"):
            from_call(settings_in(flags))
    assert parse(["--config", str(file), "--data_dir", "null"]).base.data_dir is None


@pytest.mark.parametrize("flag", ["init_seeds", "order_seeds", "dropout_seeds"])
def test_a_null_ends_nothing_but_itself(run, flag):
    """It ended the seeds of the file, and 32 others ran."""
    assert run(f"--{flag} null", "seeds: 0-3").base.seeds == "0-3"
    assert run("", "seeds: 0-3", f"{flag}: null").base.seeds == "0-3"
    crossed = run("--seeds null", "init_seeds: 0-3\norder_seeds: 0-2")
    assert (crossed.base.init_seeds, crossed.base.order_seeds) == ("0-3", "0-2")


def test_a_folder_called_none_is_a_slip():
    with pytest.raises(UserError, match=r"^out is .None.; give null for none, or ./None"):
        parse(["--model", "m", "--task", "rte", "--out", "None"])


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        ("until_decided: true\nmax_seeds: 64", "--until_decided false", {}),
        ("lora_rank: 8\nlora_alpha: 32", "--lora_rank 0", {}),
        ("lora_rank: 8\ngrid: {lora_alpha: [8, 32]}", "--lora_rank 0", {}),
        ("train: head_then_all\nhead_ratio: 0.1", "--train bias", {"train": "bias"}),
        ("train_examples: 9\nsubset_seed: 3\nstratify: true", "--train_examples null", {}),
        ("early_stop: 0.3\nkeep_trials: 4", "--early_stop null", {}),
        (
            "seeds: 0-3",
            "--init_seeds 0-3 --order_seeds 5",
            {"init_seeds": "0-3", "order_seeds": "5"},
        ),
        (
            "init_seeds: 0-3\norder_seeds: 0-3\ndropout_seeds: 1",
            "--seeds 0-3",
            {"seeds": "0-3"},
        ),
    ],
)
def test_a_later_source_ends_what_depends_on_what_it_switches_off(run, text, flags, expected):
    settings = run(flags, text)
    assert (changes(settings.base), settings.grid) == (expected, {})


def test_in_one_source_they_still_contradict_each_other(run):
    with pytest.raises(UserError, match=r"lora_alpha is 32\.0, which adapters alone have"):
        run("--lora_rank 0 --lora_alpha 32", "lora_rank: 8")
    with pytest.raises(UserError, match="seeds and init_seeds contradict each other"):
        run("--seeds 1 --init_seeds 1 --order_seeds 1", "seeds: 5")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--num_seeds 8 --seeds 0-1", "num_seeds and seeds are both given, and num_seeds would"),
        ("--num_seeds 9 --init_seeds 0-2 --order_seeds 0-1", "num_seeds and init_seeds are both"),
        ("--num_epochs 5 --max_steps 2", "num_epochs and max_steps are both given, and num_epochs"),
        ("--num_epochs 5 --grid.max_steps 2 4", "num_epochs and max_steps are both given, and"),
    ],
)
def test_in_one_call_nothing_counts_for_nothing(given, said, tmp_path):
    """In a file both may stand, and a call names one of them."""
    settings = settings_in(f"--model m --task rte {given}".split())
    with pytest.raises(UsageError, match=said):
        from_call(settings)
    first, *others = given.removeprefix("--").split(" --")
    file = tmp_path / "config.yaml"
    file.write_text(f"model: m\ntask: rte\n{first.replace(' ', ': ')}\n")
    from_call(settings_in(["--config", str(file), *f"--{' --'.join(others)}".split()]))


def test_a_users_folder_is_spelled_as_in_a_shell(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/someone")
    file = tmp_path / "config.yaml"
    file.write_text(
        "model: ~/model\ntask: custom\ndev_file: ~/dev.csv\ntest_file: ~/test.csv\n"
        "more_dev_files: [x=~/x.csv, y=~.csv]\ngrid: {train_file: [~/a.csv]}\n"
    )
    settings = parse(["--config", str(file), "--out=~/runs/x"])
    base = settings.base
    assert (base.model, base.out) == ("/home/someone/model", "/home/someone/runs/x")
    assert (base.dev_file, base.test_file) == ("/home/someone/dev.csv", "/home/someone/test.csv")
    assert base.more_dev_files == ("x=/home/someone/x.csv", "y=~.csv")
    assert settings.grid == {"train_file": ("/home/someone/a.csv",)}
    assert parse_flags("merge", MergeConfig, ["~/a", "b", "--out=~/c"]) == MergeConfig(
        (Path("/home/someone/a"), Path("b")), out=Path("/home/someone/c")
    )
    with pytest.raises(UserError, match=r"^/home/someone/out "):
        jaxtune.load_results("~/out")
    with pytest.raises(UserError, match=r"grid\.train_file has /home/someone/a\.csv twice; give"):
        parse(["--config", str(file), "--grid.train_file", "~/a.csv", "/home/someone/a.csv"])


def test_whole_numbers_of_a_config_file_are_those_of_a_command_line(run):
    """YAML itself reads 010 as 8."""
    base = run("", "num_seeds: 010\nadam_eps: 010").base
    assert (base.num_seeds, base.adam_eps) == (10, 10.0)
    assert run("", "grid: {batch_size: [010, 8]}").grid == {"batch_size": (10, 8)}
    with pytest.raises(UserError, match="num_seeds is '0x10'; give a whole number"):
        run("", "num_seeds: 0x10")
