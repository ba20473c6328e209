"""What an installed jaxtune holds: a wheel is built, unpacked, and run from another folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy: building leaves files beside what it builds
    shutil.copytree(ROOT / "jaxtune", source / "jaxtune")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
    ]
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_every_file_that_is_no_module_is_in_the_wheel(installed):
    for file in (ROOT / "jaxtune").rglob("*.*"):
        if "__pycache__" not in file.parts:
            assert (installed / file.relative_to(ROOT)).is_file(), file


def test_the_console_script_runs_a_recipe(installed, tmp_path):
    (entries,) = installed.glob("*.dist-info/entry_points.txt")
    assert "jaxtune = jaxtune.__main__:main" in entries.read_text()
    code = (
        "import sys, jaxtune\n"
        f"assert jaxtune.__file__.startswith({str(installed)!r}), jaxtune.__file__\n"
        "from jaxtune.config.parse import parse\n"
        "assert parse([]).base.model == 'miniature'\n"
        "assert parse('--recipe mosbach --model m --task rte'.split()).base.num_epochs == 20\n"
        "from jaxtune.__main__ import main\n"
        "sys.exit(main(['sweep', '--help']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        **{"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(installed)}},
        **{"capture_output": True, "text": True, "check": False},
    )
    assert done.returncode == 0, done.stderr
    for recipe in (ROOT / "jaxtune/config/recipes").glob("*.yaml"):
        assert f"\n  {recipe.stem} " in done.stdout or f"\n  {recipe.stem}\n" in done.stdout
