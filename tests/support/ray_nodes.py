"""Ray clusters of several nodes on this machine, and sweeps on them by the real command."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from small_sweep import command

from jaxtune.core.child import environment

# A node that does not answer is given up after seconds and not minutes.
IMPATIENT = {"health_check_period_ms": 1000, "health_check_timeout_ms": 1000}
IMPATIENT |= {"health_check_failure_threshold": 3, "health_check_initial_delay_ms": 0}
MOST_SECONDS = 400


class Nodes:
    """A head without CPUs, which the driver is on, and nodes with one each."""

    def __init__(self, count):
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self.cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": IMPATIENT}
        )
        self.nodes = [self.add() for _ in range(count)]

    @property
    def address(self):
        return self.cluster.address

    def add(self, **environment):
        """One more node, whose workers have these variables."""
        return self.cluster.add_node(num_cpus=1, env_vars=environment or None)

    def flags(self):
        return ["--cluster", "ray", "--ray_address", self.address]

    def processes(self, node):
        """The raylet of a node, and its children: the workers first."""
        raylet = node.all_processes["raylet"][0].process.pid
        return [*children(raylet), raylet]

    def workers(self, node):
        """The processes of a node that train."""
        raylet = node.all_processes["raylet"][0].process.pid
        return [pid for pid in children(raylet) if "ray::Worker" in command_of(pid)]

    def close(self):
        for node in self.nodes:
            for pid in self.processes(node):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        self.cluster.shutdown()


def children(parent):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            # The name may hold spaces and brackets.
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(folder.name))
    return found


def command_of(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    return ""


@contextlib.contextmanager
def nodes(count):
    cluster = Nodes(count)
    try:
        yield cluster
    finally:
        cluster.close()


@contextlib.contextmanager
def sweep_on_nodes(tiny, out, count, least=2, flags=()):
    """A sweep on so many nodes, of which some trials have ended."""
    with nodes(count) as cluster:
        process = start(tiny, out, *flags, *cluster.flags())
        try:
            wait_for(lambda: len(finished(out)) >= least, "first trials", process)
            yield cluster, process
        finally:
            process.kill()
            process.communicate()


def without(module, folder):
    """The variables of a node on which a module is not installed."""
    empty = Path(folder) / f"without-{module}" / module
    empty.mkdir(parents=True, exist_ok=True)
    code = f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')\n"
    (empty / "__init__.py").write_text(code)
    return {"PYTHONPATH": str(empty.parent)}


@contextlib.contextmanager
def head_of(home, **variables):
    """A cluster of one node by `ray start`, of a user whose home and temporary folder that is; its
    address, and the user's variables.
    """
    own = {"HOME": home, "RAY_TMPDIR": home, "RAY_USAGE_STATS_ENABLED": "0"}
    words = ["start", "--head", "--port", "0", "--num-cpus", "1", "--block"]
    words += ["--include-dashboard", "false"]
    head = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", *words],
        env=os.environ | own | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    noted = Path(home, "ray", "ray_current_cluster")
    try:
        wait_for(lambda: noted.is_file() and noted.read_text(), "head", head)
        yield noted.read_text(), own
    finally:
        head.terminate()  # and with it what it has started
        head.wait(60)


def start(tiny, out, *flags, **variables):
    """The command, in a process of its own that plans and writes, or does all."""
    return subprocess.Popen(
        [sys.executable, "-m", "jaxtune.sweep", *command(tiny, out, *flags)],
        # Ray shows workers the folder of the driver, and not that of this package is meant.
        cwd=Path(out).parent,
        env=environment() | {"JAX_NUM_CPU_DEVICES": "2"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process, status=0):
    """What it has said, when it has ended."""
    out, error = process.communicate(timeout=MOST_SECONDS)
    assert process.returncode == status, out[-2000:] + error[-2000:]
    return out if status == 0 else error


def finished(out):
    """Trials that OUT has, in the order in which they ended."""
    path = Path(out) / "trials.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line)["trial"] for line in lines]


def wait_for(condition, what, process=None):
    until = time.monotonic() + MOST_SECONDS
    while not condition():
        assert process is None or process.poll() is None, "".join(process.communicate())
        assert time.monotonic() < until, f"no {what}"
        time.sleep(0.05)


def who_ran(out):
    """The trials of each node, by its id."""
    by_node = {}
    for worker in json.loads((Path(out) / "manifest.json").read_text())["cluster"]:
        by_node.setdefault(worker["node"], []).extend(worker["trials"])
    return by_node
