"""What groups leave in OUT, wherever they were trained: curves, predictions, parameters, rows."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxtune.config.trials import Trial
from jaxtune.core.failure import LEARNT_NOTHING, has_failed
from jaxtune.core.metrics import METRICS
from jaxtune.core.processes import writes
from jaxtune.core.records import Recorder
from jaxtune.models.heads import SequenceClassifier
from jaxtune.storage.curves import History, write_predictions
from jaxtune.storage.kept_params import save_params
from jaxtune.storage.out_folder import check_held, taken_away
from jaxtune.storage.paths import HISTORY, MANIFEST, PARAMS, TENSORBOARD, trial_name
from jaxtune.storage.tensorboard import Run, TrialRuns
from jaxtune.storage.trial_rows import append_rows
from jaxtune.sweep.meter import Meter
from jaxtune.sweep.progress import SweepProgress
from jaxtune.training.outcome import TrialResult, saved_kinds
from jaxtune.training.plan import ProgramPlan

# What one looks for first in the HParams table, after what was swept.
RECIPE_FIELDS = ("learning_rate", "bias_correction", "num_epochs", "batch_size", "weight_decay")

# The parameters of the trial at a place of the group, of one kind.
ModelOf = Callable[[int, str], SequenceClassifier]
# What to do with the results and curves of a group of so many lanes.
Keep = Callable[[ProgramPlan, int, Sequence[TrialResult], History, ModelOf], None]


@runtime_checkable
class RunsGroups(Protocol):
    """What trains trials in groups: the devices of this process, or the nodes of a cluster."""

    def run(self, pending: Sequence[Sequence[Trial]], first_leg: Keep | None = None) -> None:
        """Trains these trials of each plan; returns when all have left their results.

        Args:
            first_leg: the trials run to their stop step alone, and this keeps what comes out.
        """


@dataclasses.dataclass
class SweepResults:
    """Where the groups of a sweep leave what came out, and what shows it."""

    out: Path
    swept: tuple[str, ...]
    names: Mapping[str, str]  # of the arms' folders in TensorBoard
    progress: SweepProgress
    meter: Meter

    @contextlib.contextmanager
    def recorded(
        self, plan: ProgramPlan, group: Sequence[Trial]
    ) -> Generator[tuple[History, list[Recorder]]]:
        """The group's history, and all recorders: that, TensorBoard and the progress line."""
        history = History(plan.config.log_every)
        if not writes():
            yield history, []
            return
        check_held(self.out)
        shown = {trial.number: self._shown(trial) for trial in group}
        curves = TrialRuns(
            self.out / TENSORBOARD, shown, plan.task.metrics[0], plan.config.log_every
        )
        try:
            yield history, [history, curves, self.progress]
        finally:
            curves.close()

    def _shown(self, trial: Trial) -> Run:
        """A trial's place in TensorBoard."""
        columns = dict.fromkeys((*self.swept, *RECIPE_FIELDS))
        hparams = {column: trial.settings[column] for column in columns}
        return Run(trial.arm, trial.seeds.seed, hparams, self.names[trial.arm])

    def keep(
        self,
        plan: ProgramPlan,
        size: int,
        results: Sequence[TrialResult],
        history: History,
        model_of: ModelOf,
    ) -> None:
        """Parameters, curves, predictions and rows of trials that have ended.

        The rows come last: a trial that has one has everything else too. The first process writes,
        and the others hand it the parameters of their trials, one after the other.

        Args:
            size: trials that ran at once.
        """
        if writes():
            _check_still_there(self.out)
        for place, result in enumerate(results):
            has_none = result.stopped_by == LEARNT_NOTHING
            kinds = () if has_none else saved_kinds(plan.config.save_params)
            for kind in kinds:
                model = model_of(place, kind)
                if writes():
                    folder = self.out / PARAMS / trial_name(result.trial.number) / kind
                    save_params(folder, plan.full_params(result, kind, model))
        self.meter.trials += len(results)
        if not writes():
            return
        write_records(self.out, results, history)
        rows = [trial_row(result, plan, size) for result in results]
        append_rows(self.out, rows)
        for result in results:
            if result.stopped_by:
                self.progress.stopped(result.trial.number, plan.num_steps)
        scores = [row["final"] for row in rows]
        self.progress.finished(scores, sum(row["failed"] for row in rows))


def _check_still_there(out: Path) -> None:
    """Raises UserError where OUT has been taken away: what is written now would be a part of it."""
    check_held(out)
    if not (out / MANIFEST).exists():
        raise taken_away(out, MANIFEST)


def write_records(out: Path, results: Sequence[TrialResult], history: History) -> None:
    """The curves and the logits of trials that have ended."""
    for result in results:
        history.further(result.trial.number, result.num_steps, result.further)
    history.write(out / HISTORY)
    for result in results:
        write_predictions(out, result.trial.number, result.logits, result.answers)


def trial_row(result: TrialResult, plan: ProgramPlan, group_size: int) -> dict[str, Any]:
    """One line of trials.jsonl; `stopped_at` are the steps of a trial that was stopped."""
    trial, seeds, task, num_steps = result.trial, result.trial.seeds, plan.task, plan.num_steps
    metric = task.metrics[0]
    two = task.classes if task.num_labels == 2 and not task.several_labels else None
    row = {
        "trial": trial.number,
        "arm": trial.arm,
        "seed": seeds.seed,
        "init_seed": seeds.init_seed,
        "order_seed": seeds.order_seed,
        "dropout_seed": seeds.dropout_seed,
        "model": trial.config.model,
        "task": trial.config.task,
        "metric": metric,
        "final": result.final[metric],
        "best": result.best,
        "best_step": result.best_step,
        "train_loss": result.train_loss,
        "trivial": result.trivial,
        "failed": False,  # below, from what stands here
        "diverged": result.diverged,
        "constant_prediction": result.constant_prediction,
        "num_steps": num_steps,
        "seconds": round(result.seconds, 3),
        "group_size": group_size,
        "per_device": plan.per_device,  # trials of the group on each device
        "stopped_at": result.num_steps if result.num_steps < num_steps else None,
        "stopped_by": result.stopped_by,
        "held_out_best": result.held_out_best,
        "higher_is_better": METRICS[metric].higher_is_better,
        "positive_class": two[task.positive] if two else None,
        "positive_label": task.positive if two else None,  # its column of the predictions
    }
    return row | {"failed": has_failed(row)} | result.further | trial.settings
