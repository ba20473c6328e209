"""What a study gets: its settings, its folder, and sweeps that are run once and shared."""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jaxtune.config.settings import SweepConfig
from jaxtune.core.console import say
from jaxtune.core.errors import UserError
from jaxtune.core.files import replace_file
from jaxtune.core.words import plural, spelled
from jaxtune.models.pretrained import locate, read_config
from jaxtune.storage.results import read_history
from jaxtune.storage.trial_rows import read_rows
from jaxtune.study.finding import FINDING
from jaxtune.study.settings import StudyConfig

SWEEPS, MODELS = "sweeps", "models"
MINIATURE = "miniature"
# Steps between evaluations of sweeps that are read at their end alone: more than any has.
AT_THE_END = 10_000_000
BOTH_ARMS = {"bias_correction": (False, True)}
# What the paper sets per family (appendix 7.3); BERT's are the defaults of a sweep, and a
# ModernBERT, which the paper does not have, takes them.
FAMILY_SETTINGS: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"adam_b2": 0.98, "weight_decay": 0.1, "max_grad_norm": None},
    "albert": {"dropout": 0.0, "weight_decay": 0.0},
    "modernbert": {},
}
# The quickstart's, as in jaxtune/data/miniature/quickstart.yaml.
MINIATURE_SETTINGS: dict[str, Any] = {"max_grad_norm": None, "dropout": 0.1}


class PlannedOnlyError(Exception):
    """A dry run has printed the plans of a study's sweeps and has no results to go on with."""


@dataclasses.dataclass(frozen=True)
class Study:
    """One run of the command; a study asks for all its sweeps first, then reads them."""

    config: StudyConfig
    # Sweeps that this process has run or found finished.
    finished: set[Path] = dataclasses.field(default_factory=set)

    @property
    def task(self) -> str:
        """Of all studies but those of several tasks."""
        return self.config.tasks[0]

    def folder(self, figure: str) -> Path:
        """DIR/FIGURE, made if need be."""
        folder = self.config.out / figure
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write(self, figure: str, **tables: pd.DataFrame) -> None:
        """DIR/FIGURE/NAME.parquet of each table, complete or as it was."""
        for name, table in tables.items():
            file = self.folder(figure) / f"{name}.parquet"
            replace_file(file, functools.partial(table.to_parquet, index=False))

    @property
    def recipe(self) -> dict[str, Any]:
        """Settings of the default recipe, evaluated at the end alone."""
        return {
            "learning_rate": self.config.learning_rate,
            "num_epochs": self.config.num_epochs,
            "eval_every": AT_THE_END,
        }

    def main(self, task: str | None = None, model: str | None = None) -> Path:
        """The sweep of the default recipe, without correction first; most studies look at it.

        Of the study's own model the final parameters are kept.
        """
        own = model in (None, self.config.model)
        watched = {"eval_every": self.config.eval_every, "log_every": self.config.log_every}
        return self.sweep(
            "main",
            task=task,
            model=model,
            grid=BOTH_ARMS,
            num_seeds=self.config.num_seeds,
            save_params=self.config.save_params if own else "none",
            **self.recipe | watched,
        )

    def stable(self, task: str | None = None) -> Path:
        """The sweep of the recommended recipe: small learning rate, correction, many epochs."""
        return self.sweep(
            "stable",
            task=task,
            learning_rate=self.config.stable_learning_rate,
            num_epochs=self.config.stable_epochs,
            bias_correction=True,
            num_seeds=self.config.stable_seeds,
        )

    def sweep(
        self,
        name: str,
        *,
        task: str | None = None,
        model: str | None = None,
        grid: Mapping[str, Sequence[Any]] | None = None,
        **fields: Any,
    ) -> Path:
        """Runs, resumes or finds finished the sweep of this name; a dry run prints its plan.

        Args:
            grid: swept fields, as on the command line of jaxtune.sweep.
            fields: other fields of SweepConfig, on top of those that the model's family and the
                study's settings give.

        Returns:
            The sweep's folder.
        """
        # Imported late, as in jaxtune.sweep: what only reads or draws runs no sweep.
        from jaxtune.config.parse import parse
        from jaxtune.sweep.run import run_sweep

        task, model = task or self.task, model or self.config.model
        parts = [name, task] + ([Path(model).name] if model != self.config.model else [])
        out = self.config.out / SWEEPS / "-".join(parts)
        if out in self.finished:
            return out
        values = self._shared_fields(task, model) | fields
        values |= {"model": model, "task": task, "out": str(out), "dry_run": self.config.dry_run}
        flags = {f"--{field}": [value] for field, value in values.items()}
        flags |= {f"--grid.{field}": list(swept) for field, swept in (grid or {}).items()}
        argv = [word for flag, own in flags.items() for word in (flag, *map(spelled, own))]
        say(f"\nSweep {out.name}")
        run_sweep(parse(argv), argv)
        self.finished.add(out)
        return out

    def _shared_fields(self, task: str, model: str) -> dict[str, Any]:
        config = self.config
        values = (MINIATURE_SETTINGS if task == MINIATURE else {}) | family_settings(model)
        values |= {
            "data_dir": config.data_dir if task != MINIATURE else None,
            "random_weights": config.random_weights,
            "precision": config.precision,
            "train_examples": config.train_examples,
        }
        defaults = {field.name: field.default for field in dataclasses.fields(SweepConfig)}
        return {name: value for name, value in values.items() if value != defaults[name]}

    def rows(self, sweep: Path) -> pd.DataFrame:
        """The finished trials of a sweep in order, a column per field of trials.jsonl.

        As in jaxtune.stats.arms, a trial without a finite score has the trivial one. Raises
        PlannedOnlyError in a dry run.
        """
        if self.config.dry_run:
            raise PlannedOnlyError
        rows = pd.DataFrame(read_rows(sweep))
        final = pd.to_numeric(rows["final"]).where(lambda x: x.abs() < float("inf"))
        return rows.assign(final=final.fillna(rows["trivial"]))

    def history(self, sweep: Path, trials: Sequence[int]) -> pd.DataFrame:
        """Curves of these trials in long form: trial step name value."""
        return read_history(sweep, trials).astype({"name": "str"})


