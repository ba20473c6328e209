"""What a Ray cluster costs: the quickstart's sweep on nodes of one core, beside the plain command.

    python benchmarks/cluster_overhead.py --num_seeds 32 --nodes 2

The nodes are processes of this machine, and its head has no CPU, so that both ways have the same
cores. Start of the cluster is left out. Both commands run once beforehand with one seed an arm, for
the compile cache.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ray.cluster_utils import Cluster


def seconds(out: Path, num_seeds: int, flags: Sequence[str]) -> float:
    """Wall time of the command."""
    command = [sys.executable, "-m", "jaxtune.sweep", "--num_seeds", str(num_seeds)]
    began = time.monotonic()
    subprocess.run(
        [*command, "--out", str(out), *flags],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
    )
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num_seeds", type=int, default=32)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(given.nodes):
        cluster.add_node(num_cpus=1)
    ways = {"plain": [], "cluster": ["--cluster", "ray", "--ray_address", cluster.address]}
    with tempfile.TemporaryDirectory() as folder:
        for way, flags in ways.items():
            seconds(Path(folder) / f"warm-{way}", 1, flags)
        for repeat in range(given.repeats):
            for way, flags in ways.items():
                taken = seconds(Path(folder) / f"{way}-{repeat}", given.num_seeds, flags)
                trials = 2 * given.num_seeds
                an_hour = 3600 * trials / taken
                print(
                    f"{way:>8}: {trials} trials in {taken:.1f} s, {an_hour:,.0f} an hour",
                    flush=True,
                )
    cluster.shutdown()


if __name__ == "__main__":
    main()
