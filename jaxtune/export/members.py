"""A sweep's finished trials with the parameters it kept, and the dev set that scored them."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import jax
import numpy as np

from jaxtune.config.field_groups import INPUT_FIELDS
from jaxtune.config.parse import parse
from jaxtune.config.settings import SweepConfig
from jaxtune.config.trials import Trial, make_trials, merged_config
from jaxtune.core.errors import UserError
from jaxtune.core.failure import is_usable, ran_whole
from jaxtune.core.metrics import METRICS, merit
from jaxtune.core.words import as_typed
from jaxtune.data.dataset import read_dataset
from jaxtune.data.examples import Task
from jaxtune.data.glue import GLUE_TASKS
from jaxtune.models.heads import SequenceClassifier, classifier_shapes
from jaxtune.models.names import map_by_path, paths
from jaxtune.models.vocabulary import compact_embedding
from jaxtune.storage.inputs import check_found, with_inputs, without_further
from jaxtune.storage.kept_params import load_params
from jaxtune.storage.paths import CONFIG, PARAMS, PREDICTIONS, TRIALS, trial_name
from jaxtune.storage.results import read_whole
from jaxtune.storage.trial_rows import (
    Row,
    checksums_of,
    finished_rows,
    has_seeds,
    params_damage,
)
from jaxtune.training.group_inputs import stack_hypers
from jaxtune.training.outcome import saved_kinds
from jaxtune.training.plan import make_plans
from jaxtune.training.trained_part import whole_params

Params = dict[str, np.ndarray]
Step = Literal["final", "best"]
STEPS: tuple[Step, ...] = get_args(Step)
# Largest difference of logits, relative to the largest logit, that another device's rounding
# explains.
ROUNDING = {"float32": 1e-3, "bfloat16": 5e-2}


class Member(NamedTuple):
    """A finished trial: what was run, its row of trials.jsonl, and where its parameters lie."""

    trial: Trial
    row: Row
    folder: Path  # of its parameters
    predictions: Path

    @property
    def number(self) -> int:
        """Of the trial."""
        return self.trial.number

    @property
    def is_whole(self) -> bool:
        """Whether it was not stopped early: others leave no parameters."""
        return ran_whole(self.row)

    @property
    def usable(self) -> bool:
        """Whether it is whole and has not failed."""
        return is_usable(self.row)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A sweep in OUT; `step` says which of a trial's parameters and scores are meant."""

    out: Path
    step: Step
    members: tuple[Member, ...]

    def score(self, member: Member) -> float | None:
        """The dev metric after the last step, or the best of all evaluations; None without one."""
        return member.row[self.step]

    def merit(self, member: Member) -> float:
        """The score turned so that larger is better."""
        return float(merit(self.score(member), member.row.get("higher_is_better", True)))

    def arm_of(self, name: str) -> tuple[Member, ...]:
        """The members of an arm."""
        return tuple(member for member in self.members if member.trial.arm == name)

    @property
    def arms(self) -> tuple[str, ...]:
        """Names, in order of their first trial."""
        return tuple(dict.fromkeys(member.trial.arm for member in self.members))

    def params(self, member: Member) -> Params:
        """Of the whole model, by path, adapters merged; raises UserError as `trained` does."""
        return whole_params(self.trained(member), member.trial.config)

    def trained(self, member: Member) -> Params:
        """Those that the trial has trained, by path; raises UserError where there are none, or not
        as they were written.
        """
        again = (
            f"run the sweep again with python -m jaxtune.sweep --config"
            f" {as_typed(self.out / CONFIG)} --save_params {self.step} --out OTHER"
        )
        if not member.is_whole:
            raise UserError(
                f"Trial {member.number} was stopped early, at step {member.row['stopped_at']}"
                f" ({member.row['stopped_by']}), and left no parameters; give another trial."
            )
        if not member.folder.is_dir():
            other = next((kind for kind in STEPS if member.folder.with_name(kind).is_dir()), None)
            raise UserError(
                f"{self.out / PARAMS} holds no {self.step} parameters of trial {member.number};"
                f" {f'give --step {other}, which it has' if other else again}."
            )
        kinds = saved_kinds(member.trial.config.save_params)
        # One checksum is of all kinds: where one was thrown away, DevSet.check alone tells.
        whole = all(member.folder.with_name(kind).is_dir() for kind in kinds)
        if whole and (damage := params_damage(self.out, member.row)):
            raise UserError(
                f"{self.out}: {damage} since it was written; give the sweep's command again, and it"
                " repeats that trial."
            )
        try:
            return load_params(member.folder)
        except Exception as error:  # orbax and its readers raise many kinds
            raise UserError(f"{member.folder} is damaged and cannot be read; {again}.") from error


