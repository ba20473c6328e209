"""What a sweep is called at a tracker."""

from pathlib import Path


def project_of(out: Path) -> str:
    """The folder's name, in letters that every tracker takes."""
    name = out.resolve().name
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in name) or "jaxtune"
