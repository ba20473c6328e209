"""Any settings at all: through flags, through the written file, and every combination of a grid."""

import dataclasses
import itertools
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jaxtune.config.parse import Settings, parse
from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import make_trials

COUNTS = st.integers(1, 10**6)
NUMBERS = st.floats(1e-30, 1e30)
RATES = st.floats(0, 0.999)
SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5, unique=True).map(
    lambda seeds: ",".join(map(str, seeds))
)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0~"), min_size=1)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "out": NAMES,
    "data_dir": NAMES,
    "train_examples": st.none() | COUNTS,
    "subset_seed": st.integers(0, 2**40),
    "max_length": COUNTS,
    "packing": st.booleans(),
    "num_seeds": COUNTS,
    "seeds": st.none() | SEEDS,
    "learning_rate": NUMBERS,
    "bias_correction": st.booleans(),
    "max_steps": st.none() | COUNTS,
    "warmup_ratio": st.floats(0, 1),
    "schedule": st.sampled_from(["linear", "cosine", "constant"]),
    "weight_decay": st.just(0.0) | NUMBERS,
    "adam_b2": RATES,
    "adam_eps": NUMBERS,
    "max_grad_norm": st.none() | NUMBERS,
    "dropout": st.none() | RATES,
    "precision": st.sampled_from(["float32", "bfloat16"]),
    "save_params": st.sampled_from(["none", "best", "final", "all"]),
}
SWEPT = ("learning_rate", "bias_correction", "max_grad_norm", "schedule")
GRIDS = st.fixed_dictionaries(
    {},
    optional={name: st.lists(VALUES[name], min_size=1, max_size=3, unique=True) for name in SWEPT},
)


def spelled(value: Any) -> str:
    """A value as the command line takes it."""
    return "null" if value is None else str(value)


def parse_values(values: dict[str, Any], grid: dict[str, list[Any]]) -> Settings:
    """Settings from flags of the form --name=value, which takes any text."""
    flags = [f"--{name}={spelled(value)}" for name, value in values.items()]
    swept = [[f"--grid.{name}", *map(spelled, given)] for name, given in grid.items()]
    return parse(["--model=m", "--task=rte", *flags, *itertools.chain.from_iterable(swept)])


@given(st.fixed_dictionaries({}, optional=VALUES), GRIDS)
def test_any_settings_survive_flags_and_the_written_file(values, grid):
    if values.get("train_examples") is None:  # a subset alone has a seed
        values = {name: value for name, value in values.items() if name != "subset_seed"}
    base = SweepConfig(model="m", task="rte", **values)
    parsed = parse_values(values, grid)
    assert parsed.base == base
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(parsed.as_yaml(), encoding="utf-8")
        read = parse(["--config", str(file)])
    assert read.grid == parsed.grid
    assert read.arms == tuple(dataclasses.replace(arm, out=None) for arm in parsed.arms)
    assert read.base == dataclasses.replace(base, out=None)


@given(GRIDS)
def test_a_grid_is_every_combination_once(grid):
    parsed = parse_values({}, grid)
    assert parsed.grid == {name: tuple(given) for name, given in grid.items()}
    combinations = [dict(zip(grid, c, strict=True)) for c in itertools.product(*grid.values())]
    expected = tuple(dataclasses.replace(parsed.base, **values) for values in combinations)
    assert parsed.arms == expected
    trials = make_trials(parsed)
    assert [trial.number for trial in trials] == list(range(len(expected) * 32))
    assert {(trial.config, trial.seeds.seed) for trial in trials} == {
        (arm, seed) for arm in expected for seed in range(32)
    }
    assert len({trial.arm for trial in trials}) == len(expected)
