"""Counts of things and times in words: the one way in which every text says how many and long."""

from __future__ import annotations

import math
from collections.abc import Iterable


def plural(count: int, one: str, many: str | None = None) -> str:
    """The word for so many things; by default with an s for all but one.

    Examples
    --------
    >>> plural(1, "image"), plural(2, "image"), plural(0, "class", "classes")
    ('image', 'images', 'classes')
    """
    return one if count == 1 else many or f"{one}s"


def counted(count: int, one: str, many: str | None = None) -> str:
    """So many things.

    Examples
    --------
    >>> counted(1, "image"), counted(1200, "image"), counted(2, "class", "classes")
    ('1 image', '1200 images', '2 classes')
    """
    return f"{count} {plural(count, one, many)}"


def lasting(seconds: float) -> str:
    """A time as people say it.

    Examples
    --------
    >>> lasting(3.2), lasting(130), lasting(9000)
    ('4 s', '3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{math.ceil(seconds):.0f} s"
    if seconds < 6000:
        return f"{math.ceil(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def listed(names: Iterable[str]) -> str:
    """Names as a list in a sentence.

    Examples
    --------
    >>> listed(["1", "2", "3"]), listed(["1"])
    ('1, 2 and 3', '1')
    """
    every = list(names)
    return " and ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))
