"""JAX is set up for a command, and what the user set stays; each case in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jaxtune.core.devices import (
    SHARE_VARIABLE,
    _keep_compiled_programs,
    is_out_of_memory,
    make_reproducible,
    num_cores,
    settings_given_back,
)


def set_up(code: str, **environment: str) -> str:
    """What `code` prints after `backend.set_up`."""
    script = f"import jax\nfrom jaxtune.core import devices\ndevices.set_up()\n{code}"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XLA_"))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_one_cpu_device_per_core(tmp_path):
    count = set_up("print(len(jax.devices()))", XDG_CACHE_HOME=str(tmp_path))
    assert int(count) == num_cores()


def test_the_users_device_count_stays(tmp_path):
    environment = {"XDG_CACHE_HOME": str(tmp_path), "JAX_NUM_CPU_DEVICES": "3"}
    assert set_up("print(len(jax.devices()))", **environment) == "3"


def test_the_compile_cache_is_the_users_own(tmp_path):
    code = "print(jax.config.jax_compilation_cache_dir)"
    assert set_up(code, XDG_CACHE_HOME=str(tmp_path)) == str(tmp_path / "jaxtune")
    assert (tmp_path / "jaxtune").stat().st_mode & 0o077 == 0


def test_a_cache_the_user_chose_stays(tmp_path):
    chosen = str(tmp_path / "chosen")
    environment = {"XDG_CACHE_HOME": str(tmp_path), "JAX_COMPILATION_CACHE_DIR": chosen}
    assert set_up("print(jax.config.jax_compilation_cache_dir)", **environment) == chosen
    assert not (tmp_path / "jaxtune").exists()


def test_the_environment_changes_no_numbers(tmp_path):
    """Each of these made other trials of the same seeds."""
    code = (
        "import jax.numpy as jnp; key = jax.random.fold_in(jax.random.key(1), 2);"
        "print(jax.random.normal(key, 2), jnp.asarray(1.0).dtype)"
    )
    others = {
        "JAX_THREEFRY_PARTITIONABLE": "0",
        "JAX_ENABLE_X64": "1",
        "JAX_DEFAULT_PRNG_IMPL": "rbg",
    }
    plain = set_up(code, XDG_CACHE_HOME=str(tmp_path))
    assert plain.endswith("float32")
    assert set_up(code, XDG_CACHE_HOME=str(tmp_path), **others) == plain


def test_what_decides_numbers_is_given_back():
    jax.config.update("jax_enable_x64", True)
    try:
        with settings_given_back():
            make_reproducible()
            assert jnp.asarray(1.0).dtype == jnp.float32
        assert jnp.asarray(1.0).dtype == jnp.float64
    finally:
        jax.config.update("jax_enable_x64", False)


@pytest.mark.parametrize(
    ("environment", "shares"),
    [
        ({}, "0.95 None"),
        ({"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5"}, "0.5 None"),
        ({"XLA_CLIENT_MEM_FRACTION": "0.5"}, "None 0.5"),  # both together are an error to JAX
        ({"XLA_PYTHON_CLIENT_ALLOCATOR": "platform"}, "None None"),
    ],
)
@pytest.mark.slow
def test_jax_has_most_of_a_gpu_unless_the_user_has_decided(environment, shares, tmp_path):
    names = ("XLA_PYTHON_CLIENT_MEM_FRACTION", "XLA_CLIENT_MEM_FRACTION")
    code = f"import os; print(*(os.environ.get(name) for name in {names}))"
    assert set_up(code, XDG_CACHE_HOME=str(tmp_path), **environment) == shares


@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
@pytest.mark.slow
def test_a_platform_that_is_not_there_is_one_sentence(platform, tmp_path):
    """Of JAX it is an AssertionError without a word."""
    code = (
        "from jaxtune.core import devices\nfrom jaxtune.core.errors import UserError\n"
        "try:\n    devices.set_up()\nexcept UserError as error:\n    print(error)"
    )
    environment = {"JAX_PLATFORMS": platform, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=dict(os.environ) | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout
    assert said.startswith(f"JAX_PLATFORMS is '{platform}', and JAX finds no such device here")
    assert said.endswith("; unset it for the devices that are here.\n")


def test_without_a_home_no_program_is_kept(monkeypatch, capsys):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    before = jax.config.jax_compilation_cache_dir
    _keep_compiled_programs()
    assert jax.config.jax_compilation_cache_dir == before
    assert "set XDG_CACHE_HOME to a folder" in capsys.readouterr().out


def test_the_share_of_a_gpu_is_given_back(monkeypatch):
    monkeypatch.delenv(SHARE_VARIABLE, raising=False)
    with settings_given_back():
        os.environ[SHARE_VARIABLE] = "0.95"
    assert SHARE_VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"), True),
        (jax.errors.JaxRuntimeError("INTERNAL: RPC failed"), False),
        (ValueError("RESOURCE_EXHAUSTED"), False),
    ],
)
def test_out_of_memory_is_told_from_other_errors(error, memory):
    assert is_out_of_memory(error) == memory
