"""What of a text nobody sees, beside its spaces."""

import re
import unicodedata
from collections.abc import Iterable

# What is drawn as nothing: control characters, joiners, marks of direction and of byte order,
# fillers, variation selectors. Not the tags of flags, which tell one flag from another.
UNSEEN = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
)
_ENDS = re.compile(rf"\A[\s{UNSEEN}]+|[\s{UNSEEN}]+\Z")


def bare(text: str) -> str:
    """A text without the spaces at its ends, and without those that nobody sees."""
    return _ENDS.sub("", text)


def drawn_alike(text: str, others: Iterable[str]) -> str:
    """What to say of one of the others that looks as the text does and is of other code points: an
    accented letter may be one, or a letter and its accent. Empty where there is none.
    """
    normal = unicodedata.normalize("NFC", text)
    for other in others:
        if other != text and unicodedata.normalize("NFC", other) == normal:
            return (
                f"it looks as {other!r} does, and is of other Unicode code points (NFC and NFD);"
                " write both in one form"
            )
    return ""
