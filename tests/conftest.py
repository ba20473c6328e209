"""Four CPU devices, strict dtypes and exact matrix products, set before JAX starts.

Tests build the same programs again and again: a compile cache for the run, which no other run sees,
halves its time.
"""

import os
import tempfile
from pathlib import Path

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_default_matmul_precision", "highest")
jax.config.update("jax_numpy_dtype_promotion", "strict")
os.environ["HF_HUB_OFFLINE"] = "1"

_compile_cache = tempfile.TemporaryDirectory()
jax.config.update("jax_compilation_cache_dir", _compile_cache.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real GLUE data, tokenizers and text; tests that need it are skipped where it is
    absent.
    """
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("JAXTUNE_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set JAXTUNE_TEST_DATA")
    return folder
