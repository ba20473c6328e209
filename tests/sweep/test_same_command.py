"""Processes of one run that were given different things: named, before any trial."""

import pytest
from small_groups import plan_for
from small_sweep import command

from jaxtune.config.parse import parse
from jaxtune.core.errors import UserError
from jaxtune.storage.inputs import read_inputs
from jaxtune.sweep import same_command
from jaxtune.sweep.same_command import check_same_command, check_same_reading


@pytest.fixture
def other(monkeypatch):
    """Makes this one of two processes, of which the second has what a function makes of its own."""

    def second(changed):
        monkeypatch.setattr("jax.process_count", lambda: 2)
        monkeypatch.setattr(same_command, "everyones", lambda own: [own, changed(*own)])

    return second


def given(tiny, *flags):
    return parse(command(tiny, "out", *flags))


@pytest.mark.parametrize(
    ("one", "two", "says"),
    [
        (["--learning_rate", "1e-3"], ["--learning_rate", "0.1"], r"\+learning_rate: 0\.1\)"),
        (["--num_seeds", "4"], ["--num_seeds", "5"], r"-num_seeds: 4; \+num_seeds: 5"),
        (["--grid.mixout", "0", "0.5"], ["--grid.mixout", "0"], r"- {1,}- 0\.5"),
        (["--shard", "1/2"], ["--shard", "2/2"], r"-shard: 1/2; \+shard: 2/2"),
        (["--overwrite"], [], r"-overwrite: true; \+overwrite: false"),
        (["--dry_run"], [], "dry_run"),
    ],
)
def test_another_command_is_named(tiny, other, one, two, says):
    theirs = same_command._config(given(tiny, *two))
    other(lambda _, code: [theirs, code])
    with pytest.raises(UserError, match=rf"^Process 1 was given another sweep .*{says}"):
        check_same_command(given(tiny, *one))


def test_what_only_the_first_process_uses_may_differ(tiny, other):
    theirs = parse(
        [*command(tiny, "elsewhere"), "--compile_cache", "false", "--checkpoint_every", "7"]
    )
    other(lambda _, code: [same_command._config(theirs), code])
    check_same_command(given(tiny))


def test_other_versions_are_named(tiny, other):
    other(lambda config, code: [config, code | {"optax": "0.0.1"}])
    with pytest.raises(UserError, match=r"other versions than process 0 \(optax 0\.0\.1, not "):
        check_same_command(given(tiny))


def test_other_files_and_other_tokens_are_named(tiny, other):
    plans, inputs = [plan_for(tiny)], read_inputs(given(tiny))
    other(lambda files, read: [files, read])
    check_same_reading(plans, inputs)
    role = "model/model.safetensors"
    path, sha256 = inputs[role]
    other(lambda files, read: [files | {role: (path, "0" * 64)}, read])
    with pytest.raises(UserError, match=rf"of process 1 are not .* \({path} has changed\)"):
        check_same_reading(plans, inputs)
    other(lambda files, read: [files | {role: ("/their/model.safetensors", sha256)}, read])
    check_same_reading(plans, inputs)
    other(lambda files, read: [files, ["0" * 64 for _ in read]])
    with pytest.raises(UserError, match="Process 1 reads other tokens or labels than process 0"):
        check_same_reading(plans, inputs)


def test_one_process_compares_nothing(tiny, monkeypatch):
    monkeypatch.setattr(same_command, "everyones", lambda _: pytest.fail("it asks"))
    check_same_command(given(tiny))
    check_same_reading([plan_for(tiny)], {})
