"""What a gate judges: the reports behind a path, and the errors that were measured of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_kind, check_text, is_number, one_of
from ..defaults import ABSENCE, BANDS, BETA, NORM, SPACING
from ..errors import InvalidOption, ReportError, UsageError
from ..mathematics.paired import mean_differences
from ..plurals import listed, plural
from ..results.audit import ANALYSIS, Audit, audit_files
from ..results.banded import bands_said
from ..results.kinds import load
from ..results.report import Report
from ..results.robustness import RobustnessReport, resampled_errors
from ..setting_roles import OF_BANDS, VIEW, settings_apart
from ..spelling import option
from ..storage.opening import wrong_kind
from .agreement import grounds_apart
from .baseline import relative

Judged = str | Path | Report | RobustnessReport | Audit
JUDGED = (Report.SCHEMA.format, RobustnessReport.SCHEMA.format)
# What each parameter bounds, by the corruption or group of them.
ERRORS = {"max_error": "{}", "max_error_rise": "rise of {}"}
Ends = tuple[float, float]


def game_said(report: Report) -> str:
    """What a score is of, as far as it decides which scores a threshold fits."""
    settings = report.settings
    shown = settings.get("output_map", "real")
    parts = [bands_said(settings), f"absence {settings['absence']}"]
    return ", ".join([*parts, *([f"output map {shown}"] if shown != "real" else [])])


def _score_said(report: Report) -> str:
    """The same with how the score is seen, where that is not the usual way."""
    value, parts = report.settings["value"], [game_said(report)]
    parts += [f"value {value}"] * (value != report.task.value)
    parts += [f"beta {report.beta:g}"] * (report.beta != BETA)
    return ", ".join(parts)


_USUAL = f"{bands_said({'bands': BANDS, 'norm': NORM, 'spacing': SPACING})}, absence {ABSENCE}"


@dataclass(frozen=True)
class Gated:
    """A name, and the reports that thresholds are compared with; at least one of them is there.

    `source` is the file of the analysis, or the analysis itself.
    """

    name: str
    analysis: Report | None
    robustness: RobustnessReport | None
    source: str | Path | Report | None = None

    @classmethod
    def of(cls, given: Judged, needed: Sequence[str] = JUDGED) -> Gated:
        """What is behind a path, a report or an audit.

        `needed` are the formats of files that the thresholds are compared with.

        Raises
        ------
        ReportError
            A file of another kind, or one that cannot be read.
        """
        opened = load(given) if isinstance(given, str | Path) else given
        name = str(given) if isinstance(given, str | Path) else Path(opened.model["path"]).stem
        if isinstance(opened, Audit):
            path = opened.folder / ANALYSIS
            source = path if path.is_file() else opened.analysis
            return cls(name, opened.analysis, opened.robustness, source)
        if isinstance(opened, RobustnessReport):
            return cls(name, None, opened)
        if isinstance(opened, Report):
            return cls(name, opened, None, given if isinstance(given, str | Path) else opened)
        raise wrong_kind(name, opened.SCHEMA.format, *needed)

    def view(self, **asked: Any) -> Gated:
        """The same with other view settings; None keeps the present ones."""
        analysis = None if self.analysis is None else self.analysis.view(**asked)
        measured = self.robustness
        if measured is not None:
            measured = measured.view(confidence=asked.get("confidence"))
        return replace(self, analysis=analysis, robustness=measured)

    @property
    def reports(self) -> list[Report | RobustnessReport]:
        """Those that are there."""
        return [each for each in (self.analysis, self.robustness) if each is not None]

    @property
    def first(self) -> Report | RobustnessReport:
        """The report that says what was audited, on what."""
        first = self.analysis if self.analysis is not None else self.robustness
        assert first is not None
        return first

    @property
    def view_settings(self) -> dict[str, Any]:
        """How the numbers are seen."""
        return {key: self.first.settings[key] for key in VIEW if key in self.first.settings}

    def analysed(self, parameter: str) -> Report:
        """The report of scores, which a parameter needs."""
        if self.analysis is None:
            raise UsageError(
                f"{self.name}: {option(parameter)} needs a report of iaside analyze, and there is "
                "none"
            )
        return self.analysis

    def measured(self, parameter: str) -> RobustnessReport:
        """The measured errors, which a parameter needs."""
        if self.robustness is None:
            raise UsageError(
                f"{self.name}: {option(parameter)} needs errors that were measured; give a file of "
                "iaside robustness, or the folder of an audit"
            )
        return self.robustness


def files_of(given: object) -> list[Path]:
    """The files behind a path, which may be the folder of an audit."""
    if not isinstance(given, str | Path):
        return []
    path = Path(given)
    return [each for each in audit_files(path) if each.is_file()] if path.is_dir() else [path]


def checked_limits(parameter: str, limits: Any) -> dict[str, float]:
    """Thresholds by the corruption or group; anything else is refused."""
    check_kind(parameter, limits, Mapping, "shares by corruption or group, as {'noise': 0.5}")
    for name, limit in limits.items():
        check_text(parameter, name)
        if not is_number(limit) or not 0 <= limit <= 1:
            raise InvalidOption(parameter, f"{name}={limit}", "must be a share from 0 to 1")
    return dict(limits)


def check_errors(parameter: str, limits: Mapping[str, Any], report: RobustnessReport) -> None:
    """Refuse thresholds on what was not measured."""
    known = [*dict.fromkeys(_kinds(report)), *report.perturbations]
    for name, limit in limits.items():
        if name not in known:
            raise InvalidOption(
                parameter, f"{name}={limit:g}", f"'{name}' was not measured; {one_of(name, known)}"
            )  # fmt: skip


def words_of(parameter: str, name: str, report: RobustnessReport) -> str:
    """What a threshold bounds, in words."""
    what = f"{ERRORS[parameter].format(report.error_name)} under {name.replace('_', ' ')}"
    pairs = zip(report.perturbations, _kinds(report), strict=True)
    if all(one in report.own for one, kind in pairs if name in (one, kind)):
        return what  # pictures of one's own have no severities
    levels = list(map(str, report.severities))
    return f"{what} ({plural(len(levels), 'severity', 'severities')} {listed(levels)})"


def error(report: RobustnessReport, name: str) -> tuple[float, Ends]:
    """Share of wrong answers under a corruption or a group, mean over severities, and its ends."""
    found = resampled_errors(wrong_under(report, name), report)[0]
    return float(found.value), (float(found.low), float(found.high))


def rise(report: RobustnessReport, baseline: RobustnessReport, name: str) -> tuple[float, Ends]:
    """By how much that share exceeds a baseline's, paired image by image."""
    same = report.model["sha256"] == baseline.model["sha256"]
    wrong = wrong_under(report, name), wrong_under(baseline, name)
    if same and np.array_equal(wrong[0], wrong[1]):  # one and the same model
        return 0.0, (0.0, 0.0)
    # Counted in right answers, as comparisons of audits are.
    seed = int(report.settings["seed"])
    (found,) = mean_differences(1.0 - wrong[1], 1.0 - wrong[0], report.confidence, seed)
    # Subtracting from 0 leaves no negative zero.
    return 0.0 - found.difference, (0.0 - found.high, 0.0 - found.low)


