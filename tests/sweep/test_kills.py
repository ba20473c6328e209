"""SIGKILL at random moments and inside writes: what an undisturbed sweep leaves, to the bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from same_results import assert_same


@pytest.mark.parametrize(
    "num_kills",
    [pytest.param(1, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.storm)],
)
def test_no_kill_costs_a_seed(tiny, tmp_path, num_kills):
    flags = ["--model", tiny, "--task", "miniature", "--num_seeds", "6", "--max_steps", "60"]
    flags += ["--train_examples", "64", "--eval_every", "20", "--log_every", "5"]
    flags += ["--checkpoint_every", "10", "--save_params", "final", "--packing", "false"]
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "2"}
    outs = {name: tmp_path / name for name in ("undisturbed", "killed")}
    script = str(Path(__file__).parents[1] / "support" / "killing.py")
    command = [sys.executable, script, *map(str, outs.values()), str(num_kills), "0", *flags]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    print(counts)
    assert counts["at a random moment"] + counts["inside a write"] == num_kills
    assert_same(*outs.values())
    leftovers = [
        path for path in outs["killed"].rglob("*") if ".part" in path.name or "tmp" in path.name
    ]
    assert leftovers == []
