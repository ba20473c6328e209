"""The settings of `jaxtune predict`."""

import dataclasses
from pathlib import Path
from typing import Literal


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """Labels and probabilities for new texts, by a folder that `jaxtune export` wrote or by the
    trials of a sweep that kept its parameters (`--save_params final`); or, with --glue, a
    submission to the GLUE benchmark of what sweeps with `--predict_test` have answered.
    """

    source: tuple[Path, ...] = dataclasses.field(metadata={"positional": "FOLDER_OR_OUT"})
    """A model's folder or a sweep's OUT; with --glue one OUT per task."""
    file: Path | None = None
    """Texts: a .csv, .tsv, .jsonl, .json or .parquet file with the columns that the sweep
    read, or, of token classification, words as the sweep read them.
    """
    trial: str = "ensemble"
    """Of a sweep: `best` (by the dev metric), a trial's number, or `ensemble` (those that did not
    fail, by the mean of their probabilities).
    """
    arm: str | None = None
    """Only the trials of this arm; an ensemble of a sweep with several arms needs it."""
    step: Literal["final", "best"] = "final"
    """Parameters after the last step, or of each trial's best evaluation."""
    out: Path | None = None
    """CSV file to write (default: beside the texts, as NAME_predictions.csv); it must not exist."""
    representations: bool = False
    """Instead of texts: how differently the trials that kept their final parameters represent the
    dev set (CKA, Procrustes), into OUT; its report has the table.
    """
    glue: Path | None = None
    """Zip file to write with what the benchmark takes, a file per task; it must not exist."""
    text_columns: tuple[str, ...] = ()
    """The text columns, as many as the sweep read (default: the sweep's, or, for a folder without a
    note of them, `text`, for words `tokens`).
    """
    delimiter: str | None = None
    """What parts the columns of a .csv or .tsv file, as in a sweep (default: the sweep's)."""
    quoting: bool | None = None
    """Whether quotes hold a cell together, as in a sweep (default: the sweep's)."""
    model: str | None = None
    """Where the sweep's model lies now, if it has been moved; checked by its sha256."""
