"""Signal-to-noise reports on a terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.table import Table

from ..results.part import part_note
from ..results.snr import Curve, SnrReport
from .terminal import table, terminal
from .text import figures, one_line, percent

_FIT_NAMES = {"power_law": "power law r^-p", "exponential": "exponential e^-kr"}


def print_snr(report: SnrReport) -> None:
    """SNR, gain and residual by band, and the fits, at the middle severity."""
    out = terminal()
    settings = report.settings
    severity = report.severities[report.middle]
    out.say(
        f"{one_line(report.data['source'])}: {len(report.image_ids)} images of "
        f"{settings['width']} x {settings['height']}, {len(report.perturbations)} perturbations x "
        f"{len(report.severities)} severities, {settings['bands']} bands ({settings['norm']}), "
        f"{report.rings} rings"
    )
    if attack := settings.get("attack"):
        out.say(
            f"{one_line(attack['name'])} attacks {one_line(attack['model'])}: radius "
            f"{attack['epsilon']:.4g} at severity 3, {attack['queries']} queries an image"
        )
    if note := part_note(report):
        out.say(note)
    bands = range(len(report.band_names))
    out.print(f"\nSignal-to-noise ratio by band, severity {severity}:")
    out.print(
        _rows(report, report.band_names, lambda at: [figures(at.snr.value[band]) for band in bands])
    )
    out.print(f"Gain and residual by band, severity {severity} (1 / 0: untouched):")
    out.print(
        _rows(
            report,
            report.band_names,
            lambda at: [
                f"{figures(at.gain.value[band])}/{figures(at.residual.value[band])}"
                for band in bands
            ],
        )
    )
    level = f"{percent(settings['confidence'])} int."
    out.print(f"Fall of the ratio with frequency, severity {severity} (rings without DC):")
    headings = [text for fit in _FIT_NAMES.values() for text in (fit, level, "R²")]
    out.print(_rows(report, headings, _fits))
    out.noted(report.run.get("warnings", []))


def _rows(report: SnrReport, headings: list[str], cells: Callable[[Curve], list[str]]) -> Table:
    """A row for each perturbation, of its curve at the middle severity."""
    made = table(["perturbation"], headings, tight=True)
    for name, curves in zip(report.perturbations, report.curves, strict=True):
        made.add_row(name, *cells(curves[report.middle]))
    return made


def _fits(curve: Curve) -> list[str]:
    cells = []
    for fit in _FIT_NAMES:
        value, low, high = curve.fits[fit]
        ends = f"{figures(low.slope)} to {figures(high.slope)}"
        cells += [figures(value.slope), ends, figures(value.r_squared)]
    return cells
