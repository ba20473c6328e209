"""TensorBoard: a run per trial, an aggregate run per arm, HParams with an arm as session group.

tensorboardX's `add_hparams` opens a second writer, has no group name and shows the first run's keys
only, so the three summaries behind it are written to the trial's own writer.
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tensorboardX import SummaryWriter
from tensorboardX.proto import plugin_hparams_pb2, summary_pb2
from tensorboardX.summary import hparams

from jaxtune.config.parse import Settings
from jaxtune.config.trials import arm_name
from jaxtune.core.failure import at_floor
from jaxtune.core.metrics import METRICS, curve_of
from jaxtune.core.records import StepRecords
from jaxtune.storage.trial_rows import Row

# Tensor kinds within a layer are in the Parquet history; TensorBoard gets one curve per layer.
SHOWN_NORMS = ("embeddings", "pooler", "classifier", "all")
LONGEST = 255  # bytes of a folder's name


def run_name(arm: str) -> str:
    """A folder name for an arm: no spaces, no path separators."""
    return "".join(c if c.isalnum() or c in "=.-_" else "," if c == " " else "_" for c in arm)


def run_names(arms: Iterable[str]) -> dict[str, str]:
    """Each arm's folder name. It ends with a checksum of the arm where two of them would have one
    name, or where it would be longer than a folder may be called.
    """
    plain = {arm: run_name(arm) for arm in arms}
    count = Counter(plain.values())
    return {
        arm: name if count[name] == 1 and len(name.encode()) <= LONGEST else _unlike(name, arm)
        for arm, name in plain.items()
    }


def _unlike(name: str, arm: str) -> str:
    """A name that no other arm has, and that fits."""
    end = f"-{hashlib.sha256(arm.encode()).hexdigest()[:8]}"
    return name.encode()[: LONGEST - len(end)].decode(errors="ignore") + end


def names_of_arms(settings: Settings) -> dict[str, str]:
    """`run_names` of all arms of a sweep, whichever have run."""
    return run_names(arm_name(arm, settings.grid) for arm in settings.arms)


def run_path(name: str, seed: int) -> str:
    """`ARM/seed_007`: short, for TensorBoard's list of runs cuts long names.

    Args:
        name: of the arm's folder.
    """
    return f"{name}/seed_{seed:03d}"


def shown_norm(name: str) -> str | None:
    """The tag of a gradient norm, such as `grad_norm/layer_01`; None of one that is not shown."""
    shown = name in SHOWN_NORMS or name.endswith("/layer")
    return f"grad_norm/{name.removesuffix('/layer')}" if shown else None


class Run(NamedTuple):
    """How a trial appears: its arm, its seed within it, its columns of the HParams table, and the
    name of its arm's folder, which is `run_name` where no other arm is there.
    """

    arm: str
    seed: int
    hparams: dict[str, Any]
    name: str | None = None

    @property
    def path(self) -> str:
        """Its folder in tb/."""
        return run_path(self.name or run_name(self.arm), self.seed)


class TrialRuns:
    """A recorder for the trials of one group, by number."""

    def __init__(self, folder: Path, runs: Mapping[int, Run], metric: str, log_every: int):
        self.log_every = log_every
        self._writers: dict[int, SummaryWriter] = {}
        for number, run in runs.items():
            # What an interrupted attempt left would show every step twice.
            shutil.rmtree(folder / run.path, ignore_errors=True)
            writer = SummaryWriter(str(folder / run.path))
            _add_hparams(writer, run, f"dev/{metric}")
            self._writers[number] = writer

    def steps(self, trials: Sequence[int], start: int, records: StepRecords) -> None:
        """Loss, learning rate and gradient norms of logged steps."""
        for offset in range(-start % self.log_every, records.loss.shape[1], self.log_every):
            step = start + offset
            for lane, number in enumerate(trials):
                values = {
                    "train/loss": records.loss[lane, offset],
                    "train/learning_rate": records.learning_rate[lane, offset],
                }
                for name, norm in zip(records.norm_names, records.norms[lane, offset], strict=True):
                    if tag := shown_norm(name):
                        values[tag] = norm
                _add_values(self._writers[number], values, step)

    def evaluation(
        self, trials: Sequence[int], step: int, metrics: Sequence[dict[str, float]]
    ) -> None:
        """Metrics of the dev set and of held-out examples."""
        for number, scores in zip(trials, metrics, strict=True):
            values = {curve_of(name): value for name, value in scores.items()}
            _add_values(self._writers[number], values, step)

    def close(self) -> None:
        """Writes what is buffered."""
        for writer in self._writers.values():
            writer.close()


def drop_other_runs(folder: Path, rows: Sequence[Row], names: Mapping[str, str]) -> None:
    """Takes away the runs of trials that were begun, and are none of these; `names` are those of
    the arms' folders.
    """
    kept = {folder / run_path(names[row["arm"]], row["seed"]) for row in rows}
    for run in {*folder.glob("*/seed_*")} - kept:
        shutil.rmtree(run, ignore_errors=True)


def write_arm_curves(
    folder: Path, rows: Sequence[Row], history: pd.DataFrame, names: Mapping[str, str]
) -> None:
    """A run per arm: mean, min and max of loss and dev metric over its trials, and how many are no
    better than the best constant prediction at that step. `names` are those of the arms' folders.
    """
    trials = pd.DataFrame(rows)
    metric, trivial = trials["metric"][0], trials["trivial"][0]
    higher = METRICS[metric].higher_is_better
    shown = {"loss": "loss", f"dev/{metric}": metric}
    curves = history[history["name"].isin(shown)]
    curves = curves.merge(trials[["trial", "arm", "log_every"]], on="trial")
    logged = (curves["name"] != "loss") | (curves["step"] % curves["log_every"] == 0)
    for arm, points in curves[logged].groupby("arm"):
        run = folder / names[str(arm)] / "aggregate"
        shutil.rmtree(run, ignore_errors=True)
        with SummaryWriter(str(run)) as writer:
            for (name, step), values in points.groupby(["name", "step"], observed=True)["value"]:
                for statistic in ("mean", "min", "max"):
                    tag = f"arm/{shown[name]}_{statistic}"
                    # numpy, not pandas: a diverged trial shows as NaN instead of dropping out.
                    value = getattr(np, statistic)(values.to_numpy())
                    writer.add_scalar(tag, value, step)
                if name != "loss":
                    reached = sum(at_floor(value, trivial, higher) for value in values)
                    writer.add_scalar("arm/trials_at_floor", reached, step)


def _add_values(writer: SummaryWriter, values: Mapping[str, Any], step: int) -> None:
    """All scalars of a step as one event: an `add_scalar` for each costs several times as much."""
    generated: Any = summary_pb2  # its names are made at import
    parts = [
        generated.Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()
    ]
    assert writer.file_writer is not None
    writer.file_writer.add_summary(generated.Summary(value=parts), step)


def _add_hparams(writer: SummaryWriter, run: Run, metric: str) -> None:
    """The HParams plugin's three summaries, with the arm as the session group."""
    known = {k: v for k, v in run.hparams.items() if isinstance(v, str | bool | int | float)}
    experiment, start, end = hparams(known, {metric: 0.0})
    plugin = start.value[0].metadata.plugin_data
    generated: Any = plugin_hparams_pb2  # its names are made at import
    content = generated.HParamsPluginData.FromString(plugin.content)
    content.session_start_info.group_name = run.arm
    plugin.content = content.SerializeToString()
    assert writer.file_writer is not None
    for summary in (experiment, start, end):
        writer.file_writer.add_summary(summary)
