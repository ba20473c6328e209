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
# What to do about a name that `is_drawn_alike` finds.
OTHER_CODE_POINTS = (
    "the two look alike and are of other Unicode code points (NFC and NFD): write both in one form"
)
_ENDS = re.compile(rf"\A[\s{UNSEEN}]+|[\s{UNSEEN}]+\Z")


def bare(text: str) -> str:
    """A text without the spaces at its ends, and without those that nobody sees."""
    return _ENDS.sub("", text)


def is_drawn_alike(text: str, others: Iterable[str]) -> bool:
    """Whether one of the others looks as the text does, and is of other code points: an accented
    letter may be one, or a letter and its accent.
    """
    normal = unicodedata.normalize("NFC", text)
    return any(o != text and unicodedata.normalize("NFC", o) == normal for o in others)
