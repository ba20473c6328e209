"""A running Ray cluster: joined as its driver and left again, and the nodes that it has."""

import contextlib
import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxtune.core.errors import UserError

AUTO = "auto"
ADDRESS = "RAY_ADDRESS"  # of a user; Ray lets it win over every other
ANSWER_SECONDS = 4.0  # that a server has for a first word
HEAD_SECONDS = 30.0  # without a word of the head; after 60 Ray ends this process
AGAIN = (
    "what was finished is kept: start it again, and give the same command, or give it without"
    " --cluster."
)
# What Ray prints past its own switches, and that it tells its makers of every use.
SWITCHES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
# HTTP/2's first words of a client, with no settings; a server's are a frame of type 4.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS_FRAME = 4


class Node(NamedTuple):
    """A living machine of the cluster."""

    id: str
    host: str
    cpus: int
    gpus: int

    @property
    def name(self) -> str:
        """Several nodes of a test lie on one machine."""
        return f"{self.host} ({self.id[:8]})"


@contextlib.contextmanager
def joined(address: str | None, with_package: bool = False) -> Generator[None]:
    """This process is a driver of the cluster meanwhile; raises UserError where there is none.

    Nothing is started: who has no cluster needs none, for a sweep takes all devices of a machine.

    Args:
        address: HOST:PORT of the head, or auto or None for the cluster that this machine is in.
        with_package: whether workers run this very package, which is sent to them.
    """
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    given = address or AUTO
    place = _place(given)
    if place is not None and (mode := _auth_mode(place)):
        os.environ.setdefault("RAY_AUTH_MODE", mode)
    import ray

    if place is not None and not _answers(place):
        raise UserError(
            f"No Ray cluster answers at {place}; start one (ray start --head), or say with"
            " --ray_address where its head is."
        )
    before = os.environ.pop(ADDRESS, None)  # `given` is it, or wins
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        # Of a cluster that was found here Ray may take a token, too, to an address it sends none.
        found = given == AUTO and before in (None, "", AUTO)
        to = AUTO if found or place is None else place
        package = Path(__file__).parents[2]
        sends = {"py_modules": [str(package)], "excludes": ["__pycache__"]}
        ray.init(
            to,
            runtime_env=sends if with_package else None,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UserError(_why_not(given, error)) from error
    finally:
        if before is not None:
            os.environ[ADDRESS] = before
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_terminate)  # Ray's would end it without a word
    try:
        yield
    finally:
        ray.shutdown()


class Head:
    """The head of the cluster that this process has joined, as it is heard of."""

    def __init__(self) -> None:
        import ray

        own = ray.get_runtime_context()
        self._place, self._node = own.gcs_address, own.get_node_id()
        self._heard_at = time.monotonic()

    def answers(self) -> bool:
        """Whether it does: else a call to it would wait.

        Raises UserError when it has been silent for long.
        """
        if _answers(self._place):
            self._heard_at = time.monotonic()
            return True
        if time.monotonic() - self._heard_at > HEAD_SECONDS:
            raise UserError(
                f"The cluster's head at {self._place} does not answer any more; {AGAIN}"
            )
        return False

    def check_own(self, nodes: Sequence[Node]) -> None:
        """Raises UserError where this process's own node is none of the living: it can begin no
        worker any more.
        """
        if all(node.id != self._node for node in nodes):
            raise UserError(f"The node that this command runs on has left the cluster; {AGAIN}")


def living_nodes() -> list[Node]:
    """The nodes that Ray counts as alive."""
    import ray

    found = []
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            counts = (int(has.get("CPU", 0)), int(has.get("GPU", 0)))
            found.append(Node(node["NodeID"], node["NodeManagerHostname"], *counts))
            if has.get("TPU"):
                raise UserError(
                    f"{found[-1].name} has TPUs, which are not handed out to workers; run shards"
                    " of the sweep on them (--shard 1/4 and so on)."
                )
    return found


def _place(address: str) -> str | None:
    """HOST:PORT of the head; None where there is no trace of a cluster on this machine."""
    if address != AUTO:
        host, colon, port = address.rpartition(":")
        if not (colon and host and port.isdigit() and int(port) < 1 << 16) or "//" in host:
            raise UserError(
                f"ray_address is {address!r}; give HOST:PORT of the cluster's head, or auto for the"
                " cluster that this machine is in."
            )
        return address
    if os.environ.get(ADDRESS, AUTO) != AUTO:
        return _place(os.environ[ADDRESS])
    noted = Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir()), "ray", "ray_current_cluster")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return noted.read_text().strip() or None
    return None


def _auth_mode(place: str) -> str | None:
    """Whether this machine's node of that cluster runs with tokens, `token` or `disabled`; None
    where there is no such node. Its driver has to do as it does, and Ray looks only at whether the
    user has a token, and with an address not even at that.
    """
    host, _, port = place.rpartition(":")
    names = {place}
    with contextlib.suppress(OSError):
        names.add(f"{socket.gethostbyname(host)}:{port}")
    flags = {f"--gcs-address={name}".encode() for name in names}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if flags & {*process.joinpath("cmdline").read_bytes().split(b"\0")}:
                variables = process.joinpath("environ").read_bytes().lower().split(b"\0")
                return "token" if b"ray_auth_mode=token" in variables else "disabled"
    return None


def _answers(place: str) -> bool:
    """Whether a gRPC server listens there: Ray itself would wait for minutes, then end us."""
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS) as link:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return True  # it says nothing before a handshake
            link.settimeout(ANSWER_SECONDS)
            link.sendall(PREFACE)
            begun = link.recv(9)
    except OSError:
        return False
    return len(begun) > 3 and begun[3] == SETTINGS_FRAME


def _why_not(address: str, error: Exception) -> str:
    """Why Ray does not let this process in, as one sentence."""
    said = " ".join(str(error).split())
    if "ersion mismatch" in said:
        return (
            "The cluster runs another Ray or Python than this environment"
            f" ({said[:300]}); install the same here."
        )
    if "Could not find any running Ray" in said:
        return (
            "No Ray cluster runs on this machine; start one (ray start --head), or say with"
            " --ray_address where its head is."
        )
    return (
        f"The Ray cluster at {address} does not take this process in ({said[:300]}); give the"
        " command on one of its nodes (ray start --address HOST:PORT makes it one), with"
        " RAY_AUTH_MODE=token where the cluster asks for a token."
    )


def remote(kind: type, node: Node, gpus: int, *arguments: Any) -> Any:
    """An actor on that node and no other: with a GPU, or with all of its CPUs.

    It is not begun again by Ray: what it had in hand is known here alone.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    options = {
        "num_gpus": gpus,
        "num_cpus": 0 if gpus else node.cpus,
        "max_restarts": 0,
        "max_task_retries": 0,
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node.id, soft=False),
    }
    return ray.remote(kind).options(**options).remote(*arguments)
