"""Two processes with two CPU devices each give the trials that one process gives."""

import os
import socket
import subprocess
import sys

import numpy as np

import jaxtune


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(flags, devices, **distributed):
    return subprocess.Popen(
        [sys.executable, "-m", "jaxtune.sweep", *flags],
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)} | distributed,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_give_the_same_trials(tiny, tmp_path):
    common = ["--model", tiny, "--task", "miniature", "--max_steps", "4", "--num_seeds", "5"]
    common += ["--train_examples", "64", "--save_params", "final", "--packing", "false"]
    outs = {name: tmp_path / name for name in ("one", "two")}
    one = start([*common, "--out", str(outs["one"])], 4)
    address = f"127.0.0.1:{free_port()}"
    pair = [
        start(
            [*common, "--out", str(outs["two"])],
            2,
            JAX_COORDINATOR_ADDRESS=address,
            JAX_NUM_PROCESSES="2",
            JAX_PROCESS_ID=str(index),
        )
        for index in range(2)
    ]
    spoken = [process.communicate(timeout=600) for process in (one, *pair)]
    for process, (_, error) in zip((one, *pair), spoken, strict=True):
        assert process.returncode == 0, error
    assert "Results:" in spoken[1][0]
    assert "Results:" not in spoken[2][0]  # only the first process speaks
    first, second = (jaxtune.load_results(out) for out in outs.values())
    assert first.trials.drop(columns="seconds").equals(second.trials.drop(columns="seconds"))
    for number, logits in first.predictions.items():
        np.testing.assert_array_equal(logits, second.predictions[number])
