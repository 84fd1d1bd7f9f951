"""Robustness reports on a terminal."""

from __future__ import annotations

from rich.table import Table

from ..comparisons.baseline import Relative
from ..results.robustness import RobustnessReport
from .terminal import table, terminal
from .text import ends, number, one_line, percent, with_interval


def print_robustness(report: RobustnessReport, baseline: RobustnessReport | None = None) -> None:
    """Errors under corruptions and attacks, and against a baseline where there is one."""
    out = terminal()
    level = percent(report.confidence)
    relative = None if baseline is None else report.against(baseline)
    damage = report.damage
    out.say(
        f"{one_line(report.model['path'])} on {one_line(report.data['source'])}: "
        f"{len(report.labels)} images of {report.settings['width']} x "
        f"{report.settings['height']}, {len(report.perturbations)} corruptions x severities "
        f"{', '.join(map(str, report.severities))}",
        f"Clean error: {with_interval(report.clean_spread, level)}",
    )
    out.print(_corruptions(report, relative, level))
    out.say(
        f"Mean error: {with_interval(damage.mean_error, level)}",
        f"Mean mPE: {with_interval(damage.mean_mpe, level)}",
    )
    if relative is not None:
        out.say(
            f"mCE against {one_line(relative.model['path'])}: "
            f"{with_interval(relative.mce, level)}; relative mCE: "
            f"{with_interval(relative.relative_mce, level)}",
            *(f"Mind: {note}" for note in relative.notes),
        )
    if report.attacks:
        out.print(_attacks(report, level))
    out.noted(report.run.get("warnings", []))


def _corruptions(report: RobustnessReport, relative: Relative | None, level: str) -> Table:
    headings = ["error", f"{level} int.", "by severity", "mPE", f"{level} int."]
    headings += [] if relative is None else ["CE", f"{level} int."]
    made = table(["corruption"], headings, tight=True)
    damage = report.damage
    for row, name in enumerate(report.perturbations):
        error, mpe = damage.corruption_errors[row], damage.corruption_mpe[row]
        by_severity = (number(value, 2).removeprefix("0") for value in damage.errors[row].value)
        cells = [number(error.value), ends(error), " ".join(by_severity)]
        cells += [number(mpe.value), ends(mpe)]
        if relative is not None:
            cells += [number(relative.ce[row].value), ends(relative.ce[row])]
        made.add_row(one_line(name), *cells)
    return made


def _attacks(report: RobustnessReport, level: str) -> Table:
    headings = (
        "epsilon", "queries", "images", "clean error", "error", f"{level} int.", "mPE",
        "median queries",
    )  # fmt: skip
    made = table(["attack"], headings, tight=True)
    for place, attack in enumerate(report.attacks):
        attacked = report.attacked[:, place]
        error = report.adversarial_spread[place]
        median = report.median_queries(place)
        made.add_row(
            one_line(attack["name"]),
            f"{attack['epsilon']:.4g}",
            f"{attack['queries']:,}",
            str(int(attacked.sum())),
            number(report.clean_wrong[attacked].mean()),
            number(error.value),
            ends(error),
            number(report.adversarial_mpe[place]),
            "-" if median is None else f"{median:,.0f}",
        )
    return made
