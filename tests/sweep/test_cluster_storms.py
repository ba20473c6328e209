"""Kills, stalls and refusals on a Ray cluster: nothing lost, nothing twice, to the bit."""

import functools
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from ray_nodes import (
    IMPATIENT,
    finished,
    nodes,
    said,
    start,
    sweep_on_nodes,
    wait_for,
    who_ran,
    without,
)
from same_results import assert_same_trials

import jaxtune

pytest.importorskip("ray")
pytestmark = pytest.mark.storm

PACKAGE = Path(jaxtune.__file__).parent
FLAGS = ["--num_seeds", "6", "--grid.bias_correction", "false", "true", "--packing", "false"]
FLAGS += ["--max_steps", "60", "--eval_every", "20"]
TRIALS = list(range(12))
# Runs out of memory with more than so many trials at once, from the outside.
SHORT = """
import os, sys
from importlib.abc import MetaPathFinder
class Late(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "jaxtune.sweep.groups":
            return None
        sys.meta_path.remove(self)
        sys.path.insert(0, os.environ["SUPPORT"])
        import short_of_memory
        short_of_memory.run_short(1)
sys.meta_path.insert(0, Late())
"""


@pytest.fixture(scope="module")
def plain(tiny, tmp_path_factory):
    """The same sweep on one machine, undisturbed."""
    out = tmp_path_factory.mktemp("plain") / "out"
    said(start(tiny, out, *FLAGS))
    return out


def assert_whole(plain, out):
    assert sorted(finished(out)) == TRIALS
    assert sorted(t for own in who_ran(out).values() for t in own) == TRIALS
    assert_same_trials(plain, out)


running = functools.partial(sweep_on_nodes, flags=FLAGS)


def test_three_nodes_give_the_trials_of_one_machine(tiny, plain, tmp_path):
    out = tmp_path / "out"
    with running(tiny, out, 3) as (_, process):
        said(process)
    assert_whole(plain, out)
    assert len(who_ran(out)) == 3


def test_a_killed_worker(tiny, plain, tmp_path):
    out = tmp_path / "out"
    with running(tiny, out, 2) as (cluster, process):
        (worker,) = cluster.workers(cluster.nodes[0])
        os.kill(worker, signal.SIGKILL)
        output = said(process)
    assert "Lost a worker on" in output
    assert "its process was killed or has crashed; the kernel kills where memory runs" in output
    assert_whole(plain, out)


def test_a_killed_raylet_is_a_lost_node(tiny, plain, tmp_path):
    out = tmp_path / "out"
    with running(tiny, out, 2) as (cluster, process):
        for pid in cluster.processes(cluster.nodes[0]):
            os.kill(pid, signal.SIGKILL)
        output = said(process)
    assert "Lost a worker on" in output
    assert_whole(plain, out)


def test_all_nodes_lost_and_one_that_comes_later(tiny, plain, tmp_path):
    out = tmp_path / "out"
    with running(tiny, out, 1) as (cluster, process):
        for pid in cluster.processes(cluster.nodes[0]):
            os.kill(pid, signal.SIGKILL)
        time.sleep(5)
        cluster.nodes.append(cluster.add())
        assert "No node is left" in said(process)
    assert_whole(plain, out)


def test_a_stalled_node(tiny, tmp_path):
    """It answers no heartbeat, and nothing that it may yet say is taken."""
    assert IMPATIENT["health_check_failure_threshold"] == 3
    # Trials long enough that the other node has not run all of them before the silence is noticed.
    flags = [*FLAGS, "--max_steps", "1000", "--eval_every", "500"]
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    said(start(tiny, undisturbed, *flags))
    with running(tiny, out, 2, flags=flags) as (cluster, process):
        for pid in reversed(cluster.processes(cluster.nodes[0])):
            os.kill(pid, signal.SIGSTOP)
        assert "Lost a worker on" in said(process)
    assert_whole(undisturbed, out)


def test_a_node_that_comes_in_mid_run_gets_its_part(tiny, plain, tmp_path):
    out = tmp_path / "out"
    flags = [*FLAGS, "--max_steps", "1000", "--eval_every", "500"]
    with running(tiny, out, 1, least=1, flags=flags) as (cluster, process):
        cluster.nodes.append(cluster.add())
        said(process)
    assert sorted(finished(out)) == TRIALS
    assert len(who_ran(out)) == 2


