"""The packaged recipes: published ways to fine-tune, by name (`--recipe mosbach`)."""

from pathlib import Path

from jaxtune.core.errors import UsageError
from jaxtune.core.fields import suggestion
from jaxtune.core.help import beside

FOLDER = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Every recipe, in alphabetical order."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def recipe_file(name: str) -> Path:
    """The recipe's YAML file; raises UsageError for an unknown name."""
    if name not in recipe_names():
        raise UsageError(f"{name} is no recipe; {suggestion(name, recipe_names())}")
    return FOLDER / f"{name}.yaml"


def recipe_table() -> str:
    """Every recipe with its purpose, the first comment of its file, for `--help`."""
    lines = ["", "", "Recipes"]
    for name in recipe_names():
        comment = recipe_file(name).read_text(encoding="utf-8").splitlines()[0]
        lines.append(beside(name, comment.removeprefix("# ")))
    return "\n".join(lines)
