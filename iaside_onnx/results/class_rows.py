"""Profiles of the classes of a report as rows, and what to bear in mind about them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.profiles import LEAST_CLASSES, LEAST_FREEDOM, ClassProfiles, Estimate
from ..mathematics.proportion import wilson
from ..plurals import counted
from .value_table import ValueTable

# Classes that a note names; the others it counts.
_MOST_NAMED = 3


def class_rows(report: ValueTable) -> list[dict[str, Any]]:
    """One row of plain JSON values a class; the keys are those of `Report.per_class`."""
    profiles, gains = report.class_profiles, report.class_gains
    where = np.searchsorted(profiles.labels, report.labels)
    right = np.bincount(where, report.predicted == report.labels, len(profiles.labels))
    ends = wilson(right, profiles.images, report.confidence)
    rows, known = [], not report.of_own_answers
    for row, label in enumerate(profiles.labels.tolist()):
        own = _estimate(profiles.own, row)
        shrunk = None if profiles.shrunk is None else _estimate(profiles.shrunk, row)
        rows.append(
            {
                "class": label,
                "name": report.class_name(label),
                "n": int(profiles.images[row]),
                "few": bool(profiles.few[row]),
                "gain": float(gains.gain[row]),
                "no_finding": gains.reason(row),
                "accuracy": float(right[row] / profiles.images[row]) if known else None,
                "accuracy_low": float(ends[0][row]) if known else None,
                "accuracy_high": float(ends[1][row]) if known else None,
                "srs": abs(own["srs_signed"]),
                **own,
                "weight": None if profiles.weight is None else float(profiles.weight[row]),
                "shrunk": shrunk,
                "sid_shrunk": shrunk and shrunk["sid"],
                "srs_shrunk": shrunk and abs(shrunk["srs_signed"]),
                "srs_signed_shrunk": shrunk and shrunk["srs_signed"],
            }
        )
    return rows


def _estimate(estimate: Estimate, row: int) -> dict[str, Any]:
    values = {
        "shapley": estimate.shapley,
        "shapley_stderr": np.sqrt(np.diagonal(estimate.covariance, axis1=1, axis2=2)),
        "sid": estimate.sid,
        "sid_low": estimate.sid_low,
        "sid_high": estimate.sid_high,
        "srs_signed": estimate.signed,
        "srs_signed_low": estimate.signed_low,
        "srs_signed_high": estimate.signed_high,
    }
    # None where an estimate says nothing.
    return {
        key: None if np.isnan(value[row]).any() else value[row].tolist()
        for key, value in values.items()
    }


def shown_estimate(row: dict[str, Any]) -> dict[str, Any]:
    """The estimate of a class that views show: the credibility estimate, else that of its images.

    `row` is one of `class_rows`.
    """
    return row["shrunk"] or row


def by_score(report: ValueTable) -> NDArray[np.intp]:
    """Places of the classes in their profiles, in the one order that all views show them in.

    By the signed score that they show: the class that leans most on high bands first. Classes of
    which nothing may be read come last; before them those of which that is open.
    """
    signed = np.nan_to_num(report.class_profiles.best.signed, nan=np.inf)
    return np.asarray(np.lexsort([signed, report.class_gains.order]))


def finding_notes(report: ValueTable) -> list[str]:
    """Of which classes nothing may be read, and of which it is open whether something may."""
    gains = report.class_gains
    notes = []
    if gains.nothing.any():
        which = np.flatnonzero(gains.nothing)
        named = [
            f"{report.class_name(int(gains.labels[row]))} (v(none) {gains.empty[row]:.2f}, v(all) "
            f"{gains.grand[row]:.2f})"
            for row in which[:_MOST_NAMED]
        ]
        notes.append(
            f"no finding, nothing to share out between the bands, for {_of_all(gains.nothing)}: "
            + _listed(named, len(which))
        )
    if gains.open.any():
        which = np.flatnonzero(gains.open)
        named = [report.class_name(int(gains.labels[row])) for row in which[:_MOST_NAMED]]
        notes.append(
            "? too few images to tell whether there is enough to share out between the bands, in "
            f"{_of_all(gains.open)}: {_listed(named, len(which))}"
        )
    return notes


def _of_all(chosen: NDArray[np.bool_]) -> str:
    return f"{int(chosen.sum())} of {counted(len(chosen), 'class', 'classes')}"


def _listed(named: list[str], count: int) -> str:
    more = count - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def class_notes(profiles: ClassProfiles, few_images: int) -> list[str]:
    """What every view says about the classes that it shows."""
    notes = estimate_note(profiles), reservation(profiles, few_images)
    return [note for note in notes if note]


def estimate_note(profiles: ClassProfiles) -> str | None:
    """What views show of classes, in words; None where it is their own images alone."""
    if profiles.weight is None:
        return None
    return (
        "score and shares of a class are drawn towards those of all classes, as far as chance may "
        f"explain the difference, with {_weights(profiles.weight)} of the weight on its own "
        "images; 'own images' is the signed score of those alone"
    )


def reservation(profiles: ClassProfiles, few_images: int) -> str | None:
    """What to bear in mind about classes of few images; None where there are none."""
    few = int(profiles.few.sum())
    if not few:
        return None
    classes = counted(len(profiles.few), "class", "classes")
    counts = f"{few} of {classes} have fewer than {few_images} images"
    if profiles.weight is None:
        return (
            f"{counts}, too few to tell classes from chance (at least {LEAST_CLASSES} classes "
            f"and {LEAST_FREEDOM} images more than classes are needed): profiles of single "
            "classes are mostly noise; audit more images of each class"
        )
    weight = _weights(profiles.weight[profiles.few])
    return f"{counts}, on which {weight} of the weight of their profiles lies"


def _weights(weight: NDArray[np.float64]) -> str:
    low, high = (f"{end:.0%}" for end in np.quantile(weight, [0, 1]))
    return low if low == high else f"{low} to {high}"
