"""Signal-to-noise reports as a picture: one panel for each kind of perturbation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..results.snr import SnrReport
from .plots import COLOURS, MARKERS, SMALL, WIDTH, style, title, write_figure

_PANEL, _BELOW, _HEADER = 1.5, 0.62, 0.55
_MARKS = 6  # on a curve


def save_snr(report: SnrReport, target: Path, *, overwrite: bool = False) -> None:
    """Draw a report and write the picture.

    Raises
    ------
    UsageError, ReportError
        As for `plots.write_figure`.
    """
    write_figure(lambda: snr_figure(report), target, overwrite=overwrite)


def snr_figure(report: SnrReport) -> Figure:
    """SNR over the radius at the middle severity, with intervals, on logarithmic axes."""
    kinds: dict[str, list[int]] = {}
    for position, name in enumerate(report.perturbations):
        kinds.setdefault(report.settings["kinds"][name], []).append(position)
    # More curves than colours go on in a panel of their own.
    panels = [
        (kind, members[start : start + len(COLOURS)])
        for kind, members in kinds.items()
        for start in range(0, len(members), len(COLOURS))
    ]
    height = _HEADER + len(panels) * (_PANEL + _BELOW)
    drawn = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(drawn)
    settings = report.settings
    drawn.text(
        0.03, 1 - 0.18 / height, "Spectral signal-to-noise ratio", fontsize=9, fontweight="bold"
    )
    drawn.text(
        0.03,
        1 - 0.33 / height,
        f"{len(report.image_ids)} images of {settings['width']} x {settings['height']}, severity "
        f"{report.severities[report.middle]}, {settings['norm']}, "
        f"{settings['confidence']:.0%} intervals",
        fontsize=SMALL,
        color="#444444",
        parse_math=False,
    )
    for number, (kind, members) in enumerate(panels):
        bottom = height - _HEADER - number * (_PANEL + _BELOW) - _PANEL
        axes = drawn.add_axes((0.17, bottom / height, 0.52, _PANEL / height))
        style(axes)
        _draw(axes, report, members)
        title(axes, kind, "radius (1 is Nyquist)", "E|X| / E|D|")
    return drawn


def _draw(axes: Axes, report: SnrReport, members: list[int]) -> None:
    for number, position in enumerate(members):
        ratio = report.curves[position][report.middle].rings
        seen = np.isfinite(ratio.value) & (ratio.value > 0)
        colour, label = COLOURS[number], report.perturbations[position].replace("_", " ")
        if not seen.any():
            axes.plot([], [], color=colour, label=f"{label}: none", linewidth=1)
            continue
        axes.plot(
            report.radius[seen],
            ratio.value[seen],
            color=colour,
            marker=MARKERS[number],
            markevery=max(1, int(seen.sum()) // _MARKS),
            markersize=3,
            linewidth=1,
            label=label,
        )
        axes.fill_between(
            report.radius[seen], ratio.low[seen], ratio.high[seen], color=colour, alpha=0.2, lw=0
        )
    axes.axhline(1, color="#777777", linewidth=0.6, linestyle=":")
    if any(np.size(line.get_xdata()) for line in axes.lines[:-1]):
        axes.set_xscale("log")  # which has no place for a panel without a curve
        axes.set_yscale("log")
    axes.legend(
        fontsize=SMALL - 0.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5),
        handlelength=1.6,
    )  # fmt: skip
