"""What tells the texts of a file apart: its own ids, or numbers where these would not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxtune.core.words import plural

# What a column that tells examples apart is called; the first of these that a file has.
ID_COLUMNS = ("id", "idx", "index")


class Ids(NamedTuple):
    """One for each text, and a sentence where they are not the file's."""

    of_texts: tuple[str, ...]
    notes: tuple[str, ...] = ()


def ids_of(source: str, names: Sequence[str | None]) -> Ids:
    """The names that texts have, or numbers from 0 on where some have none or two the same."""
    given = [name for name in names if name is not None]
    name, count = Counter(given).most_common(1)[0] if given else ("", 0)
    if count == 1 and len(given) == len(names):
        return Ids(tuple(given))
    why = f"Only {len(given):,} of {plural(len(names), 'text')} of {source} have an id"
    if len(given) == len(names):
        why = f"{source} has the id {name!r} {count:,} times"
    notes = (f"{why}: its texts are numbered from 0 on instead.",) if given else ()
    return Ids(tuple(map(str, range(len(names)))), notes)


def names_in(rows: Sequence[Mapping[str, str]]) -> list[str | None]:
    """Row by row the id, of the column that most of them have."""
    column = max(ID_COLUMNS, key=lambda name: sum(name in row for row in rows))
    return [row.get(column) for row in rows]
