"""Which configs are of one sweep: what no arm trains with tells none apart."""

from jaxtune.config.parse import parse
from jaxtune.storage.same_config import config_changes

GRID = ["--grid.learning_rate", "1e-5", "2e-5"]


def text(*flags):
    return parse(["--model", "m", "--task", "rte", *flags]).as_yaml()


def test_a_value_beside_its_own_grid_counts_for_nothing():
    """Earlier versions took `--learning_rate 5e-5` beside the grid, and have written it down."""
    assert (
        config_changes(text(*GRID, "--learning_rate", "5e-5"), text(*GRID), paths_too=False) == []
    )
    changes = config_changes(text(*GRID, "--warmup_ratio", "0.5"), text(*GRID), paths_too=False)
    assert changes == ["-warmup_ratio: 0.5", "+warmup_ratio: 0.1"]
    one, other = text("--learning_rate", "5e-5"), text()
    assert config_changes(one, other, paths_too=False) == [
        "-learning_rate: 5.0e-05",
        "+learning_rate: 2.0e-05",
    ]


def test_other_values_of_a_grid_are_another_sweep():
    assert config_changes(text(*GRID), text(*GRID, "3e-5"), paths_too=False)
