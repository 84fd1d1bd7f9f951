"""Profiles of the classes of a report as rows, and what to bear in mind about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.profiles import LEAST_CLASSES, LEAST_FREEDOM, ClassProfiles, Estimate
from ..mathematics.proportion import wilson

if TYPE_CHECKING:
    from .report import Report


def class_rows(report: Report) -> list[dict[str, Any]]:
    """One row of plain JSON values a class; the keys are those of `Report.per_class`."""
    found = report.class_profiles
    where = np.searchsorted(found.labels, report.labels)
    right = np.bincount(where, report.predicted == report.labels, len(found.labels))
    accuracy = right / found.images
    low, high = wilson(right, found.images, report.confidence)
    rows = []
    for row, label in enumerate(found.labels):
        own = _estimate(found.own, row)
        rows.append(
            {
                "class": int(label),
                "name": report.class_name(int(label)),
                "n": int(found.images[row]),
                "few": bool(found.few[row]),
                "accuracy": float(accuracy[row]),
                "accuracy_low": float(low[row]),
                "accuracy_high": float(high[row]),
                "srs": abs(own["srs_signed"]),
                **own,
                "weight": None if found.weight is None else float(found.weight[row]),
                "shrunk": None if found.shrunk is None else _estimate(found.shrunk, row),
            }
        )
    return rows


def _estimate(found: Estimate, row: int) -> dict[str, Any]:
    return {
        "shapley": found.shapley[row].tolist(),
        "shapley_stderr": _known(np.sqrt(np.diagonal(found.covariance[row]))),
        "sid": found.sid[row].tolist(),
        "sid_low": _known(found.sid_low[row]),
        "sid_high": _known(found.sid_high[row]),
        "srs_signed": float(found.signed[row]),
        "srs_signed_low": _known(found.signed_low[row]),
        "srs_signed_high": _known(found.signed_high[row]),
    }


def _known(values: NDArray[np.float64]) -> Any:
    """Numbers as JSON values; None where they are not known."""
    return None if np.isnan(values).any() else values.tolist()


def reservation(found: ClassProfiles, few_images: int) -> str | None:
    """What to bear in mind about classes of few images; None where there are none."""
    few = int(found.few.sum())
    if not few:
        return None
    counts = f"{few} of {len(found.few)} classes have fewer than {few_images} images"
    if found.weight is None:
        return (
            f"{counts}, too few to tell classes from chance (at least {LEAST_CLASSES} classes "
            f"and {LEAST_FREEDOM} images more than classes are needed): profiles of single "
            "classes are mostly noise; audit more images of each class"
        )
    low, high = (f"{end:.0%}" for end in np.quantile(found.weight[found.few], [0, 1]))
    weight = low if low == high else f"{low} to {high}"
    return (
        f"{counts}: their profiles are drawn towards that of all classes, with {weight} of the "
        "weight on their own images"
    )
