"""Whether two reports may stand side by side, and on which images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError, said
from ..mathematics.absence import scheme_of
from ..plurals import counted
from ..results.banded import given_words
from ..results.report import Report
from ..results.result import ModelResult
from ..setting_roles import VIEW, Apart, Belongs, chosen, settings_apart
from ..spelling import on_command_line
from .agreement import settings_notes

Named = tuple[str, Report]
NamedResult = tuple[str, ModelResult]
# Parts of a preprocessing recipe that decide which pixels an image has.
_GEOMETRY = ("resize", "crop", "interpolation", "antialias", "pad", "pad_position")
_LEAST_IMAGES = 2


@dataclass(frozen=True)
class Agreement:
    """What keeps two reports from standing side by side, and what to bear in mind.

    Attributes
    ----------
    names : tuple of str
        Of the first and of the other.
    game : list of Apart
        Settings of the game that differ: the numbers answer different questions.
    view : list of Apart
        ``value`` and ``beta`` where they differ: one view makes them alike.
    images : list of str
        Sentences: why the images cannot be paired.
    notes : list of str
        What to bear in mind where the reports are compared.
    settings : list of dict
        Permitted differences of the models, preprocessing recipes part by part: ``setting``,
        ``reference``, ``other``.
    rows : tuple of ndarray of int
        Shared images as rows of the first and of the other; empty where there is a refusal.
    left_out : dict
        Images of ``reference`` and ``other`` that are not shared.
    contents : str
        "equal" where digests prove the shared images equal, else "not checked".
    """

    names: tuple[str, str]
    game: list[Apart]
    view: list[Apart]
    images: list[str]
    notes: list[str]
    settings: list[dict[str, Any]]
    rows: tuple[NDArray[np.intp], NDArray[np.intp]]
    left_out: dict[str, int]
    contents: str

    @property
    def refusals(self) -> list[str]:
        """Why the reports cannot be compared, game and images; empty where they can."""
        edges = [each.first for each in self.game if each.setting == "edges" and each.first]
        given = f" ({' '.join(given_words(edges[0]))})" if edges else ""
        game = [
            f"{self.names[1]} and {self.names[0]} play different games: "
            f"{'; '.join(map(str, self.game))}; make one of the reports again with the settings of "
            f"the other{given}"
        ]
        return game * bool(self.game) + self.images

    def check(self, *, images: bool = True) -> None:
        """Raise the first refusal as a `ReportError`; without `images` only that of the games."""
        if self.game or (images and self.images):
            raise ReportError(self.refusals[0])


def agreement(reference: Named, compared: Named) -> Agreement:
    """Whether two reports agree; see `Agreement`."""
    (first_name, first), (name, other) = reference, compared
    apart = settings_apart(first.settings, other.settings)
    absence = scheme_of(str(first.settings.get("absence", "gaussian")))
    images: list[str] = []
    rows, contents = (np.empty(0, np.intp), np.empty(0, np.intp)), "not checked"
    try:
        shared = shared_rows(reference, compared)
        contents = contents_of(reference, compared, shared)
        rows = shared
    except ReportError as error:
        images.append(on_command_line(said(error)))
    left_out = {
        "reference": len(first.labels) - len(rows[0]),
        "other": len(other.labels) - len(rows[1]),
    }
    whole = not any(left_out.values())
    if not images and not whole and absence.per_sample:
        images.append(
            f"absence {absence.name} takes each image's stand-in from the whole sample, and the "
            "samples of these reports differ; audit both models on the same images"
        )
    settings = permitted(apart)
    notes = settings_notes(first.settings, other.settings)
    if not images:
        if not whole and absence.needs_statistics:
            notes.append(
                f"absence {absence.name} follows each report's whole sample, and the samples "
                "differ, so what stands for absent bands is not quite the same and Shapley values "
                "can differ a little for that alone"
            )
        notes += reservations_of(first, other, settings, contents)
    game = chosen(apart, Belongs.GAME)
    if not game and first.players != other.players:  # a table contradicts its settings
        game = [Apart("players", Belongs.GAME, first.players, other.players)]
    view = [each for each in chosen(apart, Belongs.VIEW) if each.setting != "confidence"]
    names = first_name, name
    return Agreement(names, game, view, images, notes, settings, rows, left_out, contents)


def in_view_of(reference: Named, compared: Named) -> tuple[Report, list[str]]:
    """The compared report in the view of the reference, and what was changed for that."""
    (_, first), (name, other) = reference, compared
    view = {key: first.settings[key] for key in VIEW}
    notes = [
        f"{name} was made with {key} {other.settings.get(key)}; it is seen through the "
        f"reference's, {view[key]}"
        for key in VIEW
        if other.settings.get(key) != view[key]
    ]
    return other.view(**view), notes


@dataclass(frozen=True)
class SideBySide:
    """What keeps reports from standing on one page or picture, each with its whole sample.

    `settings` are those of game and view that differ, with the values of all reports; the lists are
    as for `Agreement`, the first report against each other one.
    """

    settings: dict[str, list[Any]]
    images: list[str]
    refusals: list[str]
    notes: list[str]


def side_by_side(reports: Sequence[Named]) -> SideBySide:
    """Whether reports that are shown together agree, the first with each other one."""
    first = reports[0]
    settings: dict[str, list[Any]] = {}
    images: list[str] = []
    refusals: list[str] = []
    notes: list[str] = []
    for other in reports[1:]:
        agreed, both = agreement(first, other), f"{other[0]} beside {first[0]}"
        for each in [*agreed.game, *agreed.view]:
            values = settings.setdefault(each.setting, [each.first])
            if each.other not in values:
                values.append(each.other)
        images += agreed.images
        refusals += agreed.refusals
        notes += [f"{both}: {note}" for note in agreed.notes]
        levels = [f"{report.confidence:.0%}" for report in (other[1], first[1])]
        if levels[0] != levels[1]:
            notes.append(f"{other[0]} has {levels[0]} intervals, {first[0]} {levels[1]} intervals")
        if not agreed.refusals and any(agreed.left_out.values()):
            notes.append(
                f"{both}: the samples differ and share {len(agreed.rows[0])} images; iaside "
                "compare takes those alone"
            )
    return SideBySide(
        settings, *(list(dict.fromkeys(lines)) for lines in (images, refusals, notes))
    )


def drawn_together(reports: Sequence[Named]) -> tuple[list[Report], list[str]]:
    """Reports as one picture shows them, all in the view of the first, and what to bear in mind.

    Raises `ReportError` where they cannot be compared.
    """
    alike, notes = [reports[0]], []
    for other in reports[1:]:
        report, changed = in_view_of(reports[0], other)
        alike.append((other[0], report))
        notes += changed
    together = side_by_side(alike)
    if together.refusals:
        hint = ""
        if len({tuple(report.band_names) for _, report in alike}) == 1:
            hint = " (a page shows them together, with what keeps them from being compared)"
        raise ReportError(f"not on one picture: {together.refusals[0]}{hint}")
    return [report for _, report in alike], notes + together.notes


def names_of(reports: Sequence[str | Path | ModelResult]) -> list[str]:
    """What to call the reports: shortest of file stem or path that tells them apart."""
    paths = [Path(r.model["path"] if isinstance(r, ModelResult) else r) for r in reports]
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [path.as_posix() for path in paths]


def shared_rows(
    reference: NamedResult, compared: NamedResult
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the shared images in both reports, in the order of their ids."""
    (first_name, first), (name, other) = reference, compared
    row_of = []
    for label, report in (reference, compared):
        row_of.append({image: row for row, image in enumerate(report.image_ids)})
        if len(row_of[-1]) < len(report.image_ids):
            raise ReportError(f"{label}: holds an image id twice, so images cannot be paired")
    ids = sorted(row_of[0].keys() & row_of[1].keys())
    if len(ids) < _LEAST_IMAGES:
        raise ReportError(
            f"{name} and {first_name} share {counted(len(ids), 'image')} of {len(row_of[1])} and "
            f"{len(row_of[0])}; at least {_LEAST_IMAGES} are needed: audit both models on the "
            "same images"
        )
    rows = [np.array([row[image] for image in ids], np.intp) for row in row_of]
    labels = first.labels[rows[0]], other.labels[rows[1]]
    own = first.of_own_answers and other.of_own_answers  # each has its own
    wrong = np.flatnonzero((labels[0] != labels[1]) & (not own))
    if wrong.size:
        at = int(wrong[0])
        raise ReportError(
            f"image {ids[at]} has label {labels[1][at]} in {name} and {labels[0][at]} in "
            f"{first_name} ({wrong.size} of {len(ids)} shared images differ): these are other "
            "data, or other labels"
        )
    return rows[0], rows[1]


