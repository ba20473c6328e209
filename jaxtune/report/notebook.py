"""What sweeps left behind, for a notebook: tables, the verdict, comparisons and the figures."""

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure

from jaxtune.core.errors import UserError
from jaxtune.core.words import plural
from jaxtune.report.figures import plot_expected_best, plot_gradient_norms, plot_scores
from jaxtune.report.findings import Findings, find
from jaxtune.report.sources import Source, read_sources
from jaxtune.report.statements import Comparison, Verdict
from jaxtune.stats.arms import by_arm
from jaxtune.stats.describe import summarise
from jaxtune.storage.paths import CONFIG, TRIALS
from jaxtune.storage.results import (
    read_classes,
    read_history,
    read_labels,
    read_predictions,
    read_sentences,
    read_summary,
)
from jaxtune.storage.trial_rows import checksums


class Results:
    """The finished trials of one sweep or of several, as they were when this was made.

    Of several, tables have a first column `folder`, and what is no table is a dict by folder.
    """

    def __init__(self, outs: Sequence[Path]):
        self.outs = tuple(outs)
        # Read later, wherever the process may be then.
        sources = read_sources(outs)
        self._sources = [dataclasses.replace(each, out=each.out.absolute()) for each in sources]
        self._checksums = {each.name: checksums(each.out) for each in self._sources}

    def __repr__(self) -> str:
        outs = ", ".join(map(str, self.outs))
        trials, arms = plural(len(self.trials), "trial"), plural(len(self.arms), "arm")
        return f"{outs}: {trials} in {arms}"

    @cached_property
    def trials(self) -> pd.DataFrame:
        """A row per trial: arm, seeds, scores, whether it failed, and its settings."""
        return self._table(lambda source: pd.DataFrame(source.rows))

    @cached_property
    def history(self) -> pd.DataFrame:
        """Long form `trial step name value`: losses, learning rates, gradient norms, dev scores."""
        return self._table(lambda source: read_history(self._out(source), _numbers(source)))

    @cached_property
    def arms(self) -> pd.DataFrame:
        """A row per arm: n, mean, std (ddof 1), order statistics, failures with 95% interval.

        With a first column `folder` where several tasks have arms of one name: scores of tasks have
        no mean.
        """
        tables = {source.name: _summaries(source) for source in self._sources}
        if pd.concat(tables.values()).index.is_unique:
            return pd.concat(tables.values())
        return pd.concat(tables, names=["folder"]).reset_index("folder")

    @cached_property
    def predictions(self) -> dict[Any, Any]:
        """Dev logits of the final step, float32, by trial: `[example, label]`, or `[word, label]`
        where words have tags.
        """
        return self._by_folder(lambda source: read_predictions(self._out(source), _numbers(source)))

    @cached_property
    def labels(self) -> Any:
        """Dev labels `[example]` in the order of the predictions: int32 classes or numbers; or
        `[example, label]` of 0 and 1, where a text may have any number of them; or `[word]`, where
        words have tags.
        """
        return self._by_folder(lambda source: read_labels(self._out(source)))

    @cached_property
    def sentences(self) -> Any:
        """How many tagged words each dev sentence has, `[sentence]`, in the order of the labels;
        None where words have no tags.
        """
        return self._by_folder(lambda source: read_sentences(self._out(source)))

    @cached_property
    def classes(self) -> Any:
        """Names of the classes, in the order of the predictions' columns; None for regression."""
        return self._by_folder(lambda source: read_classes(self._out(source)))

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json: the arms, and how fast the sweep ran; empty while it runs."""
        return self._by_folder(lambda source: read_summary(self._out(source)))

    @cached_property
    def config(self) -> dict[str, Any]:
        """Every setting that the sweep ran with."""
        return self._by_folder(_config)

    @cached_property
    def findings(self) -> Findings:
        """Everything that the report says, in numbers."""
        return find(self._sources)

    @property
    def verdict(self) -> Verdict:
        """Which arm is more stable, how sure that is, and what to do next, in sentences."""
        status = tuple(source.status for source in self._sources if source.status)
        return Verdict(status, self.findings.verdict)

    def compare(self, one: Any, other: Any) -> Comparison:
        """Two arms by name: differences with intervals, p-values, and a sentence.

        Raises UserError for a name that no arm has, and where trials were kept for their score.
        """
        arms = {found.arm.name: found.arm for found in self.findings.arms}
        for name in (one, other):
            if not isinstance(name, str) or name not in arms:
                raise UserError(f"There is no arm {name!r}; {_suggestion(str(name), arms)}")
        if len(arms) == 1:
            raise UserError(f"{one!r} is the only arm, and there is nothing to compare it with.")
        if one == other:
            raise UserError(f"{one!r} is given twice; give two arms of {', '.join(arms)}.")
        verdict = self.findings.verdict
        pairs = {frozenset((pair.one, pair.other)): pair for pair in verdict.comparisons}
        if not pairs:
            raise UserError(verdict.more_stable)
        found = pairs[frozenset((one, other))]
        if found.one != one:
            found = found.turned()
        return Comparison(found, verdict.num_tests, arms)

    def plot_scores(self) -> Figure:
        """Every trial's final score and a box over all of them, by arm."""
        return plot_scores(self.findings)

    def plot_expected_best(self) -> Figure:
        """What the best of so many seeds is expected to score, a line per arm."""
        return plot_expected_best(self.findings)

    def plot_gradient_norms(self) -> Figure:
        """First, middle and last layer's gradient norms, of failed and of successful trials.

        Raises UserError where no trial's history holds them.
        """
        return plot_gradient_norms(self.findings)

    def _out(self, source: Source) -> Path:
        """The folder, to read from what is not read yet; raises UserError where other trials lie
        there by now: their files are not of these rows.
        """
        if not (source.out / TRIALS).is_file():
            raise UserError(
                f"{source.out} is not there any more; call load_results with where it lies now."
            )
        if not self._checksums[source.name].items() <= checksums(source.out).items():
            raise UserError(
                f"{source.out} was written anew since its trials were read; call load_results"
                " again."
            )
        return source.out

    def _table(self, read: Callable[[Source], pd.DataFrame]) -> pd.DataFrame:
        found = self._by_folder(read)
        if len(self._sources) == 1:
            return found
        return pd.concat(found, names=["folder"]).reset_index("folder").reset_index(drop=True)

    def _by_folder(self, read: Callable[[Source], Any]) -> Any:
        found = {source.name: read(source) for source in self._sources}
        return next(iter(found.values())) if len(found) == 1 else found


def _summaries(source: Source) -> pd.DataFrame:
    found = {arm: summarise(rows) for arm, rows in by_arm(source.rows).items()}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("arm")


def _config(source: Source) -> dict[str, Any]:
    try:
        return yaml.safe_load(source.config) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{source.out / CONFIG} is damaged; restore it from a copy.") from error


def _suggestion(name: str, accepted: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(accepted), n=1, cutoff=0.0)
    return f"did you mean {close[0]!r}? The arms are {', '.join(map(repr, accepted))}."


def _numbers(source: Source) -> list[int]:
    return [row["trial"] for row in source.rows]
