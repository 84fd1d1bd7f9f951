"""Further trainings of a reference's recipe: which reports may stand for them, and their tables.

A replicate differs from the reference by the seed of its training alone, and was audited on the
same images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError
from ..results.report import Report
from .comparable import Named, check_game, permitted_differences, shared_rows

# Settings of a model that are fitted to each training, or belong to the machine.
_MAY_DIFFER = ("temperature", "tf32")


def replicate_rows(
    reference: Named, replicates: Sequence[Named], rows: NDArray[np.intp]
) -> list[NDArray[np.intp]]:
    """Where the replicates hold the images of some rows of the reference.

    Raises
    ------
    ReportError
        A replicate plays another game, has other images, labels, classes or settings of the model
        than the reference.
    """
    return [_places(reference, replicate)[rows] for replicate in replicates]


def _places(reference: Named, replicate: Named) -> NDArray[np.intp]:
    (first_name, first), (name, other) = reference, replicate
    check_game(reference, replicate)
    mine, theirs, _ = shared_rows(first_name, first, name, other)
    if not len(mine) == len(first.labels) == len(other.labels):
        raise ReportError(
            f"--replicate {name} shares {len(mine)} of its {len(other.labels)} images with the "
            f"{len(first.labels)} of {first_name}: audit it on the same images"
        )
    apart = [
        f"{entry['setting']} {entry['other']} against {entry['reference']}"
        for entry in permitted_differences(first, other)
        if entry["setting"] not in _MAY_DIFFER
    ]
    if first.data.get("classes") != other.data.get("classes"):
        apart.append(f"{other.data.get('classes')} classes against {first.data.get('classes')}")
    if apart:
        raise ReportError(
            f"--replicate {name} is no further training of {first_name}'s recipe, which differs "
            f"from it by its seed alone: {'; '.join(apart)}"
        )
    places = np.empty_like(theirs)
    places[mine] = theirs
    return places


def check_trainings(reports: Sequence[Named]) -> None:
    """Refuse one training that stands for two.

    Raises
    ------
    ReportError
        Two reports are of one model file, or give the same values on all their images.
    """
    for number, (name, report) in enumerate(reports):
        for earlier, before in reports[:number]:
            same_file = report.model["sha256"] == before.model["sha256"]
            if same_file or _same_values(before, report):
                how = "are of the same model file" if same_file else "hold the same values"
                raise ReportError(
                    f"{earlier} and {name} {how}: with --replicate every report must be of "
                    "another training; leave one out"
                )


def _same_values(first: Report, other: Report) -> bool:
    """The tables agree bit by bit on the same images, in whatever order."""
    if sorted(first.image_ids) != sorted(other.image_ids):
        return False
    orders = [np.argsort(np.array(report.image_ids)) for report in (first, other)]
    return np.array_equal(first.log_prob[orders[0]], other.log_prob[orders[1]])