def contents_of(
    reference: NamedResult, compared: NamedResult, rows: tuple[NDArray[np.intp], NDArray[np.intp]]
) -> str:
    """Whether images of the same id are the same, as far as the reports can tell."""
    (first_name, first), (name, other) = reference, compared
    message = f"{name} and {first_name} hold different images under the same ids"
    if first.image_digests is not None and other.image_digests is not None:
        apart = (first.image_digests[rows[0]] != other.image_digests[rows[1]]).any(axis=1)
        if apart.any():
            where = first.image_ids[int(rows[0][np.flatnonzero(apart)[0]])]
            raise ReportError(f"{message}: {apart.sum()} of {len(apart)} shared, first {where}")
        return "equal"
    if first.data["digest"] == other.data["digest"]:
        return "equal"
    if first.image_ids == other.image_ids:
        raise ReportError(f"{message}: their data digests differ")
    return "not checked"


def permitted(apart: Sequence[Apart]) -> list[dict[str, Any]]:
    """Settings that may differ and do, preprocessing recipes part by part."""
    parts: list[tuple[str, Any, Any]] = []
    for each in chosen(apart, Belongs.MODEL, Belongs.FITTED, Belongs.SIZE, Belongs.ESTIMATE):
        if each.setting != "preprocess":
            parts.append((each.setting, each.first, each.other))
            continue
        first, other = (
            recipe if isinstance(recipe, dict) else {"name": recipe}
            for recipe in (each.first, each.other)
        )
        parts += [
            (f"preprocess.{key}", first.get(key), other.get(key))
            for key in dict.fromkeys([*first, *other])
            if first.get(key) != other.get(key)
        ]
    return [{"setting": name, "reference": a, "other": b} for name, a, b in parts]


