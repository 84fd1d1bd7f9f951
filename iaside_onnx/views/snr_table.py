"""Signal-to-noise reports on a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable

from rich import box
from rich.table import Table

from ..results.snr import Curve, SnrReport
from .terminal import terminal
from .text import one_line

_FIT_NAMES = {"power_law": "power law r^-p", "exponential": "exponential e^-kr"}


def print_snr(report: SnrReport) -> None:
    """SNR, gain and residual by band, and the fits, at the middle severity."""
    out = terminal()
    settings = report.settings
    severity = report.severities[report.middle]
    out.print(
        f"{one_line(report.data['source'])}: {len(report.image_ids)} images of "
        f"{settings['width']} x {settings['height']}, {len(report.perturbations)} perturbations x "
        f"{len(report.severities)} severities, {settings['bands']} bands ({settings['norm']}), "
        f"{report.rings} rings",
        soft_wrap=True,
    )
    if attack := settings.get("attack"):
        out.print(
            f"{one_line(attack['name'])} attacks {one_line(attack['model'])}: radius "
            f"{attack['epsilon']:.4g} at severity 3, {attack['queries']} queries an image",
            soft_wrap=True,
        )
    out.print(f"\nSignal-to-noise ratio by band, severity {severity}:")
    out.print(_by_band(report, lambda curve, band: _short(float(curve.snr.value[band]))))
    out.print(f"Gain and residual by band, severity {severity} (1 / 0: untouched):")
    out.print(
        _by_band(
            report,
            lambda curve, band: (
                f"{_short(float(curve.gain.value[band]))}/"
                f"{_short(float(curve.residual.value[band]))}"
            ),
        )
    )
    level = f"{settings['confidence']:.0%}"
    out.print(f"Fall of the ratio with frequency, severity {severity} (rings without DC):")
    out.print(_fits(report, level))
    for warning in report.run.get("warnings", []):
        out.print(f"Noted during the run: {one_line(str(warning))}", soft_wrap=True)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("perturbation", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _by_band(report: SnrReport, cell: Callable[[Curve, int], str]) -> Table:
    table = _table(*report.band_names)
    for name, row in zip(report.perturbations, report.curves, strict=True):
        curve = row[report.middle]
        bands = range(len(report.band_names))
        table.add_row(name, *(cell(curve, band) for band in bands))
    return table


def _fits(report: SnrReport, level: str) -> Table:
    table = _table(*(text for fit in _FIT_NAMES.values() for text in (fit, f"{level} int.", "R²")))
    for name, row in zip(report.perturbations, report.curves, strict=True):
        cells = []
        for fit in _FIT_NAMES:
            value, low, high = row[report.middle].fits[fit]
            cells += [
                _short(float(value.slope)),
                f"{_short(float(low.slope))} to {_short(float(high.slope))}",
                _short(float(value.r_squared)),
            ]
        table.add_row(name, *cells)
    return table


def _short(value: float) -> str:
    """Three figures at most; infinity and what is not defined as signs."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf"
    if abs(value) < 9.995:
        return f"{round(value, 2) + 0.0:.2f}"  # no minus before 0
    return (
        f"{value:.1f}" if abs(value) < 99.95 else f"{value:.0f}" if value < 1e5 else f"{value:.0e}"
    )
