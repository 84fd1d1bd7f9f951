"""Fourier heat maps on a terminal: what perturbations within each band do."""

from __future__ import annotations

import numpy as np
from rich import box
from rich.table import Table

from ..results.finding import NOT_A_FINDING, no_finding
from ..results.heatmap import HeatmapReport
from ..results.report import Report
from ..results.spread import Spread
from .terminal import share_bar, terminal
from .text import one_line

_BAR_WIDTH = 20


def print_heatmap(report: HeatmapReport, analysis: Report | None = None) -> None:
    """Error and mean prediction error by band, and how the SID of an analysis goes with them."""
    seen = report if analysis is None else report.seen_as(analysis)
    out, settings, damage = terminal(), seen.settings, seen.band_damage
    height, width = settings["size"]
    reason = None if analysis is None else no_finding(analysis)
    if reason is not None:
        out.print(f"Of the analysis: {one_line(reason)}", soft_wrap=True, style="bold red")
    out.print(
        f"{one_line(seen.model['path'])} on {one_line(seen.data['source'])}: "
        f"{len(seen.labels)} images of {width} x {height}, clean error {seen.clean_error:.3f}; "
        f"{len(seen.grid.vectors)} Fourier basis vectors of l2 norm {settings['strength']:.4g} in "
        f"each channel, {settings['bands']} bands ({settings['norm']})",
        soft_wrap=True,
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    level = f"{settings['confidence']:.0%} interval"
    headings = ["band", "coefficients", "error", level, "mPE", level]
    sid = "SID" if reason is None else f"SID ({NOT_A_FINDING})"
    for heading in [*headings, *([sid] if analysis is not None else [])]:
        table.add_column(heading, justify="right")
    table.add_column("", min_width=_BAR_WIDTH)
    known = damage.mpe.value[np.isfinite(damage.mpe.value)]
    names = seen.band_names
    for row, name in enumerate(names):
        note = " (lowest)" if row == 0 else " (highest)" if row == len(names) - 1 else ""
        share = float(damage.mpe.value[row])
        table.add_row(
            name + note,
            str(damage.coefficients[row]),
            *_cells(damage.error, row),
            *_cells(damage.mpe, row),
            *([f"{analysis.sid[row]:.3f}"] if analysis is not None else []),
            share_bar(share, float(known.max()), _BAR_WIDTH) if np.isfinite(share) else "",
        )
    out.print(table)
    if not damage.coefficients.all():
        out.print("The grid has no frequency in the bands without numbers: use a finer --grid.")
    if analysis is not None and reason is None:
        found = report.rank_correlation(analysis)
        texts = [
            f"{name} {'not defined' if value is None else f'{value:+.2f}'}"
            for name, value in (("mPE", found["mpe"]), ("error", found["error"]))
        ]
        many = np.count_nonzero(damage.coefficients)
        out.print(
            f"Spearman's correlation over {many} bands, SID with {', with '.join(texts)}",
            soft_wrap=True,
        )
    for warning in seen.run["warnings"]:
        out.print(f"Noted during the run: {one_line(warning)}", soft_wrap=True)


def _cells(spread: Spread, row: int) -> tuple[str, str]:
    value, low, high = (float(part[row]) for part in (spread.value, spread.low, spread.high))
    if not np.isfinite(value):
        return "-", "-"
    return f"{value:.3f}", f"{low:.3f} to {high:.3f}"
