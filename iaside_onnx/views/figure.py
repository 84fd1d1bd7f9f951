"""What all pictures share: their look, a header, panels below it, and how they are written.

A picture is laid out in inches from its top left corner, and mostly 3.5 inches wide, so that in
one column of a paper its text keeps its size; at a `scale` all of it is that much larger. In axes
of the user's own, sizes follow the font size that matplotlib is set to. Colours are Okabe and
Ito's, distinguishable with every common colour blindness; several series also differ by marker and
hatch.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation

from ..errors import UsageError
from ..storage.output_file import check_free, check_picture_ending
from .columns import in_columns
from .text import one_line

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")
FEW = 4  # series that bars and lines set side by side; more are rows of dots, ranked
MOST = 12  # series in one picture
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
# Of the text of a picture of our own, which is mostly `SMALL`, to that of matplotlib, which is 10.
_OWN_FONT = 7.2
_DEFAULT_FONT = 10.0
_LEAST_WIDTH = 5.0  # inches, from which on a panel alone has text of that size
_SCALE: ContextVar[float] = ContextVar("scale", default=1.0)
_SIZE: ContextVar[tuple[float, float] | None] = ContextVar("size", default=None)


@contextmanager
def scaled(scale: float, size: tuple[float, float] | None = None) -> Iterator[None]:
    """Pictures made within are so much larger than their layout says, in all parts alike.

    Where a `size` is given, panels stand in as many columns as make the most of it.
    """
    before = _SCALE.set(scale), _SIZE.set(size)
    try:
        yield
    finally:
        _SCALE.reset(before[0])
        _SIZE.reset(before[1])


def scale_of(axes: Axes) -> float:
    """What sizes of text and widths of lines within axes are to be multiplied with."""
    own = getattr(_root(axes), "scale", None)
    return float(rcParams["font.size"]) / _OWN_FONT if own is None else float(own)


def is_alone(axes: Axes) -> bool:
    """Whether axes stand under no header of ours, so that they have to say all by themselves."""
    return not getattr(_root(axes), "headed", False)


def _root(axes: Axes) -> Any:
    figure: Any = axes.figure
    while getattr(figure, "figure", figure) is not figure:  # within another figure
        figure = figure.figure
    return figure


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

    Places and sizes are in inches, from the top left corner, of a picture that is not `scaled`.
    """

    headed = True

    def __init__(self, width: float, height: float) -> None:
        self.scale = _SCALE.get()
        super().__init__(figsize=(width * self.scale, height * self.scale))
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
        self.text(across, up, text, fontsize=size * self.scale, parse_math=False, **look)

    def put_key(self, left: float, top: float, number: int, look: str) -> None:
        """The mark of a series: a patch as bars have it, or a line with its marker.

        The `look` is "bar", "mark" or "both".
        """
        across, up, k = left / self.width, 1 - (top - 0.035) / self.height, self.scale
        colour = COLOURS[number]
        if look != "mark":
            wide, high = 0.16 / self.width, 0.085 / self.height
            self.add_artist(
                Rectangle(
                    (across, up - high / 2),
                    wide,
                    high,
                    facecolor=colour,
                    edgecolor="white",
                    linewidth=0.3 * k,
                    hatch=HATCHES[number],
                    transform=self.transFigure,
                )
            )
        if look != "bar":
            at = across + (0.08 if look == "mark" else 0.25) / self.width
            self.add_artist(
                Line2D(
                    [at],
                    [up],
                    marker=MARKERS[number],
                    color=colour,
                    markersize=4 * k,
                    linestyle="none",
                    transform=self.transFigure,
                )
            )

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
    line or two for each series, beside its mark, which has the `look` of `Picture.put_key`. The
    lines `above` say why it shows no finding, before all else; those `below` what it says and what
    to bear in mind, last.
    """

    heading: str
    about: str
    entries: Sequence[str] = ()
    above: Sequence[Line] = ()
    below: Sequence[Line] = ()
    width: float = WIDTH
    look: str = "bar"

    @property
    def _about(self) -> list[str]:
        letters = int(_LETTERS[SMALL] * self.width / WIDTH)
        return textwrap.wrap(one_line(self.about), letters) or [""]

    @property
    def height(self) -> float:
        """In inches, with the room for a panel's title."""
        lines = sum(1 + text.count("\n") for text in self.entries)
        further = 0.16 + 0.14 * lines if self.entries else 0.0
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
            drawn.put_key(EDGE, top, number, self.look)
            for line in text.split("\n"):
                drawn.put(EDGE + (0.36 if self.look == "both" else 0.22), top, one_line(line))
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
    """A picture of panels one below the other, `width` inches wide; see `scaled` for columns."""
    heights = [header.height, *(p.above + p.height + p.below for p in panels)]
    columns = in_columns(heights, _SIZE.get(), WIDTH, _TOP)
    high = [sum(heights[at] for at in each) + _TOP * (n > 0) for n, each in enumerate(columns)]
    drawn = Picture(WIDTH * len(columns), max(high))
    header.draw(drawn)
    for number, each in enumerate(columns):
        top = 0.0 if number == 0 else _TOP
        for at in each:
            if at:
                panel = panels[at - 1]
                place = number * WIDTH + left, top + panel.above
                panel.draw(drawn.panel(*place, width, panel.height))
            top += heights[at]
    return drawn


