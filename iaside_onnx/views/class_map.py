"""A map of the classes of a report: near each other where the model sees them by like bands."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.patches import Ellipse
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from scipy.special import chdtri

from ..errors import UsageError
from ..mathematics.profiles import ClassProfiles, PrincipalAxes, principal_axes, sid_covariance
from ..plurals import counted, plural
from ..results.class_rows import estimate_note, finding_notes, reservation
from ..results.report import FEW_IMAGES, Report
from .figure import (
    SMALL,
    WIDTH,
    Header,
    Picture,
    colour_scale,
    note_lines,
    scale_of,
    title,
)
from .names_beside_points import put_names
from .plots import warning_lines
from .text import both_ends, model_name, one_line, percent

_LEAST_CLASSES = 3
_PLANE, _BARS = 2.5, 0.6  # heights in inches
_MOST_LABELS = 14
_LONGEST_NAME = 16
# Sides of its point on which a name may stand, best first.
_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


def class_map(report: Report, name: str | None = None) -> Picture:
    """Classes as points on the two principal axes of their distributions.

    Area is the number of images, colour the signed score; below stand the bands that make the
    axes. The classes furthest out are named, with the ellipse in which each lies with the
    report's confidence, where its images tell. The title calls the report by `name`, or by its
    model's file name.

    Raises
    ------
    UsageError
        Fewer than three classes, or fewer than three bands.
    """
    profiles = _drawn(report)
    if len(profiles.labels) < _LEAST_CLASSES or report.players < _LEAST_CLASSES:
        left = int(report.class_gains.nothing.sum())
        without = f" ({left} more without a finding: nothing to share out)" if left else ""
        raise UsageError(
            f"{counted(len(profiles.labels), 'class', 'classes')}{without} and "
            f"{counted(report.players, 'band')} make no map; at least "
            f"{_LEAST_CLASSES} of each are needed"
        )
    header = _header(report, profiles, name or model_name(report))
    plane = principal_axes(profiles.best.sid)
    drawn = Picture(WIDTH, header.height + _PLANE + _BARS + 0.8)
    header.draw(drawn)
    axes = drawn.panel(0.525, header.height - 0.14, 2.38, _PLANE)
    furthest = np.argsort(-np.linalg.norm(plane.points, axis=1), kind="stable")[:_MOST_LABELS]
    points = _draw_points(axes, report, profiles, plane)
    _draw_ellipses(axes, report, profiles, plane, furthest)
    scale = drawn.panel(3.01, header.height - 0.14, 0.0875, _PLANE)
    colour_scale(drawn, points, scale, "signed\nscore")
    for number in range(2):
        below = drawn.panel(0.525 + 1.4875 * number, drawn.height - 0.36 - _BARS, 1.3475, _BARS)
        _draw_loadings(below, report, plane, number)
    _draw_names(drawn, axes, report, profiles, plane, points, furthest)
    return drawn


def _drawn(report: Report) -> ClassProfiles:
    """The profiles of the classes that have one: those with something to share out."""
    return report.class_profiles.chosen(~report.class_gains.nothing)


def _header(report: Report, profiles: ClassProfiles, name: str) -> Header:
    sizes = profiles.images
    each = f"{sizes[0]}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
    about = f"{len(sizes)} classes of {each} {plural(1 if each == '1' else 2, 'image')}"
    if np.isfinite(profiles.best.covariance).any():
        about += f"; ellipses hold the furthest with {percent(report.confidence)}"
    # The map has the one score alone.
    notes = [(estimate_note(profiles) or "").partition(";")[0], reservation(profiles, FEW_IMAGES)]
    notes = [*map(one_line, finding_notes(report)), *notes]
    return Header(
        f"Classes of {both_ends(name, 34)}",
        about,
        above=warning_lines([report], [""]),
        below=note_lines([note for note in notes if note]),
    )


def _draw_points(
    axes: Axes, report: Report, profiles: ClassProfiles, plane: PrincipalAxes
) -> PathCollection:
    x, y = plane.points.T
    area = 60 * profiles.images / profiles.images.max() if len(x) <= 30 else 30.0
    points = axes.scatter(
        x, y, s=area * scale_of(axes) ** 2, c=profiles.best.signed, cmap="cividis",
        edgecolor="white", linewidth=0.4 * scale_of(axes), zorder=3,
    )  # fmt: skip
    axes.axhline(0, color="#BBBBBB", linewidth=0.5 * scale_of(axes), zorder=0)
    axes.axvline(0, color="#BBBBBB", linewidth=0.5 * scale_of(axes), zorder=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)
    words = [_meaning(report.band_names, plane.loadings[number]) for number in range(2)]
    axes.set_xlabel(
        f"axis 1 ({plane.share[0]:.0%}):  {words[0]}", fontsize=SMALL * scale_of(axes), labelpad=2
    )
    axes.set_ylabel(
        f"axis 2 ({plane.share[1]:.0%}):  {words[1]}", fontsize=SMALL * scale_of(axes), labelpad=2
    )
    return points


def _meaning(names: list[str], loadings: NDArray[np.float64]) -> str:
    """An axis in words: the bands that gain towards the one end and towards the other."""
    ends = [_runs(names, gain > 0.6 * gain.max()) for gain in (-loadings, loadings)]
    return f"← bands {ends[0]}  |  bands {ends[1]} →"


def _runs(names: list[str], chosen: NDArray[np.bool_]) -> str:
    """Names of the chosen bands, neighbours as ranges, at most three of them."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]])))
    runs = [
        names[first] if last - first == 1 else f"{names[first]} to {names[last - 1]}"
        for first, last in edges.reshape(-1, 2)
    ]
    return ", ".join(runs[:3]) + (", …" if len(runs) > 3 else "")


