"""The workers of a sweep: one for each GPU of the cluster, or one with all CPUs of each node."""

import dataclasses
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from jaxtune.core.console import say
from jaxtune.core.errors import UserError
from jaxtune.sweep.cluster.connection import Head, Node, living_nodes, remote
from jaxtune.sweep.cluster.messages import Answer, DamagedAnswerError, unpack
from jaxtune.sweep.cluster.why_lost import last_line, no_gpu, not_installed, short_reason
from jaxtune.sweep.cluster.worker import Worker
from jaxtune.sweep.same_plan import versions

LOOK_SECONDS = 2.0  # between looks at which nodes there are
MOST_LOSSES = 3  # workers in a row that a living node may lose
FETCH_SECONDS = 600.0  # for one answer that is waited for
TELL_SECONDS = 60.0  # without a worker, before that is said
WAIT_SECONDS = 300.0  # for a node, where none is left


@dataclasses.dataclass(eq=False)
class Handle:
    """A worker as the driver knows it; one call at a time is under way."""

    node: Node
    actor: Any
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)  # of its first answer
    program: int | None = None
    size: int = 1
    held: list[int] = dataclasses.field(default_factory=list)  # trials that it trains
    doing: str | None = None  # the method under way
    asked_at: float = 0.0
    ran: set[int] = dataclasses.field(default_factory=set)
    why: str = ""  # it was lost
    blamed: bool = False  # whether its trials may be why

    @property
    def ready(self) -> bool:
        """Whether it has answered and waits."""
        return bool(self.facts) and self.doing is None


@dataclasses.dataclass
class Ended:
    """A call is over: with an answer, or because the worker was lost."""

    worker: Handle
    method: str
    answer: Answer | None
    why: str = ""  # it was lost
    blamed: bool = True  # whether what it did may be why: its node lives


