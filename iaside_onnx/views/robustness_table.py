"""Robustness reports on a terminal."""

from __future__ import annotations

import math
from typing import SupportsFloat

from rich import box
from rich.table import Table

from ..comparisons.baseline import relative
from ..results.robustness import Relative, RobustnessReport
from ..results.spread import Spread
from .terminal import terminal
from .text import one_line

_LOST = "lost log-prob"


def print_robustness(report: RobustnessReport, baseline: RobustnessReport | None = None) -> None:
    """Errors under corruptions and attacks, and against a baseline where there is one."""
    out = terminal()
    level = f"{report.confidence:.0%}"
    held = None if baseline is None else relative(report, baseline)
    out.print(
        f"{one_line(report.model['path'])} on {one_line(report.data['source'])}: "
        f"{len(report.labels)} images of {report.settings['width']} x "
        f"{report.settings['height']}, {len(report.perturbations)} corruptions x severities "
        f"{', '.join(map(str, report.severities))}",
        soft_wrap=True,
    )
    out.print(f"Clean error: {_with_interval(report.clean_spread, level)}", soft_wrap=True)
    tables = [_corruptions(report, held, level, lost=True)]
    if out.measure(tables[0], options=out.options.update(max_width=500)).maximum > out.width:
        tables = [_corruptions(report, held, level, lost=False), _lost(report, level)]
    out.print(*tables)
    out.print(f"Mean error: {_with_interval(report.damage.mean_error, level)}", soft_wrap=True)
    out.print(f"Mean mPE: {_with_interval(report.damage.mean_mpe, level)}", soft_wrap=True)
    if held is not None:
        out.print(
            f"mCE against {one_line(held.model['path'])}: {_with_interval(held.mce, level)}; "
            f"relative mCE: {_with_interval(held.relative_mce, level)}",
            soft_wrap=True,
        )
        for note in held.notes:
            out.print(f"Mind: {note}", soft_wrap=True)
    if report.attacks:
        out.print(_attacks(report, level))
    for warning in report.run.get("warnings", []):
        out.print(f"Noted during the run: {one_line(str(warning))}", soft_wrap=True)


def _corruptions(
    report: RobustnessReport, held: Relative | None, level: str, *, lost: bool
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("corruption", no_wrap=True)
    ends = f"{level} int."
    headings = ["error", ends, "by severity", "mPE", ends]
    headings += [_LOST, ends] if lost else []
    headings += [] if held is None else ["CE", ends]
    for heading in headings:
        table.add_column(heading, justify="right")
    damage = report.damage
    for row, name in enumerate(report.perturbations):
        error, mpe = damage.corruption_errors[row], damage.corruption_mpe[row]
        cells = [
            *_cells(error),
            " ".join(f"{value:.2f}".removeprefix("0") for value in damage.errors[row].value),
            *_cells(mpe),
        ]
        if lost:
            cells += _cells(report.lost_log_prob[row])
        if held is not None:
            cells += _cells(held.ce[row])
        table.add_row(one_line(name), *cells)
    return table


def _lost(report: RobustnessReport, level: str) -> Table:
    """What corruptions take from the log-probability, for terminals too narrow for one table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("corruption", no_wrap=True)
    table.add_column(_LOST, justify="right")
    table.add_column(f"{level} int.", justify="right")
    for row, name in enumerate(report.perturbations):
        table.add_row(one_line(name), *_cells(report.lost_log_prob[row]))
    return table


def _attacks(report: RobustnessReport, level: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("attack", no_wrap=True)
    headings = (
        "epsilon", "queries", "images", "clean error", "error", f"{level} int.", "mPE",
        "median queries",
    )  # fmt: skip
    for heading in headings:
        table.add_column(heading, justify="right")
    for place, attack in enumerate(report.attacks):
        attacked = report.attacked[:, place]
        error = report.adversarial_spread[place]
        median = report.median_queries(place)
        table.add_row(
            one_line(attack["name"]),
            f"{attack['epsilon']:.4g}",
            f"{attack['queries']:,}",
            str(int(attacked.sum())),
            _number(report.clean_wrong[attacked].mean()),
            *_cells(error),
            _number(report.adversarial_mpe[place]),
            "-" if median is None else f"{median:,.0f}",
        )
    return table


def _with_interval(spread: Spread, level: str) -> str:
    return f"{_number(spread.value)} [{level}: {_ends(spread)}]"


def _cells(spread: Spread) -> list[str]:
    return [_number(spread.value), _ends(spread)]


def _ends(spread: Spread) -> str:
    return f"{_number(spread.low)} to {_number(spread.high)}"


def _number(quantity: SupportsFloat) -> str:
    """Three decimals; what is not defined as a sign."""
    value = float(quantity)
    if math.isnan(value):
        return "-"
    return "inf" if math.isinf(value) else f"{value:.3f}"