def read_sweep(
    out: Path,
    step: Step,
    moved: Mapping[str, str] = MappingProxyType({}),
    needed: Sequence[str] = INPUT_FIELDS,
) -> Sweep:
    """The finished trials of OUT; UserError where it is no sweep's, its config has changed, or
    model and data are not those that it was begun with.

    Args:
        moved: where model and data lie now, by setting, if not where they lay.
        needed: the settings whose files are read.
    """
    if not (out / CONFIG).is_file():
        raise UserError(f"{out} holds no sweep ({CONFIG}); give the --out of a sweep.")
    rows = finished_rows(out)
    settings = parse(["--config", str(out / CONFIG)])
    if swept := sorted(settings.grid.keys() & moved.keys()):
        raise UserError(f"{out} sweeps {swept[0]}; leave it out, and put its files where they lay.")
    settings = without_further(with_inputs(settings, moved))
    check_found(out, settings, needed)
    trials = {trial.number: trial for trial in make_trials(settings)}
    # Not the check of every file: the trials that are not exported count in the stability table all
    # the same, whoever has thrown their parameters away since.
    return Sweep(out, step, tuple(_member(out, step, row, trials) for row in rows))


def _member(out: Path, step: Step, row: Row, trials: Mapping[int, Trial]) -> Member:
    trial = trials.get(row["trial"])
    if trial is None or trial.arm != row["arm"] or not has_seeds(row, trial.seeds):
        raise UserError(
            f"{out / CONFIG} is not the config that trial {row['trial']} was run with; give the"
            " --out of a sweep as it was left."
        )
    name = trial_name(trial.number)
    return Member(trial, row, out / PARAMS / name / step, out / PREDICTIONS / f"{name}.npy")


def with_params(shapes: Any, params: Params, model: str, source: Any) -> SequenceClassifier:
    """`classifier_shapes` filled; raises UserError for parameters of another architecture."""
    wanted = {path: leaf.shape for path, leaf in paths(shapes).items()}
    if wanted != {path: array.shape for path, array in params.items()}:
        raise UserError(
            f"The shapes of {source} are not those of {model}, which has changed since the sweep;"
            " restore it there."
        )
    return map_by_path(lambda path, _: params[path], shapes)