def test_a_killed_driver_goes_on_with_other_nodes(tiny, plain, tmp_path):
    out = tmp_path / "out"
    with running(tiny, out, 2) as (cluster, process):
        process.kill()
        process.wait()
        before = finished(out)
        wait_for(
            lambda: not any(map(cluster.workers, cluster.nodes)), "end of what the driver began"
        )
        cluster.nodes.append(cluster.add())
        said(start(tiny, out, *FLAGS, *cluster.flags()))
    assert len(before) < len(TRIALS)
    assert finished(out)[: len(before)] == before
    assert sorted(finished(out)) == TRIALS
    assert_same_trials(plain, out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_workers_and_the_command_goes_on_without_ray(
    tiny, plain, tmp_path, number
):
    out = tmp_path / "out"
    with running(tiny, out, 2) as (cluster, process):
        process.send_signal(number)
        assert "the same command goes on from here" in said(process, 128 + number)
        wait_for(lambda: not any(map(cluster.workers, cluster.nodes)), "end of the workers")
    assert 2 <= len(finished(out)) < len(TRIALS)
    said(start(tiny, out, *FLAGS))
    assert sorted(finished(out)) == TRIALS
    assert_same_trials(plain, out)


def other_package(folder, change):
    """A copy of the package with another line."""
    shutil.copytree(PACKAGE, folder / "jaxtune", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "jaxtune" / "core" / "version.py"
    path.write_text(change(path.read_text()))
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("old", ["0.0.9", None])
def test_a_node_with_another_version_is_refused_by_name(tiny, plain, tmp_path, old):
    def change(text):
        return text + "# edited\n" if old is None else re.sub(r'"[^"]+"$', f'"{old}"', text.strip())

    out = tmp_path / "out"
    with nodes(1) as cluster:
        cluster.nodes.append(cluster.add(**other_package(tmp_path / "package", change)))
        output = said(start(tiny, out, *FLAGS, *cluster.flags()))
    (line,) = [line for line in output.splitlines() if line.startswith("Left out: ")]
    assert f"it has jaxtune {old or jaxtune.__version__} (source " in line
    assert_whole(plain, out)
    assert len(who_ran(out)) == 1


def test_where_all_nodes_are_refused_the_reasons_are_said(tiny, tmp_path):
    with nodes(0) as cluster:
        cluster.nodes.append(cluster.add(**without("jaxtune", tmp_path)))
        error = said(start(tiny, tmp_path / "out", *FLAGS, *cluster.flags()), 1)
    assert error.startswith("error: No node can run the trials: ")
    assert f"jaxtune {jaxtune.__version__} is not installed there" in error
    assert not (tmp_path / "out").exists()


def test_memory_that_runs_out_on_one_node_halves_the_groups_there_alone(tiny, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SHORT)
    support = str(Path(__file__).parents[1] / "support")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    flags = [*FLAGS, "--trials_per_device", "2"]
    out = tmp_path / "out"
    with nodes(1) as cluster:
        cluster.nodes.append(cluster.add(PYTHONPATH=path, SUPPORT=support))
        output = said(start(tiny, out, *flags, *cluster.flags()))
    assert output.count("out of memory: going on with groups of 1 trial there") == 1
    assert sorted(finished(out)) == TRIALS
    sizes = jaxtune.load_results(out).trials.set_index("trial")["group_size"]
    by_node = [{*sizes[trials]} for trials in who_ran(out).values()]
    assert sorted(by_node, key=min) == [{1}, {2}]


def test_a_lying_worker_is_refused(tiny, plain, tmp_path):
    """On one node every answer has a changed byte."""
    package = tmp_path / "package"
    lying = other_package(package, lambda text: text)
    messages = package / "jaxtune" / "sweep" / "cluster" / "worker.py"
    text = messages.read_text()
    before = "        return pack(*call())\n"
    assert before in text
    changed = (
        "        found = call()\n"
        "        message = pack(*found)\n"
        "        return message[:-9] + b'x' + message[-8:] if found[1] else message\n"
    )
    # With the right checksum of its source: a liar says what it likes.
    own = package / "jaxtune" / "sweep" / "same_plan.py"
    messages.write_text(text.replace(before, changed))
    from jaxtune.sweep.same_plan import _source

    kept = own.read_text()
    own.write_text(kept.replace("{_source()}", _source()))
    out = tmp_path / "out"
    with nodes(1) as cluster:
        cluster.nodes.append(cluster.add(**lying))
        output = said(start(tiny, out, *FLAGS, *cluster.flags()))
    assert "its checksum is wrong" in output
    assert_whole(plain, out)
    assert len(who_ran(out)) == 1


def test_two_hundred_groups_of_several_programs(tiny, tmp_path):
    """Of which each worker compiles as few as it can."""
    flags = ["--num_seeds", "50", "--grid.batch_size", "8", "16", "--grid.learning_rate"]
    flags += ["1e-4", "2e-4", "--packing", "false", "--max_steps", "2"]
    out = tmp_path / "out"
    with nodes(3) as cluster:
        said(start(tiny, out, *flags, *cluster.flags()))
    assert sorted(finished(out)) == list(range(200))
    said(start(tiny, tmp_path / "plain", *flags))
    assert_same_trials(tmp_path / "plain", out)


def test_until_decided_and_the_best_of_each_arm_work_as_on_one_machine(tiny, tmp_path):
    arms = ["--grid.bias_correction", "false", "true", "--packing", "false"]
    sweeps = {
        "decided": [*arms, "--until_decided", "--num_seeds", "2", "--max_seeds", "4"],
        "best": [*arms, "--num_seeds", "4", "--early_stop", "0.5", "--keep_trials", "2"],
        "stopped": [*arms, "--num_seeds", "3", "--early_stop", "0.5", "--save_params", "all"],
    }
    with nodes(2) as cluster:
        for name, flags in sweeps.items():
            said(start(tiny, tmp_path / name, *flags, *cluster.flags()))
            said(start(tiny, tmp_path / f"{name}-plain", *flags))
            assert_same_trials(tmp_path / f"{name}-plain", tmp_path / name)
            assert finished(tmp_path / name)
