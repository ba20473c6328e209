"""Several PyTorch trainings at once on one device, one process per seed: what people do without
jaxtune. Prints one JSON line.

python benchmarks/side_by_side.py --processes 4 [--mps] -- ROW AND FLAGS OF torch_rows.py
Each process warms up and waits until all are warm, so that they are timed against each other. With
--mps they share the GPU under NVIDIA's Multi-Process Service, which is started for them and ended
after.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from pathlib import Path

HERE = Path(__file__).parent
CONTROL = "nvidia-cuda-mps-control"


@contextlib.contextmanager
def service(wanted: bool, scratch: Path) -> Generator[Mapping[str, str]]:
    """The environment in which processes share a GPU."""
    if not wanted:
        yield os.environ
        return
    own = {
        name: str(scratch / name) for name in ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY")
    }
    for folder in own.values():
        Path(folder).mkdir()
    environment = os.environ | own
    subprocess.run([CONTROL, "-d"], env=environment, check=True)
    try:
        yield environment
    finally:
        subprocess.run([CONTROL], input="quit\n", text=True, env=environment, check=False)


def run_all(
    command: list[str], count: int, environment: Mapping[str, str], scratch: Path
) -> list[dict[str, float]]:
    """What each process prints last; all stop where one fails."""
    gate = scratch / "gate"
    processes = [
        subprocess.Popen(
            [*command, "--gate", str(gate), "--order", str(number)],
            stdout=subprocess.PIPE,
            stderr=(scratch / f"{number}.err").open("w"),
            text=True,
            env=environment,
        )
        for number in range(count)
    ]
    try:
        while len(list(scratch.glob("gate.*"))) < count:
            if any(process.poll() for process in processes):
                break
            time.sleep(0.05)
        else:
            gate.touch()
        results = []
        for number, process in enumerate(processes):
            if not gate.exists():  # one failed: no other will go on
                process.terminate()
            printed, _ = process.communicate()
            if process.returncode > 0:
                error = (scratch / f"{number}.err").read_text(encoding="utf-8")
                raise RuntimeError(f"process {number} failed:\n{error[-2000:]}")
            results += [json.loads(printed.splitlines()[-1])] if printed else []
        return results
    finally:
        for process in processes:
            process.kill()


def main() -> None:
    """Command line; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--mps", action="store_true")
    parser.add_argument("flags", nargs="*")
    given = parser.parse_args()
    command = [sys.executable, str(HERE / "torch_rows.py"), *given.flags]
    with (
        tempfile.TemporaryDirectory() as folder,
        service(given.mps, Path(folder)) as environment,
    ):
        results = run_all(command, given.processes, environment, Path(folder))
    rate = sum(1 / each["seconds_per_seed_step"] for each in results)
    print(
        json.dumps(
            {
                "seconds_per_seed_step": 1 / rate,
                "slowest": max(each["seconds_per_seed_step"] for each in results),
                "peak_memory": sum(each["peak_memory"] for each in results),
            }
        )
    )


if __name__ == "__main__":
    main()