class DevSet:
    """Scores parameters with the compiled program that scored the trials while they trained."""

    def __init__(self, trial: Trial):
        # Parameters come whole, with their adapters merged, and maybe from a device that this
        # machine has not: both forms of attention have the same numbers. Nothing is trained here,
        # and settings of stopping, which later versions may refuse, play no part.
        config = dataclasses.replace(
            merged_config(trial.config), attention="products", early_stop=None, keep_trials=None
        )
        trial = dataclasses.replace(trial, config=config)
        (plan,) = make_plans([trial])
        self.config = trial.config
        self.task = plan.task
        self.labels = plan.task.dev.labels
        self.source = _task_of(self.config)
        self._program = plan.stacking(1).compile(1)
        tables = (self.task.evaluated.as_tokens(), self.task.eval_plan, self.task.frozen)
        self._tables = self._program.place(tables, per_trial=False)
        hyper = stack_hypers([trial], [self.task.class_weights(trial.config)])
        self._hyper = self._program.place(hyper)
        self._shapes = classifier_shapes(self.task.model.encoder.config, self.task.num_labels)

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The classes in the order of the logits; None for regression."""
        return self.source.label_names

    @property
    def pairs(self) -> bool:
        """Whether an example is two texts."""
        return len(self.source.text_columns) == 2

    @property
    def of_words(self) -> bool:
        """Whether words have labels, and not texts."""
        return self.source.token_classification

    @property
    def max_length(self) -> int:
        """Tokens after which training cut a sequence."""
        return min(self.config.max_length, self.task.model.encoder.config.max_length)

    def model(self, params: Params, source: Any = "these parameters") -> SequenceClassifier:
        """A model with all words; raises UserError for parameters of another architecture."""
        return with_params(self._shapes, params, f"the model {self.config.model}", source)

    def logits(self, params: Params, source: Any = "these parameters") -> np.ndarray:
        """float32 `[example, label]`, or `[word, label]`, in the dev file's order."""
        model = compact_embedding(self.model(params, source), self.task.kept_words)
        stacked = self._program.place(jax.tree.map(lambda leaf: np.asarray(leaf)[None], model))
        outcome = self._program.fetch(self._program.evaluate(stacked, self._hyper, *self._tables))
        return outcome.logits[0, : len(self.labels)]

    def scores(self, logits: np.ndarray) -> dict[str, float]:
        """The task's metrics, the primary one first."""
        return self.task.scores(logits)

    def merit(self, scores: dict[str, float]) -> float:
        """The primary one of these scores, turned so that larger is better."""
        metric = self.task.metrics[0]
        return float(merit(scores[metric], METRICS[metric].higher_is_better))

    def check(self, sweep: Sweep, member: Member, params: Params) -> np.ndarray:
        """The member's logits as the sweep left them, float32 `[example, label]`, or
        `[word, label]`; UserError where they come out otherwise now.

        Rows of earlier versions do not vouch for parameters, and model and data lie outside OUT:
        this notices a change of either. Of the best step no logits were kept: what is returned is
        those that come out now, and their score is compared.
        """
        logits = self.logits(params, member.folder)
        if not np.isfinite(logits).all():
            raise UserError(
                f"Trial {member.number} gives logits that are not finite; export another trial."
            )
        if sweep.step == "best":
            kept, what, alike = logits, "", self._scores_about(logits, member.row["best"])
        else:
            noted = checksums_of(sweep.out, member.row).get(member.predictions)
            kept = read_whole(np.load, member.predictions, noted)
            what = f"logits in {member.predictions} and the "
            alike = self._are_about(logits, kept) and self._score(kept) == member.row["final"]
        if not alike:
            raise UserError(
                f"{member.folder} does not give the {what}score in {TRIALS}: the parameters, the"
                " model folder or the data have changed since the sweep; run it again."
            )
        return kept

    def _score(self, logits: np.ndarray) -> float:
        return self.scores(logits)[self.task.metrics[0]]

    def _are_about(self, logits: np.ndarray, kept: np.ndarray) -> bool:
        """Whether another device's rounding explains the difference."""
        bound = ROUNDING[self.config.precision] * max(1.0, float(np.abs(kept).max()))
        return kept.shape == logits.shape and bool(np.abs(kept - logits).max() <= bound)

    def _scores_about(self, logits: np.ndarray, kept: float | None) -> bool:
        """The same of a score: where logits are close, rounding turns an answer or two."""
        if kept is None:
            return False
        share = max(ROUNDING[self.config.precision], 2 / len(self.labels))
        return abs(self._score(logits) - kept) <= share * max(1.0, abs(kept))


def _task_of(config: SweepConfig) -> Task:
    """What classes and texts the task has; only a custom one's files have to be read for it."""
    assert config.task is not None
    return GLUE_TASKS[config.task] if config.task in GLUE_TASKS else read_dataset(config).task
