"""Which reports may be compared, and on which images.

What defines the game on pixels must be equal; what belongs to a model (its preprocessing, output,
temperature) may differ and is named.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError
from ..settings import Settings
from .report import Report

VIEW = ("value", "beta", "confidence")
# Settings that belong to the model or choose the images; every other one defines the game.
_FREE = {
    *VIEW, "samples", "players", "preprocess", "input", "output", "layout", "output_kind",
    "label_offset", "temperature", "tf32",
}  # fmt: skip
_NAMED = ("temperature", "output_kind", "label_offset", "layout", "tf32")
# Parts of a preprocessing recipe that decide which pixels an image has.
_GEOMETRY = ("resize", "crop", "interpolation", "antialias", "pad", "pad_position")
_LEAST_IMAGES = 2


def check_game(first_name: str, first: Report, name: str, other: Report) -> None:
    """Refuse tables of different games.

    Raises
    ------
    ReportError
        The message names every setting that differs, with both values.
    """
    defaults = asdict(Settings())
    differ = []
    for key in dict.fromkeys([*defaults, *first.settings, *other.settings]):
        # Without noise or stand-in images the seed only chooses the sample.
        if key in _FREE or (key == "seed" and first.settings.get("absence") in ("mean", "zero")):
            continue
        ours, theirs = (r.settings.get(key, defaults.get(key)) for r in (first, other))
        if ours != theirs:
            differ.append(f"{key} {theirs} against {ours}")
    if not differ and first.players != other.players:
        differ.append(f"{other.players} players against {first.players}")
    if differ:
        raise ReportError(
            f"{name} and {first_name} play different games: {'; '.join(differ)}; make one of the "
            "reports anew with the settings of the other"
        )


def shared_rows(
    first_name: str, first: Report, name: str, other: Report
) -> tuple[NDArray[np.intp], NDArray[np.intp], str]:
    """Rows of the shared images in both reports, in the order of their ids.

    Returns
    -------
    rows of the first, rows of the other : ndarray of int, shape (n,)
    contents : str
        "equal" where digests prove the images equal, else "not checked".

    Raises
    ------
    ReportError
        An id occurs twice, fewer than two are shared, or labels or contents differ.
    """
    places = []
    for label, report in ((first_name, first), (name, other)):
        place = {image: row for row, image in enumerate(report.image_ids)}
        if len(place) < len(report.image_ids):
            raise ReportError(f"{label}: holds an image id twice, so images cannot be paired")
        places.append(place)
    ids = sorted(places[0].keys() & places[1].keys())
    if len(ids) < _LEAST_IMAGES:
        raise ReportError(
            f"{name} and {first_name} share {len(ids)} image(s) of {len(places[1])} and "
            f"{len(places[0])}; at least {_LEAST_IMAGES} are needed: audit both models on the "
            "same images"
        )
    mine, theirs = (np.array([place[image] for image in ids], np.intp) for place in places)
    labels = first.labels[mine], other.labels[theirs]
    wrong = np.flatnonzero(labels[0] != labels[1])
    if wrong.size:
        at = int(wrong[0])
        raise ReportError(
            f"image {ids[at]} has label {labels[1][at]} in {name} and {labels[0][at]} in "
            f"{first_name} ({wrong.size} of {len(ids)} shared images differ): these are other "
            "data, or other labels"
        )
    return mine, theirs, _contents(first_name, first, mine, name, other, theirs)


def _contents(
    first_name: str,
    first: Report,
    mine: NDArray[np.intp],
    name: str,
    other: Report,
    theirs: NDArray[np.intp],
) -> str:
    """Whether images of the same id are the same, as far as the reports can tell."""
    message = f"{name} and {first_name} hold different images under the same ids"
    if first.image_digests is not None and other.image_digests is not None:
        apart = (first.image_digests[mine] != other.image_digests[theirs]).any(axis=1)
        if apart.any():
            where = first.image_ids[int(mine[np.flatnonzero(apart)[0]])]
            raise ReportError(f"{message}: {apart.sum()} of {len(mine)} shared, first {where}")
        return "equal"
    if first.data["digest"] == other.data["digest"]:
        return "equal"
    if first.image_ids == other.image_ids:
        raise ReportError(f"{message}: their data digests differ")
    return "not checked"


def permitted_differences(first: Report, other: Report) -> list[dict[str, Any]]:
    """Settings of the models that differ, preprocessing recipes part by part.

    Returns
    -------
    list of dict
        Keys ``setting``, ``reference``, ``other``.
    """

    def flat(report: Report) -> dict[str, Any]:
        recipe = report.settings.get("preprocess")
        parts = recipe if isinstance(recipe, dict) else {"name": recipe}
        named = {key: report.settings.get(key) for key in _NAMED}
        return {f"preprocess.{key}": part for key, part in parts.items()} | named

    ours, theirs = flat(first), flat(other)
    return [
        {"setting": key, "reference": ours.get(key), "other": theirs.get(key)}
        for key in dict.fromkeys([*ours, *theirs])
        if ours.get(key) != theirs.get(key)
    ]


def reservations(
    first: Report, other: Report, settings: list[dict[str, Any]], contents: str, *, whole: bool
) -> list[str]:
    """What to bear in mind about a pair, in plain words.

    Parameters
    ----------
    settings : list of dict
        From `permitted_differences`.
    contents : str
        From `shared_rows`.
    whole : bool
        The two samples are the same images.

    Raises
    ------
    ReportError
        The stand-ins for absent bands depend on the sample too much to be paired.
    """
    notes = []
    absence = first.settings["absence"]
    if not whole and absence == "replace":
        raise ReportError(
            "absence replace takes each image's stand-in from the whole sample, and the samples "
            "of these reports differ; audit both models on the same images"
        )
    if not whole and absence in ("gaussian", "mean"):
        notes.append(
            f"absence {absence} follows each report's whole sample, and the samples differ, so "
            "what stands for absent bands is not quite the same and Shapley values can differ a "
            "little for that alone"
        )
    if contents == "not checked":
        notes.append(
            "images are paired by id and label; whether their contents are the same these reports "
            "cannot tell"
        )
    if any(entry["setting"].partition(".")[2] in _GEOMETRY for entry in settings):
        notes.append(
            "the photographs are cut or resized differently, so pairs are of one photograph but "
            "not of the same pixels"
        )
    if any(entry["setting"] == "temperature" for entry in settings):
        notes.append("the temperatures differ, which scales log-probabilities and Shapley values")
    classes = first.data.get("classes"), other.data.get("classes")
    if classes[0] != classes[1]:
        notes.append(f"the models choose among {classes[0]} and {classes[1]} classes")
    return notes
