"""Two processes with two CPU devices each give the trials that one process gives."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from same_results import curves
from small_sweep import command

import jaxtune
from jaxtune.core.processes import owner
from jaxtune.storage.kept_params import load_params
from jaxtune.sweep.__main__ import main

SUPPORT = Path(__file__).parents[1] / "support"
SHORT = SUPPORT / "short_of_memory.py"
IN_STEP = SUPPORT / "in_step.py"
SLOW = SUPPORT / "slow_start.py"
SWEEP = ("-m", "jaxtune.sweep")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(program, flags, devices, **distributed):
    return subprocess.Popen(
        [sys.executable, *program, *flags],
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)} | distributed,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_pair(programs, flags, devices=(2, 2)):
    """Two processes of one run, each with its program, flags and devices."""
    address = f"127.0.0.1:{free_port()}"
    return [
        start(
            program,
            words,
            count,
            JAX_COORDINATOR_ADDRESS=address,
            JAX_NUM_PROCESSES="2",
            JAX_PROCESS_ID=str(index),
        )
        for index, (program, words, count) in enumerate(zip(programs, flags, devices, strict=True))
    ]


def ended(processes, status=0):
    """What they say, when all have ended in that way."""
    spoken = [process.communicate(timeout=600) for process in processes]
    for process, (_, error) in zip(processes, spoken, strict=True):
        assert process.returncode == status, error
    return [error if status else said for said, error in spoken]


def run_both(one, two, second=SWEEP):
    """What each process says: one with four devices, then two with two, of which the second is
    started as `second`.
    """
    return ended([start(SWEEP, one, 4), *start_pair((SWEEP, second), (two, two))])


def assert_same_results(first, second, *apart):
    one, other = jaxtune.load_results(first), jaxtune.load_results(second)
    apart = ["seconds", *apart]
    assert one.trials.drop(columns=apart).equals(other.trials.drop(columns=apart))
    assert one.history.equals(other.history)
    for number, logits in one.predictions.items():
        np.testing.assert_array_equal(logits, other.predictions[number])
    assert curves(first / "tb") == curves(second / "tb")
    saved = sorted(path.relative_to(first) for path in first.glob("params/*/*"))
    assert saved == sorted(path.relative_to(second) for path in second.glob("params/*/*"))
    for name in saved:
        kept = load_params(second / name)
        for path, array in load_params(first / name).items():
            np.testing.assert_array_equal(array, kept[path])
    return len(saved)


@pytest.mark.slow
def test_two_processes_give_the_same_trials(tiny, tmp_path):
    """Five trials on four devices: in the second group a process has none. A trial that diverges
    stops early, in whichever process it is.
    """
    flags = ["--num_seeds", "5", "--save_params", "final", "--packing", "false"]
    flags += ["--grid.learning_rate", "1e-3", "1e38", "--early_stop", "0.5"]
    outs = [tmp_path / name for name in ("one", "two")]
    one, two = (command(tiny, out, *flags) for out in outs)
    assert main(one) == 0  # on this process' four devices
    first, second = ended(start_pair((SWEEP, SWEEP), (two, two)))
    assert "Results:" in first
    assert "Results:" not in second  # only the first process speaks
    assert assert_same_results(*outs) == 5


@pytest.mark.storm
def test_where_one_process_runs_out_of_memory_all_take_smaller_groups(tiny, tmp_path):
    """In the middle of a group, while the other goes on; nothing of the attempt is kept."""
    flags = ["--num_seeds", "6", "--save_params", "all", "--early_stop", "0.5"]
    outs = [tmp_path / name for name in ("one", "two")]
    one, two = (command(tiny, out, *flags) for out in outs)
    said = run_both(one, [*two, "--trials_per_device", "2"], [str(SHORT), "2"])
    assert "Out of memory: going on with groups of 4 trials." in said[1]
    assert assert_same_results(*outs, "trials_per_device") == 12


@pytest.mark.slow
def test_processes_that_differ_end_together_with_one_sentence(tiny, tmp_path):
    """Commands one after the other in the same two processes; the last two are the same for both,
    and the first one alone speaks, and is waited for.
    """
    other = shutil.copytree(tiny, tmp_path / "other")
    (other / "config.json").write_text((other / "config.json").read_text() + " ")
    taken, out = tmp_path / "taken", tmp_path / "out"
    taken.mkdir()
    (taken / "trials.jsonl").touch()
    seeds = ("--num_seeds", "2")
    plain = command(tiny, out, *seeds)
    pairs = [
        ([*plain, "--learning_rate", "1e-3"], plain),
        (plain, command("/nowhere/model", out, *seeds)),
        (plain, command(str(other), out, *seeds)),
        (plain, [*plain, "--nonsense"]),
        (command(tiny, taken), command(tiny, taken)),
        ([*plain, "--dry_run"], [*plain, "--dry_run"]),
        (plain, plain),
    ]
    flags = [[json.dumps(own)] for own in zip(*pairs, strict=True)]
    first, second = (
        re.split(r"^(status .*)\n", said, flags=re.M)
        for said in ended(start_pair([[str(IN_STEP)]] * 2, flags, devices=(1, 1)))
    )
    differ = "error: Process 1 was given another sweep than process 0 (-learning_rate: 0.001; +"
    assert first[0].splitlines()[-1].startswith(differ)
    assert second[0].splitlines()[-1].startswith(differ)
    assert first[2].startswith("error: process 1: There is no folder /nowhere/model")
    assert second[2].startswith("error: There is no folder /nowhere/model")
    assert first[4] == second[4]
    assert first[4].startswith("error: Model or data of process 1 are not those of process 0 (")
    assert f"{other}/config.json is not {tiny}/config.json as it was" in first[4]
    assert first[6] == "error: process 1: --nonsense is no flag; --help lists all.\n"
    assert f"{taken} holds trials but no config.yaml" in first[8]
    assert second[8] == first[8].replace("error: ", "error: process 0: ")
    assert "in all: 2 trials, 10 trial-steps" in first[10]
    assert second[10] == ""
    assert "Results:" in first[12]
    assert second[12] == ""
    status = [f"status {code}, summary False" for code in (1, 1, 1, 1, 1, 0)]
    assert first[1::2] == [*status, "status 0, summary True"]
    status[3] = "status 2, summary False"
    assert second[1::2] == [*status, "status 0, summary True"]


@pytest.mark.slow
def test_processes_with_unequal_devices_are_one_sentence(tiny, tmp_path):
    flags = command(tiny, tmp_path / "out")
    for error in ended(start_pair([SWEEP, SWEEP], [flags, flags], devices=(1, 2)), status=1):
        assert "error: The processes have different numbers of devices (process 0: 1, pro" in error
        assert "Traceback" not in error


@pytest.mark.storm
def test_a_process_may_be_late_for_the_first_group(tiny, tmp_path):
    """By more than Gloo gives for the first exchange: OUT is long, or a last group small."""
    out = tmp_path / "out"
    for slow, flags in (("read", []), ("group", ["--overwrite"])):
        words = command(tiny, out, "--num_seeds", "1", *flags)  # the second process trains nothing
        ended(start_pair([[str(SLOW), slow], SWEEP], [words, words], devices=(1, 1)))
        assert len(jaxtune.load_results(out).trials) == 1


def test_places_of_a_group_belong_to_processes_in_equal_parts(monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 2)
    assert [owner(place, 8) for place in range(8)] == [0, 0, 0, 0, 1, 1, 1, 1]
