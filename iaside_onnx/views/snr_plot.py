"""Signal-to-noise reports as a picture: one panel for each kind of perturbation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from ..errors import UsageError
from ..plurals import counted
from ..results.banded import kind_said
from ..results.snr import SnrReport
from .figure import (
    COLOURS,
    MARKERS,
    SMALL,
    Header,
    Panel,
    Picture,
    column,
    is_alone,
    legend,
    scale_of,
    title,
)
from .lettering import beside
from .text import figures, percent, words

_MARKS = 6  # on a curve
_RADIUS, _RATIO = "radius (1 is Nyquist)", "E|X| / E|D|"
_MOST_NUMBERS = 10
_RINGS = "rings, without the mean"  # bands of other views hold it


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
        f"{_about(report)}, {settings['width']} x {settings['height']} pixels, "
        f"{kind_said(settings)}; {_RINGS}; "
        f"shaded: {percent(settings['confidence'])} intervals; dotted: as much noise as signal",
    )
    panels = [Panel(1.5, 0.62, partial(_draw, report, *group)) for group in groups]
    return column(header, panels, width=1.7)


def draw_map(axes: Axes, reports: Sequence[SnrReport], _: Sequence[str]) -> None:
    """SNR of every perturbation in every band at the middle severity, the noisiest on top."""
    report, k = reports[0], scale_of(axes)
    ratios = np.stack([curves[report.middle].snr.value for curves in report.curves])
    known = np.where(np.isfinite(ratios) & (ratios > 0), ratios, np.nan)
    logs = np.log10(known)
    # Where a band has no ratio, nothing of it is lost.
    order = np.argsort(np.nan_to_num(logs, nan=9.0).mean(axis=1), kind="stable")
    most = float(np.nanmax(np.abs(logs), initial=0.1))
    axes.set_facecolor("#EEEEEE")
    shown = axes.imshow(
        logs[order], cmap="PuOr", vmin=-most, vmax=most, aspect="auto", interpolation="nearest"
    )
    if ratios.shape[1] <= _MOST_NUMBERS:
        for (row, place), value in np.ndenumerate(ratios[order]):
            strong = np.isfinite(value) and value > 0 and abs(np.log10(value)) > 0.6 * most
            axes.text(
                place, row, figures(value), ha="center", va="center_baseline",
                fontsize=(SMALL - 1) * k, color="white" if strong else "#222222",
            )  # fmt: skip
    else:
        bar = axes.figure.colorbar(
            shown, ax=axes, format=FuncFormatter(lambda value, _: f"{10**value:.3g}")
        )
        bar.ax.tick_params(labelsize=SMALL * k)
    axes.set_xticks(range(ratios.shape[1]), report.band_names)
    labels = beside(axes, [words(report.perturbations[at]) for at in order])
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    title(
        axes, "Spectral signal-to-noise ratio", "band, low to high frequency", "",
        f"{_about(report)}; {_RATIO}, below 1 there is more noise than signal",
    )  # fmt: skip


def _draw_kind(kind: str, axes: Axes, reports: Sequence[SnrReport], _: Sequence[str]) -> None:
    report = reports[0]
    kinds = by_kind(report)
    if kind not in kinds:
        raise UsageError(f"this file has no perturbations of the kind {kind}")
    members = kinds[kind]
    if len(members) > len(COLOURS):
        raise UsageError(
            f"{counted(len(members), 'perturbation')} of the kind {kind} are more than the "
            f"{len(COLOURS)} curves of a panel; the panel 'ratios' shows all"
        )
    _draw(report, kind, members, axes)


draw_noise = partial(_draw_kind, "noise")
draw_blur = partial(_draw_kind, "blur")
draw_weather = partial(_draw_kind, "weather")
draw_digital = partial(_draw_kind, "digital")


def _about(report: SnrReport) -> str:
    images = counted(len(report.image_ids), "image", "images")
    return f"{images}, severity {report.severities[report.middle]}"


def _draw(report: SnrReport, kind: str, members: list[int], axes: Axes) -> None:
    k = scale_of(axes)
    for number, position in enumerate(members):
        ratio = report.curves[position][report.middle].rings
        known = np.isfinite(ratio.value) & (ratio.value > 0)
        colour, label = COLOURS[number], words(report.perturbations[position])
        if not known.any():
            axes.plot([], [], color=colour, label=f"{label}: none", linewidth=k)
            continue
        radius, shown = report.radius[known], ratio[known]
        axes.plot(
            radius, shown.value, color=colour, marker=MARKERS[number], markersize=3 * k,
            linewidth=k, markevery=max(1, len(radius) // _MARKS), label=label,
        )  # fmt: skip
        axes.fill_between(radius, shown.low, shown.high, color=colour, alpha=0.2, lw=0)
    drawn = any(np.size(line.get_xdata()) for line in axes.lines)
    axes.axhline(1, color="#555555", linewidth=0.7 * k, linestyle=":", label="as much noise")
    if drawn:
        axes.set_xscale("log")  # which has no place for a panel without a curve
        axes.set_yscale("log")
    if is_alone(axes):
        legend(axes)
        note = f"{_about(report)}, {_RINGS}; shaded: {percent(report.confidence)} intervals"
        title(axes, kind, _RADIUS, f"SNR, {_RATIO}", note)
        return
    legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.6)
    title(axes, kind, _RADIUS, _RATIO)