_TOP = 0.2  # inches above the first panel of a further column, for its title


def alone(width: float, height: float) -> tuple[Picture, Axes]:
    """A picture of one panel, in inches, and its axes."""
    with scaled(_DEFAULT_FONT / _OWN_FONT * min(1.0, width / _LEAST_WIDTH)):
        drawn = Picture(1, 1)
    drawn.headed = False
    drawn.width, drawn.height = width / drawn.scale, height / drawn.scale
    drawn.set_size_inches(width, height)
    drawn.set_layout_engine("constrained")
    return drawn, drawn.add_subplot()


def style(axes: Axes) -> None:
    """The look of every panel."""
    k = scale_of(axes)
    axes.tick_params(which="both", labelsize=SMALL * k, length=2 * k, pad=2 * k, width=0.6 * k)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for spine in axes.spines.values():
        spine.set_linewidth(0.6 * k)


def title(axes: Axes, text: str, across: str = "", up: str = "", note: str = "") -> None:
    """Title of a panel and its axes; a `note` below the title says what marks and lines are."""
    k = scale_of(axes)
    lines = _note_lines(axes, note)
    room = len(lines) * SMALL * 1.25 * k
    if text or lines:
        make_room(axes, top=(room + (1.5 * TEXT * k if text else 0) + 6 * k) / 72)
    axes.set_title(
        one_line(text), fontsize=TEXT * k, loc="left", pad=3 * k + room, fontweight="bold",
        parse_math=False,
    )  # fmt: skip
    if lines:
        up_a_little = ScaledTranslation(0, 2.5 * k / 72, _root(axes).dpi_scale_trans)
        axes.text(
            0, 1, "\n".join(lines), fontsize=SMALL * k, color=GREY, va="bottom", ha="left",
            transform=axes.transAxes + up_a_little, parse_math=False, gid=NOTE_GID,
            linespacing=1.15,
        )  # fmt: skip
    axes.set_xlabel(one_line(across), fontsize=SMALL * k, labelpad=1.5 * k, parse_math=False)
    axes.set_ylabel(one_line(up), fontsize=SMALL * k, labelpad=2 * k, parse_math=False)


NOTE_GID = "note"


