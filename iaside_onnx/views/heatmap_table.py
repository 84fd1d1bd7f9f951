"""Fourier heat maps on a terminal: what perturbations within each band do."""

from __future__ import annotations

import numpy as np

from ..plurals import counted
from ..results.banded import bands_said
from ..results.finding import NOT_A_FINDING, no_finding
from ..results.heatmap import HeatmapReport
from ..results.report import Report
from .terminal import table, terminal
from .text import band_labels, clean_words, number, one_line, percent, rank_text, value_and_ends

_BAR_WIDTH = 20


def print_heatmap(report: HeatmapReport, analysis: Report | None = None) -> None:
    """Error and mean prediction error by band, and how the SID of an analysis goes with them."""
    shown = report if analysis is None else report.seen_as(analysis)
    out, settings, damage = terminal(), shown.settings, shown.band_damage
    height, width = settings["size"]
    reason = None if analysis is None else no_finding(analysis)
    if reason is not None:
        out.say(f"Of the analysis: {one_line(reason)}", bold=True, red=True)
    out.heading(
        shown,
        f"{counted(len(shown.labels), 'image')} of {width} x {height}, "
        f"{clean_words(shown, 'clean error', shown.clean_error)}; "
        f"{len(shown.grid.vectors)} Fourier basis vectors of l2 norm "
        f"{settings['strength']:.4g} in each channel, "
        f"{bands_said(settings)}",
    )
    level = f"{percent(settings['confidence'])} interval"
    sid = "SID" if reason is None else f"SID ({NOT_A_FINDING})"
    headings = ["band", "coefficients", shown.error_name, level, shown.change_name, level]
    shares = damage.mpe.value
    largest = float(np.nanmax(shares))
    rows = [
        [
            name,
            str(damage.coefficients[row]),
            *value_and_ends(damage.error[row]),
            *value_and_ends(damage.mpe[row]),
            *([number(analysis.sid[row])] if analysis is not None else []),
        ]
        for row, name in enumerate(band_labels(shown))
    ]
    further = [sid] * (analysis is not None)
    bars = shares / largest if largest > 0 else shares
    out.print(table(headings[:1], headings[1:] + further, rows, bars=bars, longest=_BAR_WIDTH))
    if not damage.coefficients.all():
        out.print("The grid has no frequency in the bands without numbers: use a finer --grid.")
    if analysis is not None and reason is None:
        ranks = report.rank_correlation(analysis)
        mpe_text, error_text = (
            "not defined" if ranks[key] is None else rank_text(ranks[key])
            for key in ("mpe", "error")
        )
        out.say(
            f"Spearman's correlation over {np.count_nonzero(damage.coefficients)} bands, SID with "
            f"{shown.change_name} {mpe_text}, with {shown.error_name} {error_text}"
        )
    out.noted(shown.run["warnings"])
