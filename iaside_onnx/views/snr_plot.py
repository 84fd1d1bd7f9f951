"""Signal-to-noise reports as a picture: one panel for each kind of perturbation."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes

from ..results.snr import SnrReport
from .figure import COLOURS, MARKERS, SMALL, Header, Panel, Picture, column, title
from .text import percent, words

_MARKS = 6  # on a curve


def by_kind(report: SnrReport) -> dict[str, list[int]]:
    """Positions of the perturbations of each kind."""
    kinds: dict[str, list[int]] = {}
    for position, name in enumerate(report.perturbations):
        kinds.setdefault(report.settings["kinds"][name], []).append(position)
    return kinds


def snr_figure(report: SnrReport) -> Picture:
    """SNR over the radius at the middle severity, with intervals, on logarithmic axes."""
    # More curves than colours go on in a panel of their own.
    groups = [
        (kind, members[start : start + len(COLOURS)])
        for kind, members in by_kind(report).items()
        for start in range(0, len(members), len(COLOURS))
    ]
    settings = report.settings
    header = Header(
        "Spectral signal-to-noise ratio",
        f"{len(report.image_ids)} images of {settings['width']} x {settings['height']}, severity "
        f"{report.severities[report.middle]}, {settings['norm']}, "
        f"{percent(settings['confidence'])} intervals",
    )
    panels = [Panel(1.5, 0.62, partial(_draw, report, *group)) for group in groups]
    return column(header, panels, width=1.82)


def _draw(report: SnrReport, kind: str, members: list[int], axes: Axes) -> None:
    for number, position in enumerate(members):
        ratio = report.curves[position][report.middle].rings
        known = np.isfinite(ratio.value) & (ratio.value > 0)
        colour, label = COLOURS[number], words(report.perturbations[position])
        if not known.any():
            axes.plot([], [], color=colour, label=f"{label}: none", linewidth=1)
            continue
        radius, shown = report.radius[known], ratio[known]
        axes.plot(
            radius, shown.value, color=colour, marker=MARKERS[number], markersize=3, linewidth=1,
            markevery=max(1, len(radius) // _MARKS), label=label,
        )  # fmt: skip
        axes.fill_between(radius, shown.low, shown.high, color=colour, alpha=0.2, lw=0)
    axes.axhline(1, color="#777777", linewidth=0.6, linestyle=":")
    if any(np.size(line.get_xdata()) for line in axes.lines[:-1]):
        axes.set_xscale("log")  # which has no place for a panel without a curve
        axes.set_yscale("log")
    axes.legend(
        fontsize=SMALL - 0.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5),
        handlelength=1.6,
    )  # fmt: skip
    title(axes, kind, "radius (1 is Nyquist)", "E|X| / E|D|")
