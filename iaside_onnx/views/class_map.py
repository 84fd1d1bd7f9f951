"""A map of the classes of a report: near each other where the model sees them by like bands."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from scipy.special import chdtri

from ..errors import UsageError
from ..mathematics.profiles import Axes, principal_axes, sid_covariance
from ..results.class_rows import estimate_note, reservation
from ..results.report import FEW_IMAGES, Report
from .plot_words import RED, draw_lines, lines_height, warning_lines
from .plots import SMALL, WIDTH, style, title, write_figure
from .text import one_line

_LEAST_CLASSES = 3
_MOST_LABELS = 14
_LONGEST_NAME = 16
# Sides of its point on which a name may stand, best first.
_PLACES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


def save_class_map(report: Report, name: str, target: Path, *, overwrite: bool = False) -> None:
    """Draw the map and write the picture; errors are those of `plots.write_figure`."""
    write_figure(lambda: class_map(report, name), target, overwrite=overwrite)


def class_map(report: Report, name: str | None = None) -> Figure:
    """Classes as points on the two principal axes of their distributions.

    Area is the number of images, colour the signed score; below stand the bands that make the
    axes. The classes furthest out are named, with the ellipse in which each lies with the
    report's confidence, where its images tell.

    Parameters
    ----------
    report : Report
    name : str, optional
        What the title calls it; the model's file name by default.

    Returns
    -------
    matplotlib Figure
        3.5 inches wide.

    Raises
    ------
    UsageError
        Fewer than three classes, or fewer than three bands.
    """
    found = report.class_profiles
    if len(found.labels) < _LEAST_CLASSES or report.players < _LEAST_CLASSES:
        raise UsageError(
            f"{len(found.labels)} class(es) and {report.players} band(s) make no map; at least "
            f"{_LEAST_CLASSES} of each are needed"
        )
    axes = principal_axes(found.best.sid)
    # The map has the one score alone.
    about = (estimate_note(found) or "").partition(";")[0]
    notes = [about, reservation(found, FEW_IMAGES)]
    lines = [line for note in notes if note for line in textwrap.wrap(note, 68)]
    warned = warning_lines([report], [""])
    header, plane, bars = lines_height(warned) + 0.42 + 0.11 * len(lines), 2.5, 0.6
    total = header + plane + bars + 0.94
    drawn = Figure(figsize=(WIDTH, total))
    FigureCanvasAgg(drawn)
    draw_lines(drawn, warned, total - 0.03, total)
    top = total - lines_height(warned)
    _draw_header(drawn, report, name or Path(report.model["path"]).stem, lines, top, total)
    panel = drawn.add_axes((0.15, (total - header - plane) / total, 0.68, plane / total))
    style(panel)
    furthest = np.argsort(-np.linalg.norm(axes.points, axis=1), kind="stable")[:_MOST_LABELS]
    points = _draw_points(panel, report, axes)
    _draw_ellipses(panel, report, axes, furthest)
    scale = drawn.add_axes((0.86, (total - header - plane) / total, 0.025, plane / total))
    drawn.colorbar(points, cax=scale).outline.set_linewidth(0.4)
    scale.tick_params(labelsize=SMALL, length=2, pad=2)
    scale.set_xlabel("signed\nscore", fontsize=SMALL, labelpad=12)
    for number in range(2):
        below = drawn.add_axes((0.15 + 0.425 * number, 0.36 / total, 0.385, bars / total))
        style(below)
        _draw_loadings(below, report, axes, number)
    _draw_names(drawn, panel, report, axes, points, furthest)
    return drawn


def _draw_header(
    drawn: Figure, report: Report, name: str, lines: list[str], top: float, total: float
) -> None:
    shown = one_line(name)
    shown = shown if len(shown) <= 34 else shown[:33] + "…"
    line = top - 0.18
    drawn.text(
        0.03, line / total, f"Classes of {shown}", fontsize=9, fontweight="bold", parse_math=False
    )
    sizes = report.class_profiles.images
    each = f"{sizes[0]}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
    about = f"{len(sizes)} classes of {each} image(s)"
    if np.isfinite(report.class_profiles.best.covariance).any():
        about += f"; ellipses hold the furthest with {report.confidence:.0%}"
    drawn.text(0.03, (line - 0.15) / total, about, fontsize=SMALL, color="#444444")
    for number, text in enumerate(lines):
        level = (line - 0.27 - 0.11 * number) / total
        drawn.text(0.03, level, text, fontsize=SMALL, color=RED)


def _draw_points(panel: Panel, report: Report, axes: Axes) -> PathCollection:
    found = report.class_profiles
    x, y = axes.points.T
    area = 60 * found.images / found.images.max() if len(x) <= 30 else 30.0
    points = panel.scatter(
        x, y, s=area, c=found.best.signed, cmap="cividis", edgecolor="white", linewidth=0.4,
        zorder=3,
    )  # fmt: skip
    panel.axhline(0, color="#BBBBBB", linewidth=0.5, zorder=0)
    panel.axvline(0, color="#BBBBBB", linewidth=0.5, zorder=0)
    panel.set_aspect("equal", adjustable="datalim")
    panel.margins(0.08)
    words = [_meaning(report.band_names, axes.loadings[number]) for number in range(2)]
    panel.set_xlabel(f"axis 1 ({axes.share[0]:.0%}):  {words[0]}", fontsize=SMALL, labelpad=2)
    panel.set_ylabel(f"axis 2 ({axes.share[1]:.0%}):  {words[1]}", fontsize=SMALL, labelpad=2)
    return points


def _meaning(names: list[str], loadings: NDArray[np.float64]) -> str:
    """An axis in words: the bands that gain towards the one end and towards the other."""
    ends = [_runs(names, gain > 0.6 * gain.max()) for gain in (-loadings, loadings)]
    return f"← bands {ends[0]}  |  bands {ends[1]} →"


def _runs(names: list[str], chosen: NDArray[np.bool_]) -> str:
    """Names of the chosen bands, neighbours as ranges, at most three of them."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]])))
    found = [
        names[first] if last - first == 1 else f"{names[first]} to {names[last - 1]}"
        for first, last in edges.reshape(-1, 2)
    ]
    return ", ".join(found[:3]) + (", …" if len(found) > 3 else "")


