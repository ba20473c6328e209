"""What the tests of trackers share: a sweep to send, and nobody's settings of trackers."""

import os
import shutil
from unittest.mock import patch

import pytest

PREFIXES = ("WANDB_", "MLFLOW_", "TRACKIO_")


@pytest.fixture
def out(swept, tmp_path):
    """A finished sweep of six trials; what trackers set in the environment is taken back."""
    with patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith(PREFIXES)]:
            del os.environ[name]
        yield shutil.copytree(swept, tmp_path / "sweep")


@pytest.fixture
def keep_rows(out):
    """Makes OUT as if only so many trials had finished, and gives back the whole text."""

    def keep(count):
        text = (out / "trials.jsonl").read_text()
        (out / "trials.jsonl").write_text("".join(text.splitlines(keepends=True)[:count]))
        return text

    return keep
