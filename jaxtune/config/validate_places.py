"""Where a sweep runs and what it leaves elsewhere: devices, shards, clusters, trackers."""

import importlib.util
import os

from jaxtune.config.settings import TRACKER_MODULES, SweepConfig, TrackerName
from jaxtune.config.text_values import shard_of
from jaxtune.core.accelerators import accelerator
from jaxtune.core.errors import UserError


def check_places(config: SweepConfig) -> None:
    """Raises UserError for what is unknown, contradicts the environment, or is not installed."""
    for name in config.device:
        accelerator(name)
    if config.track is not None:
        check_tracker(config.track)
    if config.shard is not None:
        shard_of(config.shard)
    if config.cluster is not None:
        _check_cluster()


def _check_cluster() -> None:
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "The trials are to run on a Ray cluster, and ray is not installed; pip install"
            " 'jaxtune[ray]', or leave --cluster out."
        )
    if "JAX_COORDINATOR_ADDRESS" in os.environ:
        raise UserError(
            "cluster is given, and JAX_COORDINATOR_ADDRESS makes this one of several processes; use"
            " one of the two."
        )


def check_tracker(name: TrackerName) -> None:
    """Raises UserError where the tracker's library is not installed."""
    for module in TRACKER_MODULES[name]:
        if importlib.util.find_spec(module) is None:
            raise UserError(
                f"{name} is to track the trials, and {module} is not installed; pip install"
                f" 'jaxtune[{name}]', or leave it out."
            )