def _draw_loadings(panel: Panel, report: Report, axes: Axes, number: int) -> None:
    places = np.arange(report.players)
    panel.bar(places, axes.loadings[number], 0.75, color="#555555")
    panel.axhline(0, color="black", linewidth=0.6)
    panel.set_ylim(-1.05, 1.05)
    panel.set_xticks(places, report.band_names)
    if number:
        panel.set_yticklabels([])
    title(panel, f"Axis {number + 1}", "band", "" if number else "loading")


def _draw_ellipses(panel: Panel, report: Report, axes: Axes, rows: NDArray[np.intp]) -> None:
    """Where classes lie with the report's confidence, to first order."""
    spread = axes.loadings @ sid_covariance(report.class_profiles.best) @ axes.loadings.T
    size = chdtri(2, 1 - report.confidence)
    for row in rows[np.isfinite(spread[rows]).all(axis=(1, 2))]:
        sizes, directions = np.linalg.eigh(spread[row])
        short, long = 2 * np.sqrt(np.maximum(sizes, 0) * size)
        panel.add_patch(
            Ellipse(
                tuple(axes.points[row]),
                long,
                short,
                angle=float(np.degrees(np.arctan2(directions[1, 1], directions[0, 1]))),
                facecolor="none",
                edgecolor="#AAAAAA",
                linewidth=0.4,
                zorder=2,
            )
        )
        reach = np.sqrt(np.diagonal(spread[row]) * size)
        panel.update_datalim([axes.points[row] - reach, axes.points[row] + reach])


def _draw_names(
    drawn: Figure,
    panel: Panel,
    report: Report,
    axes: Axes,
    points: PathCollection,
    rows: NDArray[np.intp],
) -> None:
    """Names beside their points, where there is room and no other point is nearer."""
    panel.autoscale_view()
    drawn.canvas.draw()
    panel.autoscale(enable=False)
    places = panel.transData.transform(axes.points)
    radii = np.sqrt(np.broadcast_to(points.get_sizes(), len(places)) / np.pi) * drawn.dpi / 72
    taken = [Bbox.from_extents(*(p - r), *(p + r)) for p, r in zip(places, radii, strict=True)]
    around = panel.get_window_extent()
    for row in rows:
        name = one_line(report.class_name(int(report.class_profiles.labels[row])))
        name = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
        text = panel.text(0, 0, name, fontsize=SMALL, zorder=4, parse_math=False)
        size = text.get_window_extent()
        gap = radii[row] + 0.15 * size.height
        for right, up in _PLACES:
            corner = places[row] + [
                right * gap - size.width * (1 - right) / 2,
                up * gap - size.height * (1 - up) / 2,
            ]
            box = Bbox.from_extents(*corner, corner[0] + size.width, corner[1] + size.height)
            inside = around.contains(*box.p0) and around.contains(*box.p1)
            middle = corner + np.array([size.width, size.height]) / 2
            nearest = int(np.linalg.norm(places - middle, axis=1).argmin())
            if inside and nearest == row and not any(box.overlaps(other) for other in taken):
                x, y = panel.transData.inverted().transform(corner)
                text.set_position((float(x), float(y)))
                text.set_verticalalignment("bottom")
                taken.append(box)
                break
        else:
            text.remove()