def _differing(first: ModelResult, other: ModelResult) -> int:
    """Shared images to which two models give other answers."""
    answers = dict(zip(other.image_ids, other.predicted.tolist(), strict=True))
    pairs = zip(first.image_ids, first.predicted.tolist(), strict=True)
    return sum(answers.get(image, answer) != answer for image, answer in pairs)


def reservations_of(
    first: ModelResult, other: ModelResult, settings: list[dict[str, Any]], contents: str
) -> list[str]:
    """What to bear in mind about models and images of a pair, in plain words."""
    names = {entry["setting"] for entry in settings}
    classes = first.data.get("classes"), other.data.get("classes")
    notes = {
        "images are paired by id and label; whether their contents are the same these reports "
        "cannot tell": contents == "not checked",
        "the photographs are cut or resized differently, so pairs are of one photograph but not of "
        "the same pixels": any(name.partition(".")[2] in _GEOMETRY for name in names),
        "the temperatures differ, which scales log-probabilities and Shapley values": (
            "temperature" in names
        ),
        "labels are each model's own answers, which differ on "
        f"{_differing(first, other)} of the shared images; nothing is known of accuracy": (
            first.of_own_answers and other.of_own_answers
        ),
        f"the models choose among {classes[0]} and {classes[1]} classes": classes[0] != classes[1],
    }
    return [note for note, applies in notes.items() if applies]
