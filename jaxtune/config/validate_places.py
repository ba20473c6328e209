"""Where a sweep runs and what it leaves elsewhere: devices, shards, clusters, trackers."""

import importlib.util
import os

from jaxtune.config.settings import TRACKER_MODULES, SweepConfig, TrackerName
from jaxtune.config.text_values import shard_of
from jaxtune.core.accelerators import accelerator
from jaxtune.core.errors import UserError


def check_places(config: SweepConfig) -> None:
    """Raises UserError for what contradicts itself or others, or is not installed."""
    _check_device(config)
    if config.track is not None:
        check_tracker(config.track)
    if config.shard is not None:
        _check_shard(config)
    _check_cluster(config)


def _check_device(config: SweepConfig) -> None:
    for name in config.device:
        accelerator(name)
    if config.device and not config.dry_run:
        raise UserError(
            "device is given without dry_run; it plans for devices that are not here: give"
            " --dry_run too, or leave it out to run on those that are."
        )


def _check_shard(config: SweepConfig) -> None:
    assert config.shard is not None
    shard_of(config.shard)
    if config.keep_trials is not None:
        raise UserError(
            "shard and keep_trials are both given, but the best are chosen among all trials of an"
            " arm; leave one of them out."
        )
    if config.until_decided:
        raise UserError(
            "shard and until_decided are both given, but the verdict that it goes by is on all"
            " trials; leave one of them out."
        )


def _check_cluster(config: SweepConfig) -> None:
    if config.cluster is None:
        if config.ray_address is not None:
            raise UserError(
                f"ray_address is {config.ray_address!r}, which is read with cluster alone; give"
                " --cluster ray too, or leave it out."
            )
        if config.runtime_env:
            raise UserError(
                "runtime_env is true, and there are no nodes to send anything to; give --cluster"
                " ray too, or leave it out."
            )
        return
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "The trials are to run on a Ray cluster, and ray is not installed; pip install"
            " 'jaxtune[ray]', or leave --cluster out."
        )
    if config.dry_run:
        raise UserError(
            "cluster and dry_run are both given, but a dry run tries steps on this machine; leave"
            " one of them out."
        )
    if config.checkpoint_every is not None:
        raise UserError(
            "cluster and checkpoint_every are both given, but workers keep no checkpoints: a group"
            " that is lost runs again; leave one of them out."
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