def mce(report: RobustnessReport, baseline: RobustnessReport) -> tuple[float, Ends]:
    """Mean corruption error relative to a baseline's, and its ends, as far as they are defined."""
    spread = relative(report, baseline).mce
    return float(spread.value), (float(spread.low), float(spread.high))


def no_ratio(value: float, ends: Ends, *, point: bool) -> str | None:
    """Why a ratio to a baseline cannot be judged, which for a `point` takes no interval."""
    if not np.isfinite(value):
        return "the baseline makes no error under some corruption, so that the ratio is not defined"
    if point or np.isfinite(ends).all():
        return None
    return (
        "in some resamples of the images the baseline makes no error under some corruption, so "
        "that the ratio has no interval; measure more images, or judge the estimate with "
        f"{option('point', True)}"
    )


def check_paired(report: Gated, baseline: Gated) -> list[str]:
    """What to bear in mind of a baseline of errors; one on another ground is a ReportError."""
    first, other = report.robustness, baseline.robustness
    assert first is not None
    assert other is not None
    refusals, notes = grounds_apart(other, first)
    same = first.image_ids == other.image_ids and (
        first.of_own_answers or np.array_equal(first.labels, other.labels)
    )
    if not refusals and not same:
        refusals = ["other images or labels under the same digest"]
    if refusals:
        raise ReportError(
            f"{report.name}: was measured with {', '.join(refusals)}, so that errors cannot be "
            f"paired with those of {baseline.name}; measure both models alike"
        )
    return notes


def _kinds(report: RobustnessReport) -> list[str]:
    return [report.settings["kinds"][name] for name in report.perturbations]


def wrong_under(
    report: RobustnessReport, name: str, severities: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Wrong answers to each image, mean over severities and the corruptions of a name, (n, 1).

    Of all severities of the report unless some are given.
    """
    names = zip(report.perturbations, _kinds(report), strict=True)
    chosen = [at for at, pair in enumerate(names) if name in pair]
    levels = [report.severities.index(each) for each in severities or report.severities]
    return np.asarray(report.lost_shares[:, chosen][:, :, levels].mean(axis=(1, 2)))[:, None]


def least_score_notes(scores: Report, reference: Report | None) -> list[str]:
    """What scores a threshold is of, where they are not the usual ones or the baseline's."""
    own = _score_said(scores)
    if reference is not None and settings_apart(
        scores.settings, reference.settings, only=(*OF_BANDS, "absence", "output_map")
    ):
        return [
            f"{option('min_score')} is compared with a score of {own}; that of the baseline is of "
            f"{_score_said(reference)}: a threshold fits scores of one kind alone"
        ]
    if own == _USUAL:
        return []
    return [
        f"{option('min_score')} is compared with a score of {own}, not of the usual {_USUAL}: a "
        "threshold that was found with others says nothing of it"
    ]
