"""Four CPU devices, strict dtypes and ranks, exact matrix products: set before JAX starts."""

import os
from pathlib import Path

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_default_matmul_precision", "highest")
jax.config.update("jax_numpy_dtype_promotion", "strict")
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real GLUE data, tokenizers and text; tests that need it are skipped where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("JAXTUNE_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set JAXTUNE_TEST_DATA")
    return folder
