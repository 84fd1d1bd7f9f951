"""What all pictures share: their look, a header, panels below it, and how they are written.

A picture is laid out in inches from its top left corner, and mostly 3.5 inches wide, so that in
one column of a paper its text keeps its size. Colours are Okabe and Ito's, distinguishable with
every common colour blindness; several series also differ by marker and hatch.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from ..errors import UsageError
from ..storage.output_file import check_free
from .text import one_line

FORMATS = (".png", ".svg", ".pdf")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
MOST = len(COLOURS)  # series in one picture
RED, GREY = "#A03000", "#444444"
WIDTH = 3.5
EDGE = 0.105  # left of what stands in a header
HEADING, TEXT, SMALL, NOTE = 9.0, 7.5, 6.5, 6.0
LARGE, LARGEST = 9.0, 11.0  # of why there is no finding
# Letters that a line of `WIDTH` takes, by size of the text.
_LETTERS = {NOTE: 76, SMALL: 64, LARGE: 46, LARGEST: 38}
_NEXT = 0.12  # inches from one line of these to the next
DPI = 300
_SHOWN_DPI, _SHOWN_SCALE = 240, 2  # pixels that a notebook gets, and how many it puts in one


@dataclass(frozen=True)
class Line:
    """A line of text in a picture, or with none a gap."""

    text: str
    size: float = SMALL
    bold: bool = False
    colour: str = "#222222"

    @property
    def height(self) -> float:
        """In inches."""
        return self.size / 72 * 1.3


GAP = Line("", 4.0)


def wrapped(
    text: str, size: float = SMALL, *, bold: bool = False, colour: str = "#222222"
) -> list[Line]:
    """A sentence as the lines that it takes."""
    letters = _LETTERS[size] - (4 if bold else 0)
    return [Line(part, size, bold, colour) for part in textwrap.wrap(one_line(text), letters)]


def reason_lines(reason: str | None) -> list[Line]:
    """The sentence on why there is no finding, in large letters; nothing for None."""
    return [] if reason is None else [*wrapped(reason, LARGE, bold=True, colour=RED), GAP]


def note_lines(notes: Sequence[str]) -> list[Line]:
    """What to bear in mind, in small letters."""
    return [line for note in notes for line in wrapped(note, NOTE, colour=RED)]


def _height(lines: Sequence[Line]) -> float:
    return sum(line.height for line in lines)


class Picture(Figure):
    """A figure that notebooks show by themselves, without pyplot and its global state.

    Places and sizes are in inches, from the top left corner.
    """

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height))
        FigureCanvasAgg(self)
        self.width, self.height = width, height

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        target = io.BytesIO()
        self.savefig(target, format="png", dpi=_SHOWN_DPI)
        size = self.get_size_inches() * _SHOWN_DPI / _SHOWN_SCALE
        return target.getvalue(), {"width": round(size[0]), "height": round(size[1])}

    def put(self, left: float, top: float, text: str, size: float = SMALL, **look: Any) -> None:
        """Text whose first letter stands at a place; nothing in it is mathematics."""
        across, up = left / self.width, 1 - top / self.height
        self.text(across, up, text, fontsize=size, parse_math=False, **look)

    def put_lines(self, top: float, lines: Sequence[Line]) -> None:
        """Lines from a height downwards."""
        for line in lines:
            top += line.height
            weight = "bold" if line.bold else "normal"
            self.put(EDGE, top, line.text, line.size, fontweight=weight, color=line.colour)

    def panel(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes within a box, in the look of all panels."""
        bottom = self.height - top - height
        axes = self.add_axes(
            (left / self.width, bottom / self.height, width / self.width, height / self.height)
        )
        style(axes)
        return axes


