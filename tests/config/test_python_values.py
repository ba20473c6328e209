"""Values as Python has them: seeds in lists and ranges, and what has no order or is no value."""

import numpy as np
import pandas as pd
import pytest

import jaxtune
from jaxtune.config.parse import from_settings, parse
from jaxtune.core.errors import UserError

NEEDED = {"model": "m", "task": "rte"}
FRAME = pd.DataFrame({"text": ["a"], "label": [0]})


@pytest.mark.parametrize("seeds", [[0, 1, 7], (0, 1, 7), np.array([0, 1, 7]), "0,1,7"])
def test_seeds_in_a_list(seeds):
    assert from_settings(NEEDED | {"seeds": seeds}).base.seeds == "0,1,7"
    assert jaxtune._as_flags({"seeds": seeds}) == ["--seeds=0,1,7"]


def test_seeds_in_a_range_and_in_a_file(tmp_path):
    crossed = from_settings(NEEDED | {"init_seeds": range(3), "order_seeds": 5})
    assert (crossed.base.init_seeds, crossed.base.order_seeds) == ("0,1,2", "5")
    file = tmp_path / "config.yaml"
    file.write_text("model: m\ntask: rte\nseeds: [3, 5]\n")
    assert parse(["--config", str(file)]).base.seeds == "3,5"


@pytest.mark.parametrize("seeds", [[], ["a"], [0.5], [True]])
def test_other_lists_are_no_seeds(seeds):
    with pytest.raises(UserError, match=r"^seeds is .*; give a text or null"):
        from_settings(NEEDED | {"seeds": seeds})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"grid": {"learning_rate": {1e-5, 2e-5}}}, "grid.learning_rate is a set; give a list of"),
        ({"grid": {"adam_b2": {0.9: 1}.keys()}}, "grid.adam_b2 is a dict_keys; give a list of"),
        ({"grid": {"adam_b2": iter([0.9])}}, "grid.adam_b2 is a list_iterator; give a list of"),
        ({"grid": {"adam_b2": {"b": 0.9}}}, "grid.adam_b2 is {'b': 0.9}; give a list of"),
        ({"learning_rate": {1e-5}}, "learning_rate is a set; give a number."),
        ({"train_file": FRAME}, "train_file is a DataFrame; give a text or null."),
        ({"out": b"runs"}, "out is a bytes; give a text or null."),
        ({"classes": [FRAME]}, "classes is a DataFrame; give a text, or a list of them."),
        ({"classes": [["a"], "b"]}, "classes is ['a']; give a text, or a list of them."),
    ],
)
def test_what_is_no_value_is_named_by_its_kind(given, said):
    with pytest.raises(UserError) as error:
        from_settings(NEEDED | given)
    assert str(error.value).startswith(said)


def test_numbers_and_paths_are_texts(tmp_path):
    base = from_settings(NEEDED | {"out": tmp_path, "seeds": np.int64(3)}).base
    assert (base.out, base.seeds) == (str(tmp_path), "3")
    custom = {"task": "custom", "train_file": "a.csv", "dev_file": "b.csv"}
    assert from_settings(NEEDED | custom | {"classes": [0, np.int64(1)]}).base.classes == ("0", "1")
