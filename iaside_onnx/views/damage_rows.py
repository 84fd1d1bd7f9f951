"""Damage reports as rows: their order, what each is called, and numbers in their unit as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..comparisons.damage_agreement import bands_apart
from ..errors import UsageError
from ..plurals import plural
from ..results.damage import DamageReport
from ..results.damage_words import perturbation_name
from ..results.fed import by_file, by_subject
from ..results.spread import Spread
from ..tasks import VALUED
from .model_names import ways_told
from .text import UNDEFINED, model_name, number, one_line, shortened

MOST_ROWS = 100
# What is counted, as the title of an axis.
LOST = {
    "right": "points of accuracy lost",
    "same-answer": "points of the same answer lost",
    "log-prob": "log-probability lost, nats",
    **{each.value: f"{each.quantity} lost" for each in VALUED},
}


def check_together(reports: Sequence[DamageReport], names: Sequence[str], what: str) -> None:
    """Refuse reports that do not go on one picture or page with a `UsageError`."""
    if len(reports) > MOST_ROWS:
        raise UsageError(f"a {what} takes 1 to {MOST_ROWS} damage reports, not {len(reports)}")
    for report, name in zip(reports[1:], names[1:], strict=True):
        if apart := bands_apart(reports[0], report):
            raise UsageError(f"not on one {what}: {name} and {names[0]}: {'; '.join(apart)}")


def in_order(
    reports: Sequence[DamageReport],
) -> tuple[list[DamageReport], list[str], list[str]]:
    """Reports in the order in which they are shown, with what each row is called.

    By perturbation, the most harmful first, then by severity and by model. Returns the reports,
    names of rows, and what all rows share, which a heading says once.
    """
    groups: dict[str, list[DamageReport]] = {}
    for report in reports:
        groups.setdefault(str(report.settings["perturbation"]["name"]), []).append(report)

    def harm(group: list[DamageReport]) -> float:
        return -float(np.mean([report.damage.value for report in group]))

    called_so = model_names(reports)
    models = list(dict.fromkeys(called_so))
    by_report = {id(report): name for report, name in zip(reports, called_so, strict=True)}
    ordered = [
        report
        for group in sorted(groups.values(), key=harm)
        for report in sorted(
            group, key=lambda report: (_strength(report), models.index(by_report[id(report)]))
        )
    ]
    several = len(models) > 1
    called = [
        perturbation_name(report.settings["perturbation"])
        + (f", {by_report[id(report)]}" if several else "")
        for report in ordered
    ]
    shared = [] if several else [shortened(models[0], 30)]
    images = sorted({len(report.labels) for report in reports})
    span = str(images[0]) if len(images) == 1 else f"{images[0]} to {images[-1]}"
    shared.append(f"{span} {plural(images[-1], 'image')}")
    return ordered, [one_line(name) for name in called], shared


def model_names(reports: Sequence[DamageReport]) -> list[str]:
    """What each report's model is called; those of one name in different folders by their paths.

    Where a file is fed in several ways, what tells these apart follows in brackets.
    """
    paths = {str(report.model["path"]): model_name(report) for report in reports}
    alike = len(set(paths.values())) < len(paths)
    names = [str(report.model["path"]) if alike else model_name(report) for report in reports]
    subjects = by_subject(reports)
    for numbers in by_file(reports):
        own = [group for group in subjects if group[0] in numbers]
        if len(own) > 1:
            told = ways_told([reports[group[0]] for group in own])
            for group, words in zip(own, told, strict=True):
                for number in group:
                    names[number] = f"{names[number]} ({words})"
    return list(map(one_line, names))


def notes_beside(reports: Sequence[DamageReport]) -> list[str]:
    """What to bear in mind where reports stand side by side: other images, or another seed."""
    if len({tuple(sorted(report.image_ids)) for report in reports}) < 2:
        return []
    return [
        "These reports are not of the same images: rows may differ because their images do. "
        "iaside compare pairs two on the images that they share."
    ]


def _strength(report: DamageReport) -> float:
    perturbation = report.settings["perturbation"]
    return float(perturbation.get("severity", perturbation.get("epsilon", 0.0)))


def holds_zero(spread: Spread) -> NDArray[np.bool_]:
    """Where the interval of a quantity holds 0, so that it cannot be told apart from none."""
    return np.asarray((spread.low <= 0) & (spread.high >= 0))


def digits_of(report: DamageReport) -> int:
    """Digits after the point of what is counted in the report's unit."""
    return 1 if report.in_points else 3


def unit_heading(report: DamageReport) -> str:
    """The unit, as short as the heading of a column."""
    return "points" if report.in_points else report.task.unit


def signed(value: Any, digits: int) -> str:
    """A number without a minus before 0; a sign where there is none."""
    return UNDEFINED if value is None else number(round(float(value), digits) + 0.0, digits)


def ends(report: DamageReport, spread: Spread) -> str:
    """The interval of a quantity in the report's unit."""
    digits = digits_of(report)
    return f"{signed(spread.low, digits)} to {signed(spread.high, digits)}"


def cell(value: float, report: DamageReport) -> str:
    """A number for the cell of a map: as short as it can be."""
    if not report.in_points:
        return signed(value, 2)
    return signed(value, 1 if abs(value) < 9.95 else 0)
