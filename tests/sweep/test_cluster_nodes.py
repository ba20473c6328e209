"""Nodes that lack package, files, disk, memory or a head: said by name, and nothing is lost."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from ray_nodes import (
    finished,
    head_of,
    nodes,
    said,
    start,
    sweep_on_nodes,
    wait_for,
    who_ran,
    without,
)
from same_results import assert_same_trials
from small_groups import custom_files

pytest.importorskip("ray")
pytestmark = pytest.mark.storm

FLAGS = ["--num_seeds", "6", "--grid.bias_correction", "false", "true", "--packing", "false"]
FLAGS += ["--max_steps", "60", "--eval_every", "20"]
TRIALS = list(range(12))


@pytest.fixture(scope="module")
def plain(tiny, tmp_path_factory):
    """The same sweep on one machine."""
    out = tmp_path_factory.mktemp("plain") / "out"
    said(start(tiny, out, *FLAGS))
    return out


def assert_whole(plain, out):
    assert sorted(finished(out)) == TRIALS
    assert_same_trials(plain, out)


def left_out(output):
    return [line for line in output.splitlines() if line.startswith("Left out: ")]


@pytest.fixture
def full_disk(tmp_path):
    """A file system that is full but for 16 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount")
    with (disk / "filling").open("wb", 0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(disk / "filling", (disk / "filling").stat().st_size - (16 << 10))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_nodes_without_package_model_and_data(tiny, tmp_path):
    """Model and data are gone when the second node comes, which has what was sent alone."""
    here = tmp_path / "here"
    model = shutil.copytree(tiny, here / "model")
    flags = ["--num_seeds", "6", "--task", "custom", *custom_files(here), "--packing", "false"]
    flags += ["--more_dev_files", f"more={shutil.copy(here / 'dev.csv', here / 'more.csv')}"]
    flags += ["--max_steps", "1000", "--eval_every", "500"]
    plain, out, rest = tmp_path / "plain", tmp_path / "out", tmp_path / "rest"
    rest.mkdir()
    said(start(model, plain, *flags))
    bare = without("jaxtune", tmp_path) | {"TMPDIR": str(rest)}
    with nodes(0) as cluster:
        cluster.nodes.append(cluster.add(**bare))
        process = start(model, out, *flags, "--runtime_env", "true", *cluster.flags())
        wait_for(lambda: finished(out), "first trial", process)
        here.rename(tmp_path / "gone")
        for pid in cluster.processes(cluster.nodes[0]):
            os.kill(pid, signal.SIGKILL)
        cluster.nodes.append(cluster.add(**bare))
        output = said(process)
    assert not left_out(output)
    assert len(who_ran(out)) == 2
    assert_same_trials(plain, out)
    manifests = [json.loads((each / "manifest.json").read_text()) for each in (plain, out)]
    for name in ("inputs", "sha256"):
        assert manifests[0][name] == manifests[1][name]
    assert not [*rest.glob("*jaxtune*")]


def test_a_node_without_a_library_is_left_out_by_name(tiny, plain, tmp_path):
    out = tmp_path / "out"
    with nodes(1) as cluster:
        cluster.nodes.append(cluster.add(**without("optax", tmp_path)))
        output = said(start(tiny, out, *FLAGS, *cluster.flags(), "--runtime_env", "true"))
    (line,) = left_out(output)
    assert "optax is not installed there" in line
    assert_whole(plain, out)


def test_a_full_disk_on_one_node(tiny, plain, tmp_path, full_disk):
    """No file can be sent there, which is said; no program can be kept, and trials run."""
    variables = {"JAX_COMPILATION_CACHE_DIR": f"{full_disk}/cache", "TMPDIR": str(full_disk)}
    with nodes(1) as cluster:
        cluster.nodes.append(cluster.add(**variables))
        sent, kept = tmp_path / "sent", tmp_path / "kept"
        output = said(start(tiny, sent, *FLAGS, *cluster.flags(), "--runtime_env", "true"))
        (line,) = left_out(output)
        assert f"cannot be written to {full_disk} (No space left on device)" in line
        output = said(start(tiny, kept, *FLAGS, *cluster.flags()))
    assert not left_out(output)
    assert [len(who_ran(out)) for out in (sent, kept)] == [1, 2]
    for out in (sent, kept):
        assert_whole(plain, out)


def test_compiled_programs_are_kept_where_a_node_says(tiny, tmp_path):
    with nodes(0) as cluster:
        kept = tmp_path / "programs"
        cluster.nodes.append(cluster.add(JAX_COMPILATION_CACHE_DIR=str(kept)))
        said(start(tiny, tmp_path / "out", *FLAGS, *cluster.flags()))
        programs = {file.name for file in kept.iterdir()}
        cluster.nodes.append(cluster.add(JAX_COMPILATION_CACHE_DIR=str(kept)))
        said(start(tiny, tmp_path / "again", *FLAGS, *cluster.flags()))
        assert any("train" in name for name in programs)
        assert programs == {file.name for file in kept.iterdir()}


def test_memory_of_a_node_that_runs_out_is_said(tiny, plain, tmp_path):
    """Ray's monitor ends the workers of one node, whose threshold is below what is in use."""
    out = tmp_path / "out"
    with nodes(1) as cluster:
        cluster.nodes.append(cluster.add(RAY_memory_usage_threshold="0.001"))
        output = said(start(tiny, out, *FLAGS, *cluster.flags()))
    assert "its node ran out of memory" in output
    assert len(who_ran(out)) == 1
    assert_whole(plain, out)


@pytest.mark.parametrize(
    ("lost", "said_of_it"),
    [
        (["gcs_server"], "head at {} does not answer any more"),
        (["raylet", "gcs_server"], "head at {} does not answer any more"),
        (["raylet"], "node that this command runs on has left the cluster"),
    ],
)
def test_a_lost_head_ends_the_sweep_and_it_goes_on_without_ray(
    tiny, plain, tmp_path, lost, said_of_it
):
    out = tmp_path / "out"
    with sweep_on_nodes(tiny, out, 2, flags=FLAGS) as (cluster, process):
        address = cluster.address
        for worker in [pid for node in cluster.nodes for pid in cluster.workers(node)]:
            os.kill(worker, signal.SIGSTOP)  # they would finish the trials without it
        for name in lost:
            os.kill(cluster.cluster.head_node.all_processes[name][0].process.pid, signal.SIGKILL)
        *_, sentence = said(process, 1).splitlines()
    assert sentence.startswith("error: The ")
    assert said_of_it.format(address) in sentence
    assert "what was finished is kept" in sentence
    before = finished(out)
    assert 2 <= len(before) < len(TRIALS)
    said(start(tiny, out, *FLAGS))
    assert finished(out)[: len(before)] == before
    assert_whole(plain, out)


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_the_users_token_opens_the_own_cluster_by_its_address(tiny, tmp_path, mode):
    """One that asks for it, and one that does not."""
    with tempfile.TemporaryDirectory(prefix="ray-") as home:  # short: sockets lie below it
        token = Path(home, ".ray", "auth_token")
        token.parent.mkdir()
        token.write_text("0123456789abcdef" * 2)
        with head_of(home, RAY_AUTH_MODE=mode) as (address, variables):
            flags = ["--num_seeds", "1", "--cluster", "ray", "--ray_address", address]
            said(start(tiny, tmp_path / "out", *flags, **variables))
    assert finished(tmp_path / "out") == [0]
