"""A group that runs out of memory, in whatever part of its run, costs no trial and changes none."""

import copy
import gc

import jax
import numpy as np
import pytest
from same_results import curves
from small_groups import plans_for
from small_sweep import command

import jaxtune
from jaxtune.sweep.__main__ import main
from jaxtune.sweep.groups import RunningProgram
from jaxtune.sweep.meter import Meter
from jaxtune.training.program import recent_program


def failing(monkeypatch, part: str, call: int, message: str) -> list[int]:
    """The `call`-th call of a program's part raises for groups of more than 4 trials.

    XLA compiles at the first call and wants memory at every one. Returns the sizes of the groups
    that it was raised for.
    """
    refused: list[int] = []

    def breakable(*arguments):
        program = copy.copy(recent_program(*arguments))
        compiled, calls = getattr(program, part), []

        def run(*inputs):
            calls.append(1)
            if program.group_size > 4 and len(calls) == call:
                refused.append(program.group_size)
                raise jax.errors.JaxRuntimeError(message)
            return compiled(*inputs)

        setattr(program, part, run)
        return program

    monkeypatch.setattr("jaxtune.training.plan.recent_program", breakable)
    return refused


@pytest.fixture(scope="module")
def small_groups(tiny, tmp_path_factory):
    """The sweep in groups of 4 from the start."""
    out = tmp_path_factory.mktemp("small") / "out"
    assert main(command(tiny, out, "--num_seeds", "6")) == 0
    return out


@pytest.mark.parametrize(
    ("part", "call"),
    [
        *(pytest.param(part, 1, marks=pytest.mark.storm) for part in ("start", "train")),
        *(("train", 2), ("evaluate", 1)),
    ],
)
def test_out_of_memory_halves_the_group_and_goes_on(
    tiny, small_groups, tmp_path, monkeypatch, capsys, part, call
):
    """At the start, where a program is compiled, between two dispatches, or at an evaluation."""
    refused = failing(monkeypatch, part, call, "RESOURCE_EXHAUSTED: Out of memory (injected)")
    flags = ["--num_seeds", "6", "--trials_per_device", "2"]
    assert main(command(tiny, tmp_path / "out", *flags)) == 0
    assert refused == [8]
    assert "groups of 4 trials" in capsys.readouterr().out
    first, second = (jaxtune.load_results(out) for out in (small_groups, tmp_path / "out"))
    apart = ["seconds", "trials_per_device"]  # of the settings, what was asked for
    assert first.trials.drop(columns=apart).equals(second.trials.drop(columns=apart))
    assert first.history.equals(second.history)
    for number, logits in first.predictions.items():
        np.testing.assert_array_equal(logits, second.predictions[number])
    assert curves(small_groups / "tb") == curves(tmp_path / "out" / "tb")


def test_the_next_look_keeps_the_smaller_groups(tiny, tmp_path, monkeypatch):
    refused = failing(monkeypatch, "train", 1, "RESOURCE_EXHAUSTED: Out of memory (injected)")
    monkeypatch.setattr("jaxtune.sweep.train.is_decided", lambda *_: False)
    looks = ("--grid.bias_correction", "true", "false", "--until_decided", "--max_seeds", "5")
    flags = ["--num_seeds", "4", "--trials_per_device", "2", *looks]
    assert main(command(tiny, tmp_path / "out", *flags)) == 0
    assert refused == [8]
    assert set(jaxtune.load_results(tmp_path / "out").trials["group_size"]) == {4}


def test_another_runtime_error_is_not_taken_for_memory(tiny, tmp_path, monkeypatch):
    failing(monkeypatch, "train", 1, "INTERNAL: something else")
    flags = ["--num_seeds", "6", "--trials_per_device", "2"]
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        main(command(tiny, tmp_path / "out", *flags))


def test_a_kernel_that_no_group_has_room_for_halves_none(tiny, tmp_path, monkeypatch, capsys):
    short = "RESOURCE_EXHAUSTED: Shared memory size limit exceeded: requested 2, available: 1"
    refused = failing(monkeypatch, "train", 1, short)
    flags = ["--num_seeds", "6", "--trials_per_device", "2"]
    assert main(command(tiny, tmp_path / "out", *flags)) == 1
    assert refused == [8]
    said = capsys.readouterr()
    assert "attention is 'kernel', which holds rows of fewer slots on this device;" in said.err
    assert "memory" not in said.err + said.out


@pytest.mark.slow
def test_only_the_program_that_runs_has_its_data_on_the_devices(tiny):
    plans = plans_for(tiny, "--grid.batch_size", "4", "8", "--num_seeds", "1")
    gc.collect()
    before = {id(array) for array in jax.live_arrays()}
    programs = [RunningProgram(plan, Meter()) for plan in plans]
    held = []
    for program in programs:
        with program.data_on_devices():
            alive = [array.nbytes for array in jax.live_arrays() if id(array) not in before]
            held.append(sum(alive))
    assert max(held) < 1.5 * min(held)
    gc.collect()
    assert [array for array in jax.live_arrays() if id(array) not in before] == []


def test_a_trial_that_does_not_fit_alone_is_said(tiny, tmp_path, monkeypatch, capsys):
    def run(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory (injected)")

    monkeypatch.setattr("jaxtune.training.group_run.GroupRun.run", run)
    assert main(command(tiny, tmp_path / "out", "--num_seeds", "1")) == 1
    assert "One trial does not fit in a device's memory" in capsys.readouterr().err
