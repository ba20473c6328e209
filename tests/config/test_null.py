"""None, null and a class of that name, on the command line and in a call."""

import pytest

import jaxtune.config.parse
from jaxtune.config.parse import from_settings, parse


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        # A word of the field's own, and a class of that name.
        ("--remat none", "remat", "none"),
        ("--remat null", "remat", None),
        ("--positive_class none", "positive_class", "none"),
        ("--positive_class NULL", "positive_class", "NULL"),
        ("--positive_class null", "positive_class", None),
        ('--positive_class "null"', "positive_class", "null"),
        ("--classes null none", "classes", ("null", "none")),
        ("--dropout None", "dropout", None),
    ],
)
def test_none_is_a_word_where_it_may_be_one(flags, name, value):
    custom = ["--model", "m", "--task", "custom", "--train_file", "a.csv", "--dev_file", "b.csv"]
    assert getattr(parse([*custom, *flags.split()]).base, name) == value


def test_none_is_a_word_of_a_grid():
    flags = ["--model", "m", "--task", "rte", "--grid.remat", "none", "block", "null"]
    assert parse(flags).grid == {"remat": ("none", "block", None)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("positive_class", value) for value in ("none", "None", None)),
        *(("remat", value) for value in ("none", None)),
        *(("out", value) for value in ("./None", None)),
    ],
)
def test_a_call_and_its_flags_mean_the_same(name, value):
    settings = {"model": "m", "task": "rte", name: value}
    assert parse(jaxtune._as_flags(dict(settings))) == from_settings(settings)


def test_a_class_called_null_goes_through_flags():
    settings = {"model": "m", "task": "rte", "positive_class": "null"}
    assert parse(jaxtune._as_flags(dict(settings))).base.positive_class == "null"
