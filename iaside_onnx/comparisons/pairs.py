"""What a comparison holds: a pair for every report after the reference."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..mathematics.paired import Difference
from ..results.shown import Shown


@dataclass(frozen=True)
class ClassDifference:
    """One class of a pair; differences only with at least 20 images, None with fewer.

    Where `no_finding` says that the shares of a side may not be read, its score has no difference.
    """

    label: int
    name: str
    images: int
    srs_signed: Difference | None = None
    accuracy: Difference | None = None
    no_finding: str | None = None


@dataclass(frozen=True)
class Pair:
    """One report compared with the reference.

    Attributes
    ----------
    report, model : str, dict
        The report's name, and its model.
    shared : int
        Images in both reports; everything below speaks of these alone.
    left_out : dict
        Images of ``reference`` and ``other`` that the pair leaves out.
    contents : str
        "equal" where digests prove the images equal, else "not checked".
    identical : bool
        Every value of both tables is the same.
    settings : list of dict
        Permitted differences: ``setting``, ``reference``, ``other``.
    notes : list of str
        What to bear in mind.
    srs_signed, srs, accuracy, mean_log_prob : Difference
        Like those of bands `TrainingDifference` where the reference has replicates.
        The accuracy is None where labels are the models' own answers.
    right_alone : dict or None
        Images that only ``reference``, only ``other`` gets right.
    sid, shapley : list of Difference
        One a band; ``p_holm`` over the bands of this pair.
    per_class : list of ClassDifference or None
        ``p_holm`` over the classes of this pair with enough images; between the two files alone,
        also where the reference has replicates.
    equivalent : bool or None
        The interval of the signed score lies within the margin; None where none was given, or
        the scores are no findings.
    verdict : dict
        Plain sentences: ``score``, ``bands``, ``accuracy``, and ``margin`` where one was given.
    no_finding : list of str
        Why reports of the pair say nothing; then only accuracy is judged.
    """

    report: str
    model: dict[str, Any]
    shared: int
    left_out: dict[str, int]
    contents: str
    identical: bool
    settings: list[dict[str, Any]]
    notes: list[str]
    srs_signed: Difference
    srs: Difference
    accuracy: Difference | None
    right_alone: dict[str, int] | None
    mean_log_prob: Difference
    sid: list[Difference]
    shapley: list[Difference]
    per_class: list[ClassDifference] | None
    equivalent: bool | None
    verdict: dict[str, str]
    no_finding: list[str]


@dataclass(frozen=True)
class Comparison(Shown):
    """Result of `compare`.

    Attributes
    ----------
    reference : dict
        ``report``, ``model``, ``data``.
    replicates : list of dict
        ``report``, ``model`` of further trainings of the reference's recipe.
    view : dict
        ``value``, ``beta``, ``confidence``: one set for all reports.
    bands : list of str
        Names of the players, lowest first.
    srs_range : tuple of float
        Ends of the signed score.
    margin : float or None
    pairs : list of Pair
    """

    reference: dict[str, Any]
    replicates: list[dict[str, Any]]
    view: dict[str, Any]
    bands: list[str]
    srs_range: tuple[float, float]
    margin: float | None
    pairs: list[Pair]

    def summary(self) -> dict[str, Any]:
        """The result as plain JSON values; the keys are those of ``iaside compare --json``."""
        return asdict(self)