@dataclass(frozen=True)
class Header:
    """What stands above the panels of a picture: what it shows, and how that was measured.

    What it says of the measurement breaks where a picture of this `width` ends. `entries` are a
    line for each series, beside its colour. The lines `above` say why it shows no finding, before
    all else; those `below` what it says and what to bear in mind, last.
    """

    heading: str
    about: str
    entries: Sequence[str] = ()
    above: Sequence[Line] = ()
    below: Sequence[Line] = ()
    width: float = WIDTH

    @property
    def _about(self) -> list[str]:
        letters = int(_LETTERS[SMALL] * self.width / WIDTH)
        return textwrap.wrap(one_line(self.about), letters) or [""]

    @property
    def height(self) -> float:
        """In inches, with the room for a panel's title."""
        further = 0.16 + 0.14 * len(self.entries) if self.entries else 0.0
        said = 0.05 + _height(self.below) if self.below else 0.0
        return _height(self.above) + 0.56 + _NEXT * (len(self._about) - 1) + further + said

    def draw(self, drawn: Picture) -> None:
        """Write it at the top of a picture."""
        top = _height(self.above)
        drawn.put_lines(0.03, self.above)
        drawn.put(EDGE, top + 0.18, one_line(self.heading), HEADING, fontweight="bold")
        for number, text in enumerate(self._about):
            drawn.put(EDGE, top + 0.33 + _NEXT * number, text, color=GREY)
        top += 0.49 + _NEXT * (len(self._about) - 1)
        for number, text in enumerate(self.entries):
            drawn.put(EDGE, top, "■", color=COLOURS[number])
            drawn.put(EDGE + 0.12, top, one_line(text))
            top += 0.14
        drawn.put_lines(top - 0.1, self.below)


@dataclass(frozen=True)
class Panel:
    """One of the panels of a column: its height, the room around it, and who draws it."""

    height: float
    below: float
    draw: Callable[[Axes], None]
    above: float = 0.0


def column(
    header: Header, panels: Sequence[Panel], *, left: float = 0.595, width: float = 2.8
) -> Picture:
    """A picture of panels one below the other, `width` inches wide."""
    top = header.height
    drawn = Picture(WIDTH, top + sum(p.above + p.height + p.below for p in panels))
    header.draw(drawn)
    for panel in panels:
        panel.draw(drawn.panel(left, top + panel.above, width, panel.height))
        top += panel.above + panel.height + panel.below
    return drawn


def style(axes: Axes) -> None:
    """The look of every panel."""
    axes.tick_params(which="both", labelsize=SMALL, length=2, pad=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for spine in axes.spines.values():
        spine.set_linewidth(0.6)


def title(axes: Axes, text: str, across: str = "", up: str = "") -> None:
    """Title of a panel and its axes."""
    axes.set_title(text, fontsize=TEXT, loc="left", pad=3, fontweight="bold")
    axes.set_xlabel(across, fontsize=SMALL, labelpad=1.5)
    axes.set_ylabel(up, fontsize=SMALL, labelpad=2)


def colour_scale(drawn: Picture, shown: Any, axes: Axes, label: str, **look: Any) -> None:
    """The scale of colours of a map, within axes of its own."""
    drawn.colorbar(shown, cax=axes, **look).outline.set_linewidth(0.4)
    axes.tick_params(labelsize=SMALL, length=2, pad=2)
    axes.set_xlabel(label, fontsize=SMALL, labelpad=1 if look else 12)


def check_count(count: int, what: str = "reports") -> None:
    """Refuse more series than there are colours.

    Raises
    ------
    UsageError
    """
    if not 1 <= count <= MOST:
        raise UsageError(f"a picture takes 1 to {MOST} {what}, not {count}")


def check_picture(target: Path, *, overwrite: bool) -> None:
    """Refuse a name that no picture can be written under.

    Raises
    ------
    UsageError
        Another ending than .png, .svg or .pdf.
    ReportError
        The file exists and `overwrite` is not set.
    """
    if target.suffix.lower() not in FORMATS:
        raise UsageError(f"{target}: a picture's name ends in {', '.join(FORMATS)}")
    check_free(target, overwrite=overwrite)


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
        x, y = axes.transData.inverted().transform(points[row] + side if aligned else box.p0)
        text.set_position((float(x), float(y)))