class Workers:
    """Begins workers where there are nodes, and hears of what becomes of them."""

    def __init__(self, compile_cache: bool):
        self._compile_cache = compile_cache
        self._calls: dict[Any, Handle] = {}
        self._nodes: dict[str, Node] = {}
        self._left_out: dict[str, str] = {}  # nodes, and why
        self._losses: Counter[str] = Counter()
        self._looked_at = self._seen_at = time.monotonic()
        self._waits = False
        self._own = versions()
        self._head = Head()
        self.all: list[Handle] = []
        self._ever: list[Handle] = []
        self.lost = 0
        nodes = living_nodes()
        self.platform = "cuda" if any(node.gpus for node in nodes) else "cpu"
        if not any(map(self._room, nodes)):
            raise UserError(
                "The cluster's nodes have no CPU and no GPU to give; start them with some (ray"
                " start --num-cpus 4)."
            )
        self._begin(nodes)

    def look(self) -> None:
        """Begins workers on nodes that have come; raises UserError where no node is of use, or the
        head is lost.
        """
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        if not self._head.answers():
            return
        nodes = living_nodes()
        self._head.check_own(nodes)
        self._begin(nodes)
        if self.all:
            self._seen_at, self._waits = time.monotonic(), False
        elif self._none_was_good():
            raise UserError(f"No node can run the trials: {'; '.join(self._left_out.values())}.")
        elif not self._waits:
            self._waits = True
            say("No node is left; waiting for one to come.")
        elif time.monotonic() - self._seen_at > WAIT_SECONDS:
            out = "; ".join(self._left_out.values())
            raise UserError(
                f"No node has been left for {WAIT_SECONDS / 60:.0f} minutes"
                f"{f' (left out: {out})' if out else ''}; start one, and give the same command"
                " again."
            )

    def until_one_is_ready(self) -> None:
        """Waits for a first worker; raises UserError where no node is of use."""
        began, told = time.monotonic(), False
        while not any(worker.ready for worker in self.all):
            if not told and time.monotonic() - began > TELL_SECONDS:
                told = True
                say("Waiting for a first worker: others may be using the nodes' CPUs or GPUs.")
            for ended in self.ended(LOOK_SECONDS):
                if ended.answer is None:
                    self.drop(ended.worker, ended.why, ended.blamed)
            self.look()

    def call(self, worker: Handle, method: str, *arguments: Any) -> None:
        """Begins a call of a worker that has none under way."""
        assert worker.doing is None
        worker.doing, worker.asked_at = method, time.monotonic()
        self._calls[getattr(worker.actor, method).remote(*arguments)] = worker

    def ended(self, seconds: float) -> Iterator[Ended]:
        """Calls that are over, or end within so many seconds."""
        import ray

        if not self._calls:
            time.sleep(seconds)
            return
        done, _ = ray.wait([*self._calls], num_returns=1, timeout=seconds)
        for call in done:
            if (worker := self._calls.pop(call)) in self.all:
                yield self._heard(worker, call)

    def fetch(self, worker: Handle, method: str, *arguments: Any) -> Answer:
        """A call's answer, waited for; raises DamagedAnswerError where the worker is lost."""
        import ray

        try:
            call = getattr(worker.actor, method).remote(*arguments)
            found = ray.get(call, timeout=FETCH_SECONDS)
        except ray.exceptions.RayError as error:
            raise DamagedAnswerError(short_reason(error)) from error
        answer = unpack(found)
        if why := answer.facts.get("fault") or answer.facts.get("problem"):
            raise DamagedAnswerError(last_line(why))
        return answer

    def drop(self, worker: Handle, why: str, blamed: bool = True) -> None:
        """A worker is lost, or of no use: it ends, and its node gets another one."""
        if worker not in self.all:
            return
        self._end(worker)
        self.lost += 1
        if not blamed:
            return
        self._losses[worker.node.id] += 1
        if self._losses[worker.node.id] >= MOST_LOSSES:
            self.leave_out(worker.node, f"it has lost {MOST_LOSSES} workers in a row ({why})")

    def leave_out(self, node: Node, why: str) -> None:
        """A node takes no part any more; it is said once."""
        if node.id not in self._left_out:
            self._left_out[node.id] = f"{node.name}: {why}"
            say(f"Left out: {node.name}: {why}.")
        for worker in [each for each in self.all if each.node.id == node.id]:
            self._end(worker)

    def gone(self) -> list[Handle]:
        """Workers that have ended with trials in hand, which nobody has taken back yet."""
        return [worker for worker in self._ever if worker.held and worker not in self.all]

    def lives(self, node: Node) -> bool:
        """Whether a node of a lost worker is there still, so that what it did may be why."""
        return self._head.answers() and any(each.id == node.id for each in living_nodes())

    def has_run(self, worker: Handle, numbers: Sequence[int]) -> None:
        """Trials have left their results; a first leg of theirs that another ran counts no more."""
        for each in self._ever:
            each.ran.difference_update(numbers)
        worker.ran.update(numbers)

    def succeeded(self, worker: Handle) -> None:
        """A worker has finished a group: its node is a good one."""
        self._losses[worker.node.id] = 0

    def ran(self) -> list[dict[str, Any]]:
        """Who has run what, lost workers too, as the manifest keeps it."""
        return [
            {
                "node": worker.node.id,
                "host": worker.node.host,
                "process": worker.facts.get("process"),
                "devices": worker.facts.get("devices"),
                "trials": sorted(worker.ran),
            }
            for worker in self._ever
            if worker.ran
        ]

    def stop(self) -> None:
        """All workers end."""
        for worker in [*self.all]:
            self._end(worker)

    def _end(self, worker: Handle) -> None:
        import ray

        self.all.remove(worker)
        ray.kill(worker.actor)

    def _room(self, node: Node) -> int:
        """Workers that a node takes."""
        return node.gpus if self.platform == "cuda" else int(node.cpus > 0)

    def _begin(self, nodes: list[Node]) -> None:
        self._nodes = {node.id: node for node in nodes if self._room(node)}
        begun = Counter(worker.node.id for worker in self.all)
        for node in self._nodes.values():
            if node.id in self._left_out:
                continue
            on_gpu = self.platform == "cuda"
            cpus = None if on_gpu else node.cpus
            for _ in range(self._room(node) - begun[node.id]):
                actor = remote(Worker, node, int(on_gpu), cpus, self._compile_cache)
                worker = Handle(node, actor)
                self.all.append(worker)
                self._ever.append(worker)
                self.call(worker, "about")

    def _heard(self, worker: Handle, call: Any) -> Ended:
        import ray

        method, worker.doing = worker.doing or "", None
        try:
            answer = unpack(ray.get(call))
        except DamagedAnswerError as error:
            return Ended(worker, method, None, str(error))
        except ray.exceptions.RayError as error:
            if missing := re.search(r"No module named '(\w+)", str(error)):
                self.leave_out(worker.node, not_installed(missing[1]))
            lives = self.lives(worker.node)
            return Ended(worker, method, None, short_reason(error), blamed=lives)
        if fault := answer.facts.get("fault"):
            return Ended(worker, method, None, last_line(fault))
        if problem := answer.facts.get("problem"):
            self.leave_out(worker.node, str(problem).rstrip("."))
        elif method == "about":
            self._know(worker, answer.facts)
        return Ended(worker, method, answer)

    def _none_was_good(self) -> bool:
        """Whether nodes were left out, all that are there, and none has had a worker that answered
        and is worth waiting for.
        """
        good = any(each.facts and each.node.id not in self._left_out for each in self._ever)
        return not good and bool(self._left_out) and self._left_out.keys() >= self._nodes.keys()

    def _know(self, worker: Handle, facts: dict[str, Any]) -> None:
        """Takes a new worker in, or leaves its node out: its versions are others, or its JAX does
        not see the GPU that it was given.
        """
        theirs, devices = facts.get("versions") or {}, facts.get("devices") or []
        others = [
            f"{name} {theirs.get(name)}, here {own}"
            for name, own in self._own.items()
            if theirs.get(name) != own
        ]
        if others:
            self.leave_out(worker.node, f"it has {'; '.join(others)}; install the same there")
        elif self.platform == "cuda" and all(str(device).startswith("cpu:") for device in devices):
            self.leave_out(worker.node, no_gpu(devices))
        worker.facts = facts
