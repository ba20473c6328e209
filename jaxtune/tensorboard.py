"""TensorBoard: one run per trial, one aggregate run per arm, HParams with the arm's trials as one session group.

tensorboardX's `add_hparams` opens a second writer, has no group name and shows the first run's keys only, so the three
summaries behind it are written to the trial's own writer.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tensorboardX import SummaryWriter
from tensorboardX.proto import plugin_hparams_pb2
from tensorboardX.summary import hparams

from jaxtune.logs import StepRecords

# Tensor kinds within a layer are in the Parquet history; TensorBoard gets one curve per layer.
SHOWN_NORMS = ("embeddings", "pooler", "classifier", "all")


def run_name(arm: str) -> str:
    """A folder name for an arm: no spaces, no path separators."""
    return "".join(c if c.isalnum() or c in "=.-_" else "," if c == " " else "_" for c in arm)


class Run(NamedTuple):
    """How a trial appears: its arm, its seed within the arm, and the settings worth a column of the HParams table."""

    arm: str
    seed: int
    hparams: dict[str, Any]

    @property
    def path(self) -> str:
        """`ARM/seed_007`: short, for TensorBoard's list of runs cuts long names."""
        return f"{run_name(self.arm)}/seed_{self.seed:03d}"


class TrialRuns:
    """A recorder for the trials of one group, by number."""

    def __init__(
        self,
        folder: Path,
        runs: Mapping[int, Run],
        metric: str,
        log_every: int,
    ):
        self.log_every = log_every
        self._writers: dict[int, SummaryWriter] = {}
        for number, run in runs.items():
            writer = SummaryWriter(str(folder / run.path))
            _add_hparams(writer, run, f"dev/{metric}")
            self._writers[number] = writer

    def steps(self, trials: Sequence[int], start: int, records: StepRecords) -> None:
        """Loss, learning rate and gradient norms of logged steps."""
        for offset in range(-start % self.log_every, records.loss.shape[1], self.log_every):
            step = start + offset
            for lane, number in enumerate(trials):
                writer = self._writers[number]
                writer.add_scalar("train/loss", records.loss[lane, offset], step)
                writer.add_scalar("train/learning_rate", records.learning_rate[lane, offset], step)
                for name, norm in zip(records.norm_names, records.norms[lane, offset], strict=True):
                    if name in SHOWN_NORMS or name.endswith("/layer"):
                        writer.add_scalar(f"grad_norm/{name.removesuffix('/layer')}", norm, step)

    def evaluation(
        self, trials: Sequence[int], step: int, metrics: Sequence[dict[str, float]]
    ) -> None:
        """Dev metrics."""
        for number, scores in zip(trials, metrics, strict=True):
            for name, value in scores.items():
                self._writers[number].add_scalar(f"dev/{name}", value, step)

    def close(self) -> None:
        """Writes what is buffered."""
        for writer in self._writers.values():
            writer.close()


class ArmCurves:
    """A recorder that gathers what the aggregate runs show: mean, min, max and failures over an arm's trials."""

    def __init__(self, arms: Mapping[int, str], metric: str, trivial: float, log_every: int):
        self.arms = arms
        self.metric = metric
        self.trivial = trivial
        self.log_every = log_every
        self._values: dict[str, dict[str, dict[int, list[float]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list))
        )

    def steps(self, trials: Sequence[int], start: int, records: StepRecords) -> None:
        """Training loss at logged steps."""
        for offset in range(-start % self.log_every, records.loss.shape[1], self.log_every):
            for lane, number in enumerate(trials):
                curve = self._values[self.arms[number]]["loss"]
                curve[start + offset].append(float(records.loss[lane, offset]))

    def evaluation(
        self, trials: Sequence[int], step: int, metrics: Sequence[dict[str, float]]
    ) -> None:
        """The primary dev metric."""
        for number, scores in zip(trials, metrics, strict=True):
            self._values[self.arms[number]][self.metric][step].append(scores[self.metric])

    def write(self, folder: Path) -> None:
        """One run per arm, over the trials seen by this command."""
        for arm, curves in self._values.items():
            with SummaryWriter(str(folder / run_name(arm) / "aggregate")) as writer:
                for tag, curve in curves.items():
                    for step, values in sorted(curve.items()):
                        for name in ("mean", "min", "max"):
                            writer.add_scalar(f"arm/{tag}_{name}", getattr(np, name)(values), step)
                        if tag == self.metric:
                            at_floor = sum(not value > self.trivial for value in values)
                            writer.add_scalar("arm/trials_at_floor", at_floor, step)


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
