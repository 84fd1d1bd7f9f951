"""Damage by band of models on the same pairs of images: what differs, band by band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError, UsageError
from ..mathematics.band_sums import RunSums
from ..mathematics.paired import (
    Difference,
    PairedBootstrap,
    holm,
    mean_differences,
    right_answers,
)
from ..plurals import counted
from ..results.damage import FEW_IMAGES, DamageReport
from ..results.damage_words import bands_named, perturbation_name
from ..results.result import ModelResult
from ..results.shown import Shown
from ..setting_roles import DAMAGE_SETTINGS, settings_apart
from ..spelling import option
from .agreement import settings_notes
from .comparable import contents_of, permitted, reservations_of, shared_rows
from .damage_agreement import pairs_apart

Named = tuple[str, DamageReport]
# A band stays as it was where its difference is surely below this share of the reference's damage.
_UNMOVED = 0.1
# Decimals of a share that are more than rounding of the sums that make it.
_DIGITS = 10


@dataclass(frozen=True)
class DamagePair:
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
    settings : list of dict
        Permitted differences: ``setting``, ``reference``, ``other``.
    notes : list of str
        What to bear in mind.
    clean, perturbed, damage : Difference
        In the unit of the comparison.
    bands : list of Difference
        Of what comes in through each band; ``p_holm`` over the bands of this pair.
    verdict : dict
        Plain sentences: ``damage``, ``bands``.
    """

    report: str
    model: dict[str, Any]
    shared: int
    left_out: dict[str, int]
    contents: str
    settings: list[dict[str, Any]]
    notes: list[str]
    clean: Difference
    perturbed: Difference
    damage: Difference
    bands: list[Difference]
    verdict: dict[str, str]

    @property
    def judged(self) -> bool:
        """Whether the images are enough to mark a difference of damage, or of a band, as seen."""
        return self.shared >= FEW_IMAGES


@dataclass(frozen=True)
class DamageComparison(Shown):
    """Result of `compare` of damage reports.

    Attributes
    ----------
    reference : dict
        ``report``, ``model``, ``data``.
    perturbation : dict
        That of all reports.
    view : dict
        ``value``, ``confidence``: one set for all reports.
    unit : str
        What damage is counted in.
    bands : list of str
        Names of the bands, lowest first.
    pairs : list of DamagePair
    """

    reference: dict[str, Any]
    perturbation: dict[str, Any]
    view: dict[str, Any]
    unit: str
    bands: list[str]
    pairs: list[DamagePair]

    def summary(self) -> dict[str, Any]:
        """The result as plain JSON values; the keys are those of ``iaside compare --json``."""
        return asdict(self)


def refuse_others(given: Mapping[str, Any]) -> None:
    """Refuse what a comparison of damage reports does not take."""
    for name, value in given.items():
        if value:
            raise UsageError(f"{option(name)} does not apply to damage reports")


def compare_damage(
    reports: Sequence[tuple[str, ModelResult]],
    *,
    value: str | None = None,
    confidence: float | None = None,
) -> DamageComparison:
    """Compare damage reports with the first; see `comparison.compare`.

    Raises
    ------
    ReportError
        Not damage reports all, of other pairs of images or other bands, or that share fewer than
        two images.
    """
    named: list[Named] = []
    for name, report in reports:
        if not isinstance(report, DamageReport):
            raise ReportError(
                f"{name}: is no file of iaside explain, and {reports[0][0]} is; compare files of "
                "one kind"
            )
        named.append((name, report))
    for each in named[1:]:  # before the view, in which reports of other tasks cannot be seen
        _check_one_game(named[0], each)
    base = named[0][0], named[0][1].view(value=value, confidence=confidence)
    view = {key: base[1].settings[key] for key in ("value", "confidence")}
    pairs = [_pair(base, (name, report.view(**view))) for name, report in named[1:]]
    return DamageComparison(
        reference={"report": base[0], "model": base[1].model, "data": base[1].data},
        perturbation=base[1].settings["perturbation"],
        view=view,
        unit=base[1].unit,
        bands=base[1].band_names,
        pairs=pairs,
    )


def _check_one_game(base: Named, compared: Named) -> None:
    (first_name, first), (name, other) = base, compared
    if apart := pairs_apart(first, other):
        raise ReportError(
            f"{name} and {first_name} play different games: {'; '.join(apart)}; make one of the "
            "reports again with the settings of the other"
        )


def _pair(base: Named, compared: Named) -> DamagePair:
    (first_name, first), (name, other) = base, compared
    rows = shared_rows(base, compared)
    contents = contents_of(base, compared, rows)
    sides = [_shares(report, own) for report, own in zip((first, other), rows, strict=True)]
    games = [report.game()[own] for report, own in zip((first, other), rows, strict=True)]
    before, after = (_columns(*each) for each in zip(games, sides, strict=True))
    seed, one = int(first.settings["seed"]), first.attainable
    if not first.in_points:
        drawn = PairedBootstrap(before, after, first.confidence, seed)
        clean, perturbed, damage, *bands = drawn.differences(lambda means: means)
    else:
        clean, perturbed = (_accuracy(games, column, first.confidence) for column in (-1, 0))
        damage, *bands = mean_differences(before[:, 2:], after[:, 2:], first.confidence, seed, one)
    adjusted = holm(np.array([band.p for band in bands]))
    settings = permitted(settings_apart(first.settings, other.settings, DAMAGE_SETTINGS))
    pair = DamagePair(
        report=name,
        model=other.model,
        shared=len(rows[0]),
        left_out={
            "reference": len(first.labels) - len(rows[0]),
            "other": len(other.labels) - len(rows[1]),
        },
        contents=contents,
        settings=settings,
        notes=_notes(first, other, settings, contents),
        clean=clean,
        perturbed=perturbed,
        damage=damage,
        bands=[replace(band, p_holm=float(p)) for band, p in zip(bands, adjusted, strict=True)],
        verdict={},
    )
    if np.array_equal(before, after):
        alike = f"{name} and {first_name} suffer alike on every image they share."
        return replace(pair, verdict=dict.fromkeys(("damage", "bands"), alike))
    sums = RunSums(sides[1] - sides[0], first.confidence, seed, attainable=one, models=2)
    return replace(pair, verdict=_verdict(pair, first_name, first, sums))


