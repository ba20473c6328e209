"""A trial's curves as Parquet and its dev logits as NPY; TensorBoard is a view of them."""

import io
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from jaxtune.core.files import replace_file, write_json
from jaxtune.core.metrics import curve_of
from jaxtune.core.records import StepRecords
from jaxtune.storage.paths import CLASSES, IDS, LABELS, PREDICTIONS, SENTENCES, trial_name


class History:
    """A recorder that collects a group's curves in long form: `trial step name value`."""

    def __init__(self, log_every: int) -> None:
        self.log_every = log_every
        self._columns: list[tuple[np.ndarray, np.ndarray, str, np.ndarray]] = []

    def steps(self, trials: Sequence[int], start: int, records: StepRecords) -> None:
        """The loss of every step; learning rate and gradient norms of every `log_every`-th."""
        steps = np.arange(start, start + records.loss.shape[1])
        logged = steps % self.log_every == 0
        self._add(trials, steps, "loss", records.loss)
        self._add(trials, steps[logged], "learning_rate", records.learning_rate[:, logged])
        for index, name in enumerate(records.norm_names):
            self._add(trials, steps[logged], f"grad_norm/{name}", records.norms[:, logged, index])

    def evaluation(
        self, trials: Sequence[int], step: int, metrics: Sequence[dict[str, float]]
    ) -> None:
        """Metrics of the dev set, and of held-out examples, after `step` updates."""
        for name in metrics[0]:
            values = np.array([[scores[name]] for scores in metrics])
            self._add(trials, np.array([step]), curve_of(name), values)

    def further(self, trial: int, step: int, scores: Mapping[str, float]) -> None:
        """Scores of further sets, as NAME/METRIC, after a trial's last step."""
        for name, score in scores.items():
            self._add([trial], np.array([step]), name, np.array([score]))

    def _add(self, trials: Sequence[int], steps: np.ndarray, name: str, values: np.ndarray) -> None:
        numbers = np.repeat(trials, len(steps))
        self._columns.append((numbers, np.tile(steps, len(trials)), name, values.reshape(-1)))

    def write(self, folder: Path) -> None:
        """One Parquet file per trial, complete or absent, such as 00007.parquet."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        trial, step, name, value = zip(*self._columns, strict=True)
        # First seen first: loss, learning rate, norms, dev metrics.
        kinds = [*dict.fromkeys(name)]
        codes = np.repeat([kinds.index(each) for each in name], [len(part) for part in trial])
        trials, steps = np.concatenate(trial), np.concatenate(step)
        # However a run was cut into dispatches, and wherever resumed, the file is the same.
        order = np.lexsort((steps, codes, trials))
        trials = trials[order]
        names = pa.DictionaryArray.from_arrays(pa.array(codes[order], pa.int32()), kinds)
        table = pa.table(
            {
                "trial": pa.array(trials, pa.int32()),
                "step": pa.array(steps[order], pa.int32()),
                "name": names,
                "value": pa.array(np.concatenate(value)[order], pa.float32()),
            }
        )
        for number in np.unique(trials).tolist():
            own = table.filter(pa.array(trials == number))
            replace_file(folder / f"{trial_name(number)}.parquet", partial(pq.write_table, own))


def write_predictions(
    out: Path,
    trial: int,
    logits: np.ndarray,
    answers: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> None:
    """float32 logits `[example, label]` of the final step, or `[word, label]` where words have
    labels: of the dev set, and, in a folder each, of further sets by name.
    """
    for name, array in {"": logits, **answers}.items():
        file = out / PREDICTIONS / name / f"{trial_name(trial)}.npy"
        _write_array(file, array.astype(np.float32))


def write_labels(
    out: Path,
    classes: Sequence[str] | None,
    labels: np.ndarray,
    sentences: np.ndarray | None = None,
) -> None:
    """What the logits are scored against: the classes in their columns' order (None: they are
    numbers), and the dev labels, int32 indices of classes or float32 numbers `[example]`, or int32
    `[example, label]` of 0 and 1 where a text may have any number of them. Where words have labels
    they are `[word]`, beside how many words each sentence has.
    """
    write_json(out / CLASSES, classes if classes is None else list(classes))
    _write_array(out / LABELS, labels)
    if sentences is not None:
        _write_array(out / SENTENCES, sentences)


def write_asked(out: Path, name: str, ids: Sequence[str], labels: np.ndarray | None) -> None:
    """What tells the examples of a further set apart, and their labels where it has any."""
    write_json(out / PREDICTIONS / name / IDS, list(ids))
    if labels is not None:
        _write_array(out / PREDICTIONS / name / Path(LABELS).name, labels)


def _write_array(path: Path, array: np.ndarray) -> None:
    data = io.BytesIO()
    np.save(data, array)
    replace_file(path, lambda part: part.write_bytes(data.getvalue()))
