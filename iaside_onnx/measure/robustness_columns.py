"""The columns of a table of robustness: what stands where, and the table of a finished report."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..results.robustness import RobustnessReport
from ..storage.partial import Columns

# Numbers in a row of the table: of the clean image, of each corruption at a severity, and of
# each attack.
CLEAN, OF_CELL, OF_ATTACK = 2, 4, 3
# Attributes of a report that its settings lack.
WHAT = ("perturbations", "severities", "attacks")


def columns_of(cells: int, attacks: int, tally: int) -> int:
    """Numbers in a row of the table; `tally` of them are of one corrupted image's tally."""
    return CLEAN + OF_CELL * cells + OF_ATTACK * attacks + tally * cells


def table_parts(cells: int, attacks: int, tally: int = 0) -> list[Columns]:
    """Columns that are filled together, for a number of corrupted images and of attacks."""
    first = CLEAN + OF_CELL * cells
    corruptions: list[Columns] = [slice(first)]
    if tally:
        last = first + OF_ATTACK * attacks
        corruptions = [[*range(first), *range(last, columns_of(cells, attacks, tally))]]
    return corruptions + [
        [first + column * attacks + number for column in range(OF_ATTACK)]
        for number in range(attacks)
    ]


def settings_of_answers(report: RobustnessReport) -> dict[str, Any]:
    """Settings that determined the table of a finished report, which may hold its view as well."""
    return {**report.settings, **{name: getattr(report, name) for name in WHAT}}


def table_of(report: RobustnessReport) -> NDArray[np.float32]:
    """The table that a report was made of; zeros where an early one does not hold probabilities."""
    rows, cells = len(report.labels), report.wrong.shape
    clean, corrupted = report.max_prob, report.corrupted_max_prob
    if not report.of_classes:
        clean, corrupted = report.share, report.corrupted_share
    columns: list[NDArray[Any]] = [
        report.values[0],
        np.zeros(rows) if clean is None else clean,
        report.wrong,
        report.change,
        report.values[1],
        np.zeros(cells) if corrupted is None else corrupted,
        report.attack_wrong,
        report.attack_queries,
        report.attack_change,
    ]
    if report.corrupted_tally is not None:
        columns.append(report.corrupted_tally)
    flat = [np.asarray(column, np.float32).reshape(rows, -1) for column in columns]
    return np.concatenate(flat, axis=1)
