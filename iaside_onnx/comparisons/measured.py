"""What two models get right under the same corruptions, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..mathematics.paired import Difference, holm, mean_differences, right_answers
from ..results.robustness import RobustnessReport
from .comparable import contents_of, shared_rows
from .gated import wrong_under

Named = tuple[str, RobustnessReport]


@dataclass(frozen=True)
class Differences:
    """Shares of right answers, or of each model's own answers: other minus reference.

    Attributes
    ----------
    rows : tuple of ndarray of int
        Shared images as rows of the reference and of the other.
    clean : Difference or None
        On clean images; None where labels are the models' own answers, or there are none.
    every : Difference
        Under all corruptions, mean over them and the severities.
    groups, corruptions : dict of str to Difference
        Means over severities; ``p_holm`` over each family.
    """

    rows: tuple[NDArray[np.intp], NDArray[np.intp]]
    clean: Difference | None
    every: Difference
    groups: dict[str, Difference]
    corruptions: dict[str, Difference]


def paired(reference: Named, other: Named, severities: Sequence[int]) -> Differences:
    """How two models differ on the images that both measured, at the reference's confidence.

    Raises
    ------
    ReportError
        They share too few images, or other images under the same names.
    """
    first, second = reference[1], other[1]
    rows = shared_rows(reference, other)
    contents_of(reference, other, rows)
    kinds = first.settings["kinds"]
    groups = list(dict.fromkeys(kinds[each] for each in first.perturbations))
    names, seed = [*groups, *first.perturbations], int(first.settings["seed"])
    clean: Difference | None = None
    if first.accuracy is not None:
        before, after = ~first.clean_wrong[rows[0]], ~second.clean_wrong[rows[1]]
        clean = right_answers(before, after, first.confidence)
    before_after = [
        _table(report, at, names, severities)
        for report, at in zip((first, second), rows, strict=True)
    ]
    *rest, every = mean_differences(before_after[0], before_after[1], first.confidence, seed)
    return Differences(
        rows,
        clean,
        every,
        dict(zip(groups, _adjusted(rest[: len(groups)]), strict=True)),
        dict(zip(first.perturbations, _adjusted(rest[len(groups) :]), strict=True)),
    )


def _table(
    report: RobustnessReport,
    rows: NDArray[np.intp],
    names: Sequence[str],
    severities: Sequence[int],
) -> NDArray[np.float64]:
    """Right answers to each image under corruptions of each name, and then under all, (n, k)."""
    wrong = [wrong_under(report, name, severities)[rows] for name in names]
    every = np.mean(wrong[len(names) - len(report.perturbations) :], axis=0)
    return np.asarray(1.0 - np.concatenate([*wrong, every], axis=1))


def _adjusted(family: Sequence[Difference]) -> list[Difference]:
    adjusted = holm(np.array([each.p for each in family]))
    return [replace(each, p_holm=float(p)) for each, p in zip(family, adjusted, strict=True)]
