"""The tables of the guide put into its pages, where those of the same head stand."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TABLE = re.compile(r"((?:^\|.*\n)+)", re.MULTILINE)


def filled(page: str, tables: Iterable[str]) -> str:
    """The page with each of these tables in place of the one that has its head.

    Of several with the same head the first comes first.

    Raises
    ------
    ValueError
        The page has no such table left; the message ends with the head that it wants.
    """
    parts = _TABLE.split(page)
    left = list(range(1, len(parts), 2))
    for table in tables:
        head = _head(table)
        place = next((at for at in left if _head(parts[at]) == head), None)
        if place is None:
            raise ValueError(f"the page has no table, or none left, with the head\n{head}")
        left.remove(place)
        parts[place] = table
    return "".join(parts)


def _head(table: str) -> str:
    return table.partition("\n")[0]
