"""A sweep on clusters that one does not have: a seeded discrete-event simulation, no measurement.

python benchmarks/cluster_simulation.py

450 trials of BERT-large on RTE, 20 epochs, on 1, 8, 50 and 500 GPUs of three kinds, which are lost
at a stated rate. Who gets which trials is decided by the code that decides it in a sweep
(`HandOut`); how long a step takes is the compilers' model of docs/devices.md; what start and driver
cost was measured, see docs/cluster.md.
"""

import argparse
import dataclasses
import heapq
import itertools
from collections.abc import Iterator

import numpy as np

from jaxtune.sweep.cluster.hand_out import HandOut
from jaxtune.training.sizes import even

TRIALS = 450
STEPS = 20 * 156  # 20 epochs of RTE's 2,490 examples in batches of 16


@dataclasses.dataclass(frozen=True)
class Card:
    """A kind of GPU: of docs/devices.md, by the model."""

    name: str
    ms: float  # of a seed-step
    most: int  # trials at once

    def seconds(self, lanes: int) -> float:
        """Of a group; idle lanes are computed, too."""
        return lanes * STEPS * self.ms / 1000


H100, A100, L4 = Card("H100", 12.7, 1), Card("A100", 25.8, 1), Card("L4", 131.0, 1)
MIX = (A100, H100, A100, L4)  # by turns


@dataclasses.dataclass(frozen=True)
class Costs:
    """What is not the trials' own time, in seconds and bytes."""

    begin: float  # of a worker: process, imports, checksums, data, weights
    compiling: float  # of the sizes that a worker tries, and of its programs
    driver: float  # the driver's, for a trial's records, curves and row
    bytes_per_trial: float  # to the driver
    hours_to_loss: float  # of one GPU, in the mean
    replaced: float  # until another stands in a lost one's place


@dataclasses.dataclass
class Running:
    """A worker: what it is, what it does, since when, and what was given to it."""

    card: Card
    size: int = 0
    held: list[int] = dataclasses.field(default_factory=list)
    since: float = 0.0
    alive: bool = True


@dataclasses.dataclass
class Totals:
    """What a simulated sweep took."""

    seconds: float = 0.0
    useful: float = 0.0  # seconds of GPUs for trials that count
    wasted: float = 0.0  # of groups that were lost
    losses: int = 0
    driver_busy: float = 0.0
    ends: list[float] = dataclasses.field(default_factory=list)  # of groups, as the driver hears


def simulate(num_gpus: int, costs: Costs, seed: int) -> Totals:
    """One sweep."""
    drawn = np.random.default_rng(seed)
    hand_out, totals = HandOut([list(range(TRIALS))]), Totals()
    order = itertools.count()  # equal times in the order in which they were set
    events: list[tuple[float, int, str, Running]] = []
    driver_free = 0.0

    def at(when: float, what: str, worker: Running) -> None:
        heapq.heappush(events, (when, next(order), what, worker))

    def begin(when: float, card: Card) -> None:
        worker = Running(card)
        at(when + costs.begin + costs.compiling, "ready", worker)
        at(when + drawn.exponential(3600 * costs.hours_to_loss), "lost", worker)

    def give(now: float, worker: Running) -> None:
        if not worker.size:
            share = max(1, len(hand_out.share(0, num_gpus)))
            worker.size = even(share, min(worker.card.most, share))
        worker.held, worker.since = hand_out.take(0, worker.size), now
        if worker.held:
            at(now + worker.card.seconds(worker.size), "ended", worker)

    for index in range(num_gpus):
        begin(0.0, MIX[index % len(MIX)])
    waiting: list[Running] = []
    while len(totals.ends) < TRIALS:
        now, _, what, worker = heapq.heappop(events)
        if not worker.alive:
            continue
        if what == "lost":
            worker.alive, totals.losses = False, totals.losses + 1
            if worker.held:
                totals.wasted += max(0.0, now - worker.since)  # it may wait for the driver
                hand_out.lost(0, worker.held, blamed=False)
            begin(now + costs.replaced, worker.card)
            waiting = [idle for idle in waiting if idle.alive]
            while waiting and hand_out.left():
                give(now, waiting.pop())
            continue
        heard = max(now, driver_free)
        if what == "ended":
            took = worker.card.seconds(worker.size)
            totals.useful += took * len(worker.held) / worker.size
            totals.ends += [heard] * len(worker.held)
            driver_free = heard + costs.driver * len(worker.held)
            totals.driver_busy += costs.driver * len(worker.held)
            totals.seconds = driver_free
            worker.held = []
        give(heard, worker)
        if not worker.held:
            waiting.append(worker)
    return totals


def rows(costs: Costs, seeds: int) -> Iterator[str]:
    """A line of the table for each cluster: means over seeds of the failures."""
    for num_gpus in (1, 8, 50, 500):
        runs = [simulate(num_gpus, costs, seed) for seed in range(seeds)]
        seconds = np.array([run.seconds for run in runs])
        held = num_gpus * seconds
        idle = np.mean(1 - np.array([run.useful for run in runs]) / held)
        wasted = np.mean(np.array([run.wasted for run in runs]) / held)
        driver = np.mean(np.array([run.driver_busy for run in runs]) / seconds)
        in_a_minute = max(most_within(run.ends, 60.0) for run in runs)
        yield " | ".join(
            [
                f"| {num_gpus}",
                f"{seconds.mean() / 3600:.2f} ({seconds.min() / 3600:.2f} to"
                f" {seconds.max() / 3600:.2f})",
                f"{idle:.0%}",
                f"{np.mean([run.losses for run in runs]):.1f}",
                f"{wasted:.1%}",
                f"{driver:.1%}",
                f"{in_a_minute / 60:.2f}",
                f"{in_a_minute / 60 * costs.bytes_per_trial / 1e6:.2f} |",
            ]
        )


def most_within(ends: list[float], seconds: float) -> int:
    """Trials that end within the busiest span of that length."""
    times = np.sort(ends)
    return int(max(np.searchsorted(times, t + seconds, "right") - i for i, t in enumerate(times)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--begin", type=float, default=30.0)
    parser.add_argument("--compiling", type=float, default=120.0)
    parser.add_argument("--driver", type=float, default=0.14)
    parser.add_argument("--bytes_per_trial", type=float, default=233e3)
    parser.add_argument("--hours_to_loss", type=float, default=24.0)
    parser.add_argument("--replaced", type=float, default=300.0)
    parser.add_argument("--seeds", type=int, default=20)
    given = vars(parser.parse_args())
    seeds = given.pop("seeds")
    print(f"By the model, not measured; {seeds} seeds; {given}")
    print("| GPUs | hours | idle | losses | run again | driver busy | results/s | MB/s |")
    print("|---|---|---|---|---|---|---|---|")
    for line in rows(Costs(**given), seeds):
        print(line)


if __name__ == "__main__":
    main()
