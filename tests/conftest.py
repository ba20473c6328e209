"""What every test starts from: four CPU devices, strict dtypes, exact matrix products, one cache of
compiled programs, one rung, one tiny model.
"""

import functools
import gc
import os
import platform
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path

import hypothesis
import pytest

LIBRARIES = ("jax", "jaxlib", "flax")
ALL_RUNGS = 8
DAYS_KEPT = 30
# A process may have 65,530 mapped regions on Linux as it comes; beyond them XLA aborts it.
MOST_MAPPINGS = 35_000
PROGRAMS_KEPT = 100


def compile_cache() -> Path:
    """The user's own folder of programs that these versions compiled, kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    versions = [f"python{platform.python_version()}", *(f"{n}{version(n)}" for n in LIBRARIES)]
    folder = Path(base) / "jaxtune-tests" / "-".join(versions)
    # Whoever writes here runs code as the reader.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


# By the environment, before jax is imported, so that the processes that tests start have it too.
# Of the hundreds of programs a test compiles most take milliseconds: they are kept as well.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(compile_cache()))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ["HF_HUB_OFFLINE"] = "1"

# Tracing makes objects by the million, beside those of torch and transformers, which stay: looking
# after every 700 new ones, the default, took Python's collector an eighth of the tests' CPU time.
gc.set_threshold(100_000, 50, 1000)

import jax  # noqa: E402

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_default_matmul_precision", "highest")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# A failure must be the same failure tomorrow, so examples are drawn from the test's own name.
hypothesis.settings.register_profile("few", max_examples=25, deadline=None, derandomize=True)
hypothesis.settings.register_profile("many", max_examples=500, deadline=None, derandomize=True)
hypothesis.settings.load_profile("few")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Old programs go; the code or the libraries that they are of have changed."""
    if hasattr(session.config, "workerinput"):
        return
    oldest = time.time() - DAYS_KEPT * 24 * 3600
    for file in compile_cache().parent.glob("*/*"):
        if file.stat().st_mtime < oldest:
            file.unlink(missing_ok=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of whole sweeps first, for a file is one worker's: at the end none should have a long
    one left while others wait. Needs `--no-loadscope-reorder`.
    """
    items.sort(key=lambda item: "sweep" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def one_rung():
    """One row count a task: each rung compiles the training step again, and few tests are about
    rungs.
    """
    from jaxtune.data import packing  # not before jaxtyping's hook is there

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "MOST_RUNGS", 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def recent_programs():
    """Many kept, for a program that one test traced the next ones want too; gives what keeps them
    for users.
    """
    from jaxtune.training import program

    few = program._made
    many = functools.lru_cache(PROGRAMS_KEPT)(few.__wrapped__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "_made", many)
        yield few


@pytest.fixture(scope="module", autouse=True)
def few_mappings(recent_programs):
    """Every compiled program is several mapped regions of the process, which runs thousands."""
    yield
    mappings = Path("/proc/self/maps")
    if mappings.exists() and mappings.read_bytes().count(b"\n") > MOST_MAPPINGS:
        sys.modules["jaxtune.training.program"]._made.cache_clear()
        jax.clear_caches()


@pytest.fixture
def heeds_sigint():
    """SIGINT as a prompt has it: a process in the background was started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# Of a class, although there is none: hypothesis refuses fixtures of a function.
@pytest.fixture(scope="class")
def all_rungs():
    """The ladder of row counts as users have it, for tests that are about it."""
    from jaxtune.data import packing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "MOST_RUNGS", ALL_RUNGS)
        yield


@pytest.fixture
def undrawn():
    """A report's pictures are made and not written as SVG, which takes most of its time, for tests
    that look at tables and words alone.
    """
    from jaxtune.report import contents, task_contents

    def made_alone(name, make, *args, **kwargs):
        make(*args, **kwargs)
        return '<svg viewBox="0 0 400 200"></svg>'

    with pytest.MonkeyPatch.context() as patch:
        for module in (contents, task_contents):
            patch.setattr(module, "to_svg", made_alone)
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> str:
    """A tiny model's folder (tests/support/tiny.py), for all tests that only read it."""
    from tiny import write_tiny_model

    return str(write_tiny_model(tmp_path_factory.mktemp("tiny") / "model"))


@pytest.fixture(scope="session")
def swept(tiny, tmp_path_factory) -> Path:
    """A finished sweep of two arms and three seeds with every kind of output, for all tests that
    only read it.
    """
    from small_sweep import EVERYTHING, command

    from jaxtune.sweep.__main__ import main

    out = tmp_path_factory.mktemp("sweep") / "out"
    assert main(command(tiny, out, *EVERYTHING)) == 0
    return out


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real GLUE data, tokenizers and text; tests that need it are skipped where it is
    absent.
    """
    from data_folder import DATA

    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set JAXTUNE_TEST_DATA")
    return DATA