def _columns(game: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clean, perturbed and lost, then the bands, a row an image."""
    ends = game[:, [-1, 0]]
    return np.column_stack([ends, ends[:, 0] - ends[:, 1], shares])


def _shares(report: DamageReport, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Damage of some images by band, without what is but rounding: it is no difference."""
    return np.round(report.per_image[rows], _DIGITS)


def _accuracy(games: list[NDArray[np.float64]], column: int, confidence: float) -> Difference:
    """Difference of right answers in points, by the score test."""
    before, after = (game[:, column] > 0 for game in games)
    found = right_answers(before, after, confidence)
    points = {
        name: 100.0 * getattr(found, name)
        for name in ("reference", "other", "difference", "low", "high", "stderr", "mde")
    }
    return replace(found, **points)


def _notes(
    first: DamageReport, other: DamageReport, settings: list[dict[str, Any]], contents: str
) -> list[str]:
    notes = settings_notes(first.settings, other.settings)
    notes += reservations_of(first, other, settings, contents)
    if first.settings.get("size") != other.settings.get("size"):
        notes.append("perturbations of other sizes are not the same pixels")
    if first.settings["perturbation"]["kind"] == "attack":
        notes.append(
            "each model was attacked by itself: the clean images are the same, the perturbed ones "
            "are not"
        )
    return notes


def _verdict(
    pair: DamagePair, reference: str, first: DamageReport, sums: RunSums
) -> dict[str, str]:
    """Plain sentences about a pair, as `DamagePair.verdict` holds them."""
    level, digits = 1 - first.confidence, 1 if first.in_points else 2
    d, name = pair.damage, pair.report
    between = (
        f"({_text(d.reference, digits)} with {reference}, {_text(d.other, digits)} with {name})"
    )
    if not pair.judged:
        few = f"With fewer than {FEW_IMAGES} images"
        return {
            "damage": f"{few} no difference of the damage is judged {between}.",
            "bands": f"{few} no band is judged.",
        }
    if d.p < level:
        less = d.difference < 0
        low, high = sorted((abs(d.low), abs(d.high)))
        ends = f"[{_text(low, digits)}, {_text(high, digits)}]"
        damage = (
            f"{perturbation_name(first.settings['perturbation'])} costs {name} "
            f"{_text(abs(d.difference), digits)} {ends} {first.unit} "
            f"{'less' if less else 'more'} than {reference} {between}."
        )
    else:
        damage = f"No difference of the damage seen on {counted(pair.shared, 'image')} {between}"
        if d.mde > 0:  # none where resamples of the images do not vary
            damage += (
                f"; one of {_text(d.mde, digits)} {first.unit} would have been seen (with a "
                "probability of 0.8)"
            )
        damage += "."
    bands = " ".join(_bands_said(pair, reference, first, sums, digits))
    return {"damage": damage, "bands": bands}


def _bands_said(
    pair: DamagePair, reference: str, first: DamageReport, sums: RunSums, digits: int
) -> list[str]:
    level, names = 1 - first.confidence, first.band_names
    said, moved = [], _moved(pair.bands, level)
    for start, end in moved:
        run = sums.run(start, end)
        before, after = (
            sum(getattr(band, side) for band in pair.bands[start : end + 1])
            for side in ("reference", "other")
        )
        less = run.value < 0
        low, high = (-run.high, -run.low) if less else (run.low, run.high)
        seen = f"; the difference is seen (Holm over {len(names)} bands), its size is open"
        said.append(
            f"Through {bands_named(names, start, end)} come {_text(abs(run.value), digits)} "
            f"[{_text(low, digits)}, {_text(high, digits)}] {first.unit} "
            f"{'less' if less else 'more'} than with {reference} "
            f"({_text(before, digits)} became {_text(after, digits)}){seen if low <= 0 else ''}."
        )
    most = _UNMOVED * abs(pair.damage.reference)
    apart = {band for start, end in moved for band in range(start, end + 1)}
    still = [
        band
        for band in range(len(names))
        if band not in apart and (run := sums.run(band, band)) and max(-run.low, run.high) <= most
    ]
    if not said:
        said.append(f"No band is seen to differ (Holm over {len(names)} bands).")
    if still and pair.damage.reference > 0:
        listed = ", ".join(names[band] for band in still)
        reach = max(max(-sums.run(b, b).low, sums.run(b, b).high) for b in still)
        said.append(
            f"{'Band' if len(still) == 1 else 'Bands'} {listed}: as before, to within "
            f"{_text(reach, digits)} either way."
        )
    return said


def _moved(bands: Sequence[Difference], level: float) -> list[tuple[int, int]]:
    """Runs of neighbouring bands that differ, all of a run in one direction; first and last."""
    signs = [
        int(np.sign(band.difference)) if band.p_holm is not None and band.p_holm < level else 0
        for band in bands
    ]
    runs: list[tuple[int, int]] = []
    for band, sign in enumerate(signs):
        if not sign:
            continue
        if runs and runs[-1][1] == band - 1 and signs[band - 1] == sign:
            runs[-1] = runs[-1][0], band
        else:
            runs.append((band, band))
    return runs


def _text(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"
