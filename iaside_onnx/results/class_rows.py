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
        shrunk = None if found.shrunk is None else _estimate(found.shrunk, row)
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
                "shrunk": shrunk,
                "sid_shrunk": shrunk and shrunk["sid"],
                "srs_shrunk": shrunk and abs(shrunk["srs_signed"]),
                "srs_signed_shrunk": shrunk and shrunk["srs_signed"],
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


def shown_estimate(row: dict[str, Any]) -> dict[str, Any]:
    """The one estimate of a class that views show, of a row of `class_rows`.

    The credibility estimate where there is one, else that of the class's own images.
    """
    return row["shrunk"] or row


def estimate_note(found: ClassProfiles) -> str | None:
    """What views show of classes, in words; None where it is their own images alone."""
    if found.weight is None:
        return None
    return (
        "score and shares of a class are drawn towards those of all classes, as far as chance may "
        f"explain the difference, with {_weights(found.weight)} of the weight on its own images; "
        "'own images' is the signed score of those alone"
    )


def class_notes(found: ClassProfiles, few_images: int) -> list[str]:
    """What every view says about the classes that it shows."""
    return [note for note in (estimate_note(found), reservation(found, few_images)) if note]


def _weights(weight: NDArray[np.float64]) -> str:
    low, high = (f"{end:.0%}" for end in np.quantile(weight, [0, 1]))
    return low if low == high else f"{low} to {high}"


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
    weight = _weights(found.weight[found.few])
    return f"{counts}, on which {weight} of the weight of their profiles lies"