def family_settings(model: str) -> dict[str, Any]:
    """What the paper sets for the model's family; UserError for a model that cannot be read."""
    file = locate(model) / "config.json"
    try:
        family = json.loads(file.read_text(encoding="utf-8"))["model_type"]
        return FAMILY_SETTINGS[family]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file} names no BERT, RoBERTa, ALBERT or ModernBERT (model_type); give a folder or"
            " hub id of one."
        ) from error


def check_models(models: Sequence[str]) -> None:
    """Raises UserError where one cannot be read, or two have one name: sweeps are called by it."""
    by_name: dict[str, str] = {}
    for model in models:
        other = by_name.setdefault(Path(model).name, model)
        if other != model:
            raise UserError(
                f"{other} and {model} have the same name, by which their results are told apart;"
                " rename a folder."
            )
        family_settings(model)


def by_depth(models: Sequence[str]) -> list[str]:
    """Shallow to deep, in whatever order they are given; UserError where two are as deep."""
    by_layers: dict[int, str] = {}
    for model in models:
        layers = read_config(locate(model))[0].num_layers
        other = by_layers.setdefault(layers, model)
        if other != model:
            raise UserError(
                f"{other} and {model} of depth_models both have {plural(layers, 'layer')}; give"
                " models of different depths."
            )
    return [by_layers[layers] for layers in sorted(by_layers)]


def clear(folder: Path, *suffixes: str) -> None:
    """Takes away what an earlier run left: no old picture stands beside a new finding. A folder
    without a finding has none of a study's.
    """
    if not (folder / FINDING).exists():
        return
    for file in folder.iterdir():
        if file.suffix in suffixes:
            file.unlink()
