"""Names of arms on lines of so many characters, nothing of them left out."""

import re

# Where a line may end, the best place first; `0.95` and `2e-05` stay whole.
_PLACES = (r"(?<= )", r"(?<=,)", r"(?<=[=/:_])|(?<=\.)(?=[^\W\d])")


def fold(name: str, width: int) -> list[str]:
    """Its lines: broken at spaces, where that is not enough after a sign, else within a word."""
    lines = [line.strip() for line in _folded(name, width, _PLACES)]
    return [line for line in lines if line] or [""]


def _folded(name: str, width: int, places: tuple[str, ...]) -> list[str]:
    if len(name.rstrip()) <= width:
        return [name]
    if not places:
        return [name[start : start + width] for start in range(0, len(name), width)]
    lines = [""]
    for part in re.split(places[0], name):
        if len((lines[-1] + part).rstrip()) <= width:
            lines[-1] += part
        else:
            lines += _folded(part, width, places[1:])
    return lines