def _draw_loadings(axes: Axes, report: Report, plane: PrincipalAxes, number: int) -> None:
    places = np.arange(report.players)
    axes.bar(places, plane.loadings[number], 0.75, color="#555555")
    axes.axhline(0, color="black", linewidth=0.6 * scale_of(axes))
    axes.set_ylim(-1.05, 1.05)
    axes.set_xticks(places, report.band_names)
    if number:
        axes.set_yticklabels([])
    title(axes, f"Axis {number + 1}", "band", "" if number else "loading")


def _draw_ellipses(
    axes: Axes,
    report: Report,
    profiles: ClassProfiles,
    plane: PrincipalAxes,
    rows: NDArray[np.intp],
) -> None:
    """Where classes lie with the report's confidence, to first order."""
    spread = plane.loadings @ sid_covariance(profiles.best) @ plane.loadings.T
    size = chdtri(2, 1 - report.confidence)
    for row in rows[np.isfinite(spread[rows]).all(axis=(1, 2))]:
        sizes, directions = np.linalg.eigh(spread[row])
        short, long = 2 * np.sqrt(np.maximum(sizes, 0) * size)
        angle = float(np.degrees(np.arctan2(directions[1, 1], directions[0, 1])))
        ellipse = Ellipse(
            tuple(plane.points[row]), long, short, angle=angle, facecolor="none",
            edgecolor="#AAAAAA", linewidth=0.4 * scale_of(axes), zorder=2,
        )  # fmt: skip
        axes.add_patch(ellipse)
        reach = np.sqrt(np.diagonal(spread[row]) * size)
        axes.update_datalim([plane.points[row] - reach, plane.points[row] + reach])


def _draw_names(
    drawn: Picture,
    axes: Axes,
    report: Report,
    profiles: ClassProfiles,
    plane: PrincipalAxes,
    points: PathCollection,
    rows: NDArray[np.intp],
) -> None:
    """Names beside their points, where there is room and no other point is nearer."""
    axes.autoscale_view()
    drawn.canvas.draw()
    axes.autoscale(enable=False)
    places = axes.transData.transform(plane.points)
    radii = np.sqrt(np.broadcast_to(points.get_sizes(), len(places)) / np.pi) * drawn.dpi / 72
    around = axes.get_window_extent()

    def offsets(row: int, height: float) -> list[tuple[float, float]]:
        gap = radii[row] + 0.15 * height
        return [(right * gap, up * gap) for right, up in _SIDES]

    def cost(row: int, box: Bbox, taken: list[Bbox]) -> float:
        middle = (box.p0 + box.p1) / 2
        nearest = int(np.linalg.norm(places - middle, axis=1).argmin())
        inside = around.contains(*box.p0) and around.contains(*box.p1)
        free = inside and nearest == row and not box.count_overlaps(taken)
        return 0.0 if free else math.inf

    labels = profiles.labels
    put_names(
        axes,
        places,
        {row: both_ends(report.class_name(int(labels[row])), _LONGEST_NAME) for row in rows},
        [Bbox.from_extents(*(p - r), *(p + r)) for p, r in zip(places, radii, strict=True)],
        offsets,
        cost,
        aligned=False,
        fontsize=SMALL * scale_of(axes),
        zorder=4,
    )
