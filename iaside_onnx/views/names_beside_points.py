"""Names beside points of a picture, where they cover least."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

_NEAR = 11.0  # points from its mark, beyond which a line leads to a name


def lay_out(axes: Axes) -> None:
    """Let limits and a layout settle where points are, before names are put beside them."""
    axes.autoscale_view()  # else the transformation is still that of empty axes
    figure: Any = axes.figure.canvas.figure
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def put_names(
    axes: Axes,
    points: NDArray[np.float64],
    names: Mapping[int, str],
    marks: Iterable[Bbox],
    offsets: Callable[[int, float], Iterable[tuple[float, float]]],
    cost: Callable[[int, Bbox, list[Bbox]], float],
    *,
    aligned: bool,
    **look: Any,
) -> None:
    """Names beside points, shape (n, 2) in pixels, each where its cost is least; none at infinity.

    Parameters
    ----------
    names : mapping of int to str
        By row of the points.
    marks : iterable of Bbox
        What names shall not cover.
    offsets : callable
        Where the name of a row of a height may stand: pixels from its point, best first.
    cost : callable
        Of a row's name in a box, given the boxes that are taken.
    aligned : bool
        At other resolutions the side of a name towards its point stays, else its lower left corner.
    """
    taken = list(marks)
    figure_dots = axes.figure.dpi / 72
    for row, name in names.items():
        text = axes.text(0, 0, name, parse_math=False, **look)
        size = text.get_window_extent()
        least, side, box = math.inf, (1.0, 1.0), size
        for offset in offsets(row, size.height):
            corner = points[row] + offset - (1 - np.sign(offset)) / 2 * (size.width, size.height)
            tried = Bbox.from_bounds(corner[0], corner[1], size.width, size.height)
            if (costs := cost(row, tried, taken)) < least:
                least, side, box = costs, offset, tried
        if math.isinf(least):
            text.remove()
            continue
        taken.append(box)
        if aligned:
            text.set_horizontalalignment(("right", "center", "left")[int(np.sign(side[0])) + 1])
            text.set_verticalalignment(("top", "center", "bottom")[int(np.sign(side[1])) + 1])
        else:
            text.set_verticalalignment("bottom")
        if aligned and math.hypot(*side) > _NEAR * figure_dots:
            ends = axes.transData.inverted().transform([points[row], points[row] + side])
            axes.plot(*ends.T, color="#999999", linewidth=0.5, zorder=1)
        x, y = axes.transData.inverted().transform(points[row] + side if aligned else box.p0)
        text.set_position((float(x), float(y)))