def _note_lines(axes: Axes, note: str) -> list[str]:
    across, letter = _root(axes).get_size_inches()[0] * 72, SMALL * scale_of(axes) * 0.49
    wide = axes.get_position().width * across
    if axes.figure.get_layout_engine() is not None:  # what stands beside takes room from the axes
        names = max((len(each.get_text()) for each in axes.get_yticklabels()), default=0)
        wide = min(wide, 0.9 * across - (names + 3) * letter)
    letters = max(24, int(wide / letter))
    return textwrap.wrap(one_line(note), letters, break_on_hyphens=False)


def make_room(axes: Axes, *, left: float = 0.0, bottom: float = 0.0, top: float = 0.0) -> None:
    """Let the user's axes give way to so many inches beside them, where these are not free.

    A layout engine does that itself. Axes of our own pictures are placed with all that is beside
    them.
    """
    figure = axes.figure
    if not is_alone(axes) or figure is None or figure.get_layout_engine() is not None:
        return
    box, (across, up) = axes.get_position(), inches_of(axes)
    others = [other.get_position() for other in figure.axes if other is not axes]
    beside = [o for o in others if o.y0 < box.y1 and o.y1 > box.y0]
    above = [o for o in others if o.x0 < box.x1 and o.x1 > box.x0]
    free_left = box.x0 - max([o.x1 for o in beside if o.x1 <= box.x0], default=0.0)
    free_below = box.y0 - max([o.y1 for o in above if o.y1 <= box.y0], default=0.0)
    free_above = min([o.y0 for o in above if o.y0 >= box.y1], default=1.0) - box.y1
    moved = [
        max(0.0, wanted / length - free)
        for wanted, length, free in (
            (left, across, free_left), (bottom, up, free_below), (top, up, free_above),
        )
    ]  # fmt: skip
    if any(moved):
        x0 = box.x0 + min(moved[0], 0.5 * box.width)
        y0 = box.y0 + min(moved[1], 0.4 * box.height)
        y1 = box.y1 - min(moved[2], 0.3 * box.height)
        axes.set_position((x0, y0, box.x1 - x0, y1 - y0))


def inches_of(axes: Axes) -> tuple[float, float]:
    """Inches of the figure that axes are in."""
    box = axes.figure.bbox
    dots = axes.figure.dpi
    return box.width / dots, box.height / dots


def legend(axes: Axes, columns: int = 1, **look: Any) -> None:
    """The names of what is drawn within axes, where it covers least unless a place is given."""
    k = scale_of(axes)
    shown: dict[str, Any] = {
        "loc": "best", "frameon": "loc" not in look, "framealpha": 0.8, "edgecolor": "none",
        "handlelength": 2.0, "handletextpad": 0.5, "borderaxespad": 0.2, "columnspacing": 1.0,
    }  # fmt: skip
    drawn = axes.legend(fontsize=SMALL * k, ncols=columns, **{**shown, **look})
    for text in drawn.get_texts():
        text.set_parse_math(False)


def colour_scale(drawn: Any, shown: Any, axes: Axes, label: str, **look: Any) -> None:
    """The scale of colours of a map, within axes of its own."""
    k = scale_of(axes)
    drawn.colorbar(shown, cax=axes, **look).outline.set_linewidth(0.4 * k)
    axes.tick_params(labelsize=SMALL * k, length=2 * k, pad=2 * k)
    axes.set_xlabel(label, fontsize=SMALL * k, labelpad=(1 if look else 12) * k)


def check_count(count: int, what: str = "reports", most: int = MOST) -> None:
    """Refuse more series than a picture takes.

    Raises
    ------
    UsageError
    """
    if not 1 <= count <= most:
        raise UsageError(f"a picture takes 1 to {most} {what}, not {count}")


def check_picture(target: Path, *, overwrite: bool) -> None:
    """Refuse a name that no picture can be written under.

    Raises
    ------
    UsageError
        Another ending than .png, .svg or .pdf.
    ReportError
        The file exists and `overwrite` is not set.
    """
    check_picture_ending(target)
    check_free(target, overwrite=overwrite)
