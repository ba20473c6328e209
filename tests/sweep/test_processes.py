"""Two processes with two CPU devices each give the trials that one process gives."""

import os
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

SHORT = Path(__file__).parents[1] / "support" / "short_of_memory.py"
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


def run_both(one, two, second=SWEEP):
    """What each process says: one with four devices, then two with two, of which the second is
    started as `second`.
    """
    address = f"127.0.0.1:{free_port()}"
    pair = [
        start(
            program,
            two,
            2,
            JAX_COORDINATOR_ADDRESS=address,
            JAX_NUM_PROCESSES="2",
            JAX_PROCESS_ID=str(index),
        )
        for index, program in enumerate((SWEEP, second))
    ]
    processes = [start(SWEEP, one, 4), *pair]
    spoken = [process.communicate(timeout=600) for process in processes]
    for process, (_, error) in zip(processes, spoken, strict=True):
        assert process.returncode == 0, error
    return [said for said, _ in spoken]


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


def test_two_processes_give_the_same_trials(tiny, tmp_path):
    """Five trials on four devices: in the second group a process has none. A trial that diverges
    stops early, in whichever process it is.
    """
    flags = ["--num_seeds", "5", "--save_params", "final", "--packing", "false"]
    flags += ["--grid.learning_rate", "1e-3", "1e38", "--early_stop", "0.5"]
    outs = [tmp_path / name for name in ("one", "two")]
    said = run_both(*(command(tiny, out, *flags) for out in outs))
    assert "Results:" in said[1]
    assert "Results:" not in said[2]  # only the first process speaks
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


def test_places_of_a_group_belong_to_processes_in_equal_parts(monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 2)
    assert [owner(place, 8) for place in range(8)] == [0, 0, 0, 0, 1, 1, 1, 1]
