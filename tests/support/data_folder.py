"""Where real data lies: GLUE, tokenizers and text."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("JAXTUNE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
NEEDS_DATA = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no GLUE data at {DATA} (JAXTUNE_TEST_DATA)"
)
