"""How much text of a model file is kept and shown: a file may carry any amount of it."""

from __future__ import annotations

from collections.abc import Mapping

# Of a name, of a text that is shown, of a value that is read, and how many of these.
LONGEST_NAME = 200
_LONGEST_TEXT = 1000
_LONGEST_VALUE = 1 << 20
_MOST_ENTRIES = 1000


def shortened(text: str, most: int = _LONGEST_TEXT) -> str:
    """A text as it may be shown or kept: a long one is cut, and says how long it was."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def bounded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata of which nothing is endless; lists of names, which are read, fit in a megabyte."""
    entries = list(metadata.items())[:_MOST_ENTRIES]
    return {shortened(key, LONGEST_NAME): shortened(text, _LONGEST_VALUE) for key, text in entries}
