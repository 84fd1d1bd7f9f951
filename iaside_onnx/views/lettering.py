"""How much room names take in a picture, and names made to fit their room."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from .figure import SMALL, inches_of, is_alone, make_room, scale_of
from .text import told_apart

_LEAST_LETTERS = 9
# Letters on whole pixels take more room than their outlines.
_HINTED = 1.05
# Of the width of axes: what names beside them may take.
_SHARE = 0.4


@lru_cache(maxsize=4096)
def width_of(text: str, size: float = SMALL) -> float:
    """Inches that a text of a size takes."""
    width, _, _ = TextToPath().get_text_width_height_descent(
        text, FontProperties(size=size), ismath=False
    )
    return float(width) * _HINTED / 72


def fitted(names: Sequence[str], inches: float, size: float = SMALL) -> list[str]:
    """Names no wider than so many inches, cut in their middles so that those that differ still do.

    What is left is never less than a few letters, however little room there is.
    """
    letters = max([_LEAST_LETTERS, *map(len, names)])
    while True:
        shown = told_apart(names, letters)
        widest = max((width_of(name, size) for name in shown), default=0.0)
        if widest <= inches or letters <= _LEAST_LETTERS:
            return shown
        letters = max(_LEAST_LETTERS, min(letters - 1, int(letters * inches / widest) + 1))


def room_for(names: Sequence[str], most: float, size: float = SMALL) -> tuple[list[str], float]:
    """Names as they fit at most so many inches, and the inches that they then take."""
    shown = fitted(names, most, size)
    return shown, max((width_of(name, size) for name in shown), default=0.0)


def beside(
    axes: Axes, names: Sequence[str], size: float | None = None, further: float = 0.0
) -> list[str]:
    """Names as they fit left of axes, which give way to them where nothing lays the figure out.

    So many `further` inches are kept free for what follows each name.
    """
    size = SMALL * scale_of(axes) if size is None else size
    across = axes.get_position().width * inches_of(axes)[0]
    if not is_alone(axes):
        return list(names)
    shown, wide = room_for(names, _SHARE * across - further, size)
    make_room(axes, left=wide + further + 0.1)
    return shown
