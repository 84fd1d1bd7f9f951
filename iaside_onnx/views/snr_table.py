"""Signal-to-noise reports on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..plurals import counted
from ..results.banded import bands_said
from ..results.damage_words import radius_text
from ..results.snr import Curve, SnrReport
from .terminal import Rows, table, terminal
from .text import figures, one_line, percent

_FIT_NAMES = {"power_law": "power law r^-p", "exponential": "exponential e^-kr"}


def print_snr(report: SnrReport) -> None:
    """SNR, gain and residual by band, and the fits, at the middle severity."""
    out = terminal()
    settings = report.settings
    severity = report.severities[report.middle]
    attack = settings.get("attack")
    attacked = attack and (
        f"{one_line(attack['name'])} attacks {one_line(attack['model'])}: radius "
        f"{radius_text(attack['epsilon'])} at severity 3, {attack['queries']} queries an image"
    )
    out.heading(
        report,
        f"{counted(len(report.image_ids), 'image')} of {settings['width']} x {settings['height']}, "
        f"{counted(len(report.perturbations), 'perturbation')} x "
        f"{counted(len(report.severities), 'severity', 'severities')}, "
        f"{bands_said(settings)}, {report.rings} rings",
        *filter(None, [attacked]),
    )
    names = report.band_names
    out.print(f"\nSignal-to-noise ratio by band, severity {severity}:")
    out.print(_rows(report, names, lambda at: map(figures, at.snr.value)))
    out.print(f"Gain and residual by band, severity {severity} (1 / 0: unchanged):")
    out.print(_rows(report, names, _gain_and_residual))
    level = f"{percent(settings['confidence'])} int."
    out.print(f"Fall of the ratio with frequency, severity {severity} (rings without DC):")
    headings = [text for fit in _FIT_NAMES.values() for text in (fit, level, "R²")]
    out.print(_rows(report, headings, _fits))
    out.noted(report.run.get("warnings", []))


def _rows(report: SnrReport, headings: list[str], cells: Callable[[Curve], Iterable[str]]) -> Rows:
    """A row for each perturbation, of its curve at the middle severity."""
    named = zip(report.perturbations, report.curves, strict=True)
    rows = ([name, *cells(curves[report.middle])] for name, curves in named)
    return table(["perturbation"], headings, rows, tight=True)


def _gain_and_residual(curve: Curve) -> Iterable[str]:
    pairs = zip(curve.gain.value, curve.residual.value, strict=True)
    return (f"{figures(gain)}/{figures(residual)}" for gain, residual in pairs)


def _fits(curve: Curve) -> list[str]:
    cells = []
    for fit in _FIT_NAMES:
        value, low, high = curve.fits[fit]
        ends = f"{figures(low.slope)} to {figures(high.slope)}"
        cells += [figures(value.slope), ends, figures(value.r_squared)]
    return cells
