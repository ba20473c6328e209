"""The order of the layers: a module imports only from its own folder and from lower floors; stats
and report do without JAX.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import jaxtune

PACKAGE = Path(jaxtune.__file__).parent
# Low to high; folders on one floor do not import each other.
FLOORS = [
    *(["core"], ["config"], ["data"], ["models"], ["training"], ["storage"], ["stats"]),
    *(["sweep", "pretrain"], ["report", "export", "merge"], ["predict", "track"], ["study"]),
]
HEIGHT = {folder: height for height, floor in enumerate(FLOORS) for folder in floor}
TOP = len(FLOORS)  # the modules at the root, which no folder imports


def imported(source: str, package: list[str]) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a module imports, wherever and however it does.

    Args:
        package: of the module, such as `["jaxtune", "sweep"]`, for relative imports.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            # `from jaxtune import sweep` names a folder by its alias alone.
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).split(".")[-1]
            if called in ("import_module", "__import__"):
                yield node.lineno, beginning(node.args[0])


def beginning(name: ast.expr) -> str:
    """What is certain of a module's name, of an f-string the part before the first brace."""
    if isinstance(name, ast.JoinedStr):
        name = name.values[0]
    assert isinstance(name, ast.Constant), ast.unparse(name)
    return str(name.value)


def height(parts: tuple[str, ...]) -> int:
    """The floor of a module, by the parts of its name below `jaxtune`."""
    return HEIGHT[parts[0]] if parts and parts[0] in HEIGHT else TOP


def upward(source: str, parts: tuple[str, ...]) -> list[str]:
    """The imports of a module that go up, or sideways, or to the root."""
    found = []
    for line, name in imported(source, ["jaxtune", *parts[:-1]]):
        package, *target = name.split(".")
        own = height(parts) == TOP or target[:1] == [parts[0]]
        if package == "jaxtune" and not own and height(tuple(target)) >= height(parts):
            found.append(f"{'/'.join(parts)}:{line} imports {name}")
    return found


def modules() -> list[tuple[str, ...]]:
    return [file.relative_to(PACKAGE).parts for file in sorted(PACKAGE.rglob("*.py"))]


def test_every_folder_has_a_floor():
    folders = {parts[0] for parts in modules() if len(parts) > 1}
    assert folders == HEIGHT.keys()


def test_imports_go_down_only():
    read = {parts: PACKAGE.joinpath(*parts).read_text(encoding="utf-8") for parts in modules()}
    assert [fault for parts, source in read.items() for fault in upward(source, parts)] == []


@pytest.mark.parametrize(
    ("statement", "goes_up"),
    [
        ("from jaxtune.core.files import digest", False),
        ("from jaxtune.training.plan import make_plans", False),
        ("from . import plan", False),
        ("import numpy", False),
        ("def late():\n    from jaxtune.storage import results", True),
        ("import jaxtune.sweep.run as run", True),
        ("from jaxtune import sweep", True),
        ("from jaxtune import core", False),
        ("from ..storage.results import load", True),
        ("import jaxtune", True),
        ("from jaxtune import load_results", True),
        ("importlib.import_module(f'jaxtune.study.figures.{name}')", True),
        ("import_module('jaxtune.core.files')", False),
    ],
)
def test_upward_imports_are_seen(statement, goes_up):
    """In a module of training/."""
    assert bool(upward(statement, ("training", "step.py"))) == goes_up


def test_the_root_imports_anything_and_folders_of_one_floor_not_each_other():
    for statement in ("from jaxtune.study import context", "from jaxtune import api"):
        assert upward(statement, ("__init__.py",)) == []
    assert upward("from jaxtune import api", ("study", "context.py"))
    assert upward("from jaxtune.export import card", ("report", "page.py"))
    assert upward("from jaxtune.pretrain import masked_lm", ("sweep", "run.py"))


def test_stats_and_report_leave_jax_unloaded():
    names = [
        ".".join(["jaxtune", *parts]).removesuffix(".py")
        for parts in modules()
        if parts[0] in ("stats", "report")
    ]
    assert len(names) > 20
    code = f"import sys\nfor name in {names}: __import__(name)\nassert 'jax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_ray_is_known_to_the_cluster_alone_and_a_sweep_without_one_leaves_it_unloaded():
    for parts in modules():
        source = PACKAGE.joinpath(*parts).read_text(encoding="utf-8")
        named = {name.split(".")[0] for _, name in imported(source, ["jaxtune", *parts[:-1]])}
        assert "ray" not in named or parts[:2] == ("sweep", "cluster"), parts
    code = "import sys, jaxtune.sweep.run\nassert 'ray' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
