"""SIGKILL at random moments and inside writes: what an undisturbed sweep leaves, to the bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

from test_resume import assert_same
from tiny import write_tiny_model

KILLS = int(os.environ.get("JAXTUNE_KILLS", "20"))


def test_no_kill_costs_a_seed(tmp_path):
    tiny = write_tiny_model(tmp_path / "tiny")
    flags = ["--model", str(tiny), "--task", "miniature", "--num_seeds", "6", "--max_steps", "60"]
    flags += ["--train_examples", "64", "--eval_every", "20", "--log_every", "5"]
    flags += ["--checkpoint_every", "10", "--save_params", "final"]
    environment = os.environ | {
        "JAX_NUM_CPU_DEVICES": "2",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    outs = {name: tmp_path / name for name in ("undisturbed", "killed")}
    script = str(Path(__file__).parents[1] / "support" / "killing.py")
    for kills, out in zip((0, KILLS), outs.values(), strict=True):
        command = [sys.executable, script, str(kills), "0", *flags, "--out", str(out)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    print(counts)
    assert counts["at a random moment"] + counts["inside a write"] == KILLS
    assert_same(*outs.values())
    leftovers = [
        path for path in outs["killed"].rglob("*") if ".part" in path.name or "tmp" in path.name
    ]
    assert leftovers == []
