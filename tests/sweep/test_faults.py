"""Full disks, folders that cannot be written, and very many groups, in real processes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from same_results import assert_same

from jaxtune.core.errors import UserError
from jaxtune.storage.out_folder import locked
from jaxtune.sweep.__main__ import main

SUPPORT = Path(__file__).parents[1] / "support"


def run(script, *arguments, devices=2, **environment):
    return subprocess.run(
        [sys.executable, *script, *arguments],
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


# Bytes that a file may have, from the first of config.yaml to all but the largest files.
FEW = (4000,)
MANY = (0, 300, 1500, 2500, 4000, 6000, 9000, 14000, 20000, 40000, 80000, 160000)


@pytest.mark.parametrize(
    "limits",
    [pytest.param(FEW, marks=pytest.mark.slow), pytest.param(MANY, marks=pytest.mark.storm)],
    ids=len,
)
def test_a_full_disk_costs_no_finished_trial(tiny, tmp_path, limits):
    """Whichever file is the one that no longer fits: one sentence, and with room again the sweep is
    as undisturbed.
    """
    flags = ["--model", tiny, "--task", "miniature", "--num_seeds", "4", "--max_steps", "20"]
    flags += ["--train_examples", "64", "--eval_every", "10", "--log_every", "5"]
    flags += ["--checkpoint_every", "5", "--save_params", "final", "--packing", "false"]
    undisturbed, filled = tmp_path / "undisturbed", tmp_path / "filled"
    script = [str(SUPPORT / "filling.py"), str(undisturbed), str(filled)]
    done = run(script, ",".join(map(str, limits)), *flags)
    assert done.returncode == 0, done.stderr[-2000:]
    ends = json.loads(done.stdout.splitlines()[-1])
    last = ends.pop("None")
    assert last["status"] == 0, last["text"]
    failed = [end for end in ends.values() if end["status"]]
    assert len(failed) >= len(limits) / 2
    for limit, end in ends.items():
        assert end["status"] in (0, 1), (limit, end["text"])
        said = end["text"]
        assert not re.search("Traceback|Warning|orbax|OCDBT", said), (limit, said)
        for line in re.findall("No checkpoint.*", said):
            assert line == "No checkpoint could be written (File too large); going on without."
    assert_same(undisturbed, filled)


@pytest.mark.storm
def test_a_small_disk_that_fills_up(tiny, tmp_path):
    """A file system of 3 MB, which parameters fill: one sentence and nothing else; then it
    grows.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount")
    try:
        flags = ["--model", tiny, "--task", "miniature", "--num_seeds", "16", "--packing", "false"]
        flags += ["--max_steps", "2", "--train_examples", "32", "--save_params", "all"]
        command = [["-m", "jaxtune.sweep"], *flags, "--out", str(disk / "out")]
        done = run(*command)
        assert done.returncode == 1
        *progress, sentence = done.stderr.splitlines()
        assert all(line.startswith("trial-steps ") for line in progress)
        assert "No space left on device" in sentence
        kept = len((disk / "out" / "trials.jsonl").read_text().splitlines())
        assert 0 < kept < 16
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert run(*command).returncode == 0
        assert len((disk / "out" / "trials.jsonl").read_text().splitlines()) == 16
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_a_folder_that_cannot_be_made(tiny, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    flags = ["--model", tiny, "--task", "miniature", "--num_seeds", "1", "--max_steps", "1"]
    assert main([*flags, "--out", str(tmp_path / "file" / "out")]) == 1
    error = capsys.readouterr().err
    assert "cannot be written (Not a directory)" in error
    assert error.count("\n") == 1


def test_a_read_only_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o555)
    tmp_path.chmod(0o755)
    root = os.geteuid() == 0
    if root:  # for whom nothing is read-only
        os.seteuid(65534)
    try:
        if os.access(tmp_path, os.X_OK, effective_ids=True):
            with pytest.raises(UserError, match="cannot be written"), locked(tmp_path / "out"):
                pass
    finally:
        if root:
            os.seteuid(0)


MANY_GROUPS = """
import os, resource, sys
from jaxtune.training.group_run import GroupRun
from jaxtune.sweep.__main__ import main
run, sizes = GroupRun.run, []
def measured(self, *arguments):
    results = run(self, *arguments)
    resident = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
    sizes.append((resident, len(os.listdir("/proc/self/fd"))))
    return results
GroupRun.run = measured
assert main(sys.argv[1:]) == 0
print(sizes)
"""


@pytest.mark.storm
def test_two_hundred_groups_leave_memory_and_files_flat(tiny, tmp_path):
    flags = ["--model", tiny, "--task", "miniature", "--num_seeds", "200", "--max_steps", "2"]
    flags += ["--train_examples", "32", "--checkpoint_every", "1", "--packing", "false"]
    done = run(["-c", MANY_GROUPS], *flags, "--out", str(tmp_path / "out"), devices=1)
    assert done.returncode == 0, done.stderr[-2000:]
    sizes = json.loads(done.stdout.splitlines()[-1].replace("(", "[").replace(")", "]"))
    assert len(sizes) == 200
    early, late = sizes[60], sizes[-1]
    print(sizes[::20])
    assert late[1] <= early[1] + 2
    assert late[0] <= 1.1 * early[0]
