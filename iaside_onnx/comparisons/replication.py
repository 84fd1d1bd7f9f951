"""Further trainings of a reference's recipe: which reports may stand for them, and their images.

A replicate differs from the reference by the seed of its training alone, and was audited on the
same images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError
from ..results.report import Report
from ..setting_roles import SETTINGS, Belongs
from ..spelling import option
from .comparable import Agreement, Named


def replicate_rows(reference: Named, replicate: Named, agreed: Agreement) -> NDArray[np.intp]:
    """Where a replicate, which agrees so with the reference, holds each image of it.

    Raises `ReportError` where the replicate plays another game, or has other images, labels,
    classes or settings of the model than the reference.
    """
    (first_name, first), (name, other) = reference, replicate
    if agreed.rows[0].size and any(agreed.left_out.values()):
        raise ReportError(
            f"{option('replicates', name)} shares {len(agreed.rows[0])} of its "
            f"{len(other.labels)} images with the {len(first.labels)} of {first_name}: audit it on "
            "the same images"
        )
    agreed.check()
    apart = [
        f"{entry['setting']} {entry['other']} against {entry['reference']}"
        for entry in agreed.settings
        if SETTINGS.get(entry["setting"]) is not Belongs.FITTED
    ]
    if first.data.get("classes") != other.data.get("classes"):
        apart.append(f"{other.data.get('classes')} classes against {first.data.get('classes')}")
    if apart:
        raise ReportError(
            f"{option('replicates', name)} is no further training of {first_name}'s recipe, "
            f"which differs from it by its seed alone: {'; '.join(apart)}"
        )
    rows = np.empty_like(agreed.rows[1])
    rows[agreed.rows[0]] = agreed.rows[1]
    return rows


def check_trainings(reports: Sequence[Named]) -> None:
    """Refuse reports of one model file, or that give the same values on all their images."""
    for number, (name, report) in enumerate(reports):
        for earlier, before in reports[:number]:
            same_file = report.model["sha256"] == before.model["sha256"]
            if same_file or _same_values(before, report):
                how = "are of the same model file" if same_file else "hold the same values"
                raise ReportError(
                    f"{earlier} and {name} {how}: with {option('replicates')} every report must "
                    "be of another training; leave one out"
                )


def _same_values(*reports: Report) -> bool:
    """The tables agree bit by bit on the same images, in whatever order."""
    if len({tuple(sorted(report.image_ids)) for report in reports}) > 1:
        return False
    first, other = (report.table[np.argsort(np.array(report.image_ids))] for report in reports)
    return np.array_equal(first, other)
