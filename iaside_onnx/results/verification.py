"""Whether a file is whole and follows from its own table: what is known without the model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError, UnreadableError, said
from ..mathematics.intervals import METHODS
from ..spelling import on_command_line
from ..storage.opening import MADE_BY, check_is_file, read_isolated, report_errors
from ..storage.seal import BEGINNINGS, NO_SEAL, SEAL_BYTES, check_seal, is_sealed
from .content import content_digest
from .kinds import load_file
from .part import part_note
from .report import FORMAT, Report
from .stored import read_derived, read_format

# Of stored numbers that another BLAS has added up.
_TOLERANCE = 1e-9
# In place of a format, for what is no file of results.
PAGE_KIND = "page"
_ONLY_TABLES = "holds nothing but its tables; what is shown is computed from them each time"


@dataclass(frozen=True)
class Check:
    """One question that was asked of a file.

    Attributes
    ----------
    name : str
        What was looked at.
    holds : bool or None
        None: there is nothing to hold, which is said.
    text : str
        The answer.
    """

    name: str
    holds: bool | None
    text: str


@dataclass(frozen=True)
class Verification:
    """What was asked of a file, and the answers.

    Attributes
    ----------
    path : str
    kind : str
        Format of the file.
    checks : list of Check
    result : Report, RobustnessReport, HeatmapReport, SnrReport or None
        What the file holds, where it could be read.
    """

    path: str
    kind: str
    checks: list[Check]
    result: Any = field(default=None, repr=False)

    @property
    def holds(self) -> bool:
        """No question has the answer no."""
        return all(check.holds is not False for check in self.checks)

    @property
    def limits(self) -> list[str]:
        """What the answer does not say."""
        if self.kind == PAGE_KIND:
            return ["whether the reports are sound themselves (iaside verify REPORT)"]
        names = {check.name for check in self.checks if check.holds}
        rows = "whether the model gives these values (--redo N, with both)"
        if self.kind == "iaside-snr" and self.result and not self.result.settings.get("attack"):
            names |= {"model"}  # measured without one
            rows = "whether the images give these values (--redo N, with --images)"
        return [
            text
            for name, text in (
                ("signature", "who made the file: a seal can be computed again by anyone"),
                ("model", "whether the model is the one you have (--model)"),
                ("images", "whether the images are the ones you have (--images)"),
                ("rows", rows),
            )
            if name not in names
        ]

    def summary(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "report": self.path,
            "format": self.kind,
            "holds": self.holds,
            "checks": list(map(asdict, self.checks)),
            "not_shown": self.limits,
        }


def verify_file(path: Path) -> Verification:
    """Ask whether a file is as it was sealed, and whether its numbers follow from its table.

    Raises
    ------
    ReportError
        No file of iaside, or of a version that this one does not read.
    """
    check_is_file(path)
    with report_errors(path), path.open("rb") as file:
        begins = file.read(SEAL_BYTES)
    if not begins.startswith(BEGINNINGS):
        raise ReportError(f"{path}: is no file of iaside")
    checks, kind, result = [_sealed(path)], FORMAT, None
    if checks[0].holds is not False:
        try:
            result = load_file(path)
            kind = result.SCHEMA.format
            note = part_note(result)
            text = f"of {MADE_BY[kind]}, as {kind} has it; its SHA-256 is {content_digest(result)}"
            checks.append(Check("content", True, text if note is None else f"{text}. {note}"))
        except UnreadableError:
            raise
        except ReportError as error:
            kind = _kind(path)
            checks.append(Check("content", False, _without(path, error)))
    if isinstance(result, Report):
        checks += _follows(path, result)
    elif result is not None:
        checks.append(Check("numbers", None, _ONLY_TABLES))
    return Verification(str(path), kind, checks, result)


def _kind(path: Path) -> str:
    """What a file says that it is, of which nothing more can be used."""
    try:
        kind = str(read_isolated(path, read_format)[0]["format"])
    except ReportError:
        return FORMAT
    return kind if kind in MADE_BY else FORMAT


def _without(path: Path, error: Exception) -> str:
    return on_command_line(said(error)).removeprefix(f"{path}: ")


def _sealed(path: Path) -> Check:
    if not is_sealed(path):
        return Check("seal", None, NO_SEAL)
    try:
        check_seal(path)
    except ReportError as error:
        return Check("seal", False, _without(path, error))
    return Check("seal", True, "the file is as it was written, or was sealed again")


def _follows(path: Path, report: Report) -> list[Check]:
    """Stored numbers against those that follow from the table."""
    try:
        texts, stored = read_isolated(path, read_derived)
    except ReportError as error:
        return [Check("numbers", False, _without(path, error))]
    # The first reports hold plain percentile intervals, and do not say so.
    method = texts["interval"] or METHODS[-1]
    if method not in METHODS:
        return [Check("numbers", False, f"its intervals are of no known kind: {method[:40]}")]
    derived, worst = report.derived(method), 0.0
    for name, value in derived.items():
        # Numbers are arrays of one on their way from the process that reads.
        values, recorded = np.atleast_1d(value), np.atleast_1d(stored.get(name, []))
        if name not in stored:
            return [Check("numbers", False, f"lacks {name}, which every report holds")]
        if recorded.shape != values.shape:
            return [Check("numbers", False, f"{name} is of another shape than the table gives")]
        distance = _distance(recorded, values)
        if not distance <= _TOLERANCE:
            text = f"{name} differs from what the table gives, by up to {distance:.3g}"
            return [Check("numbers", False, text)]
        worst = max(worst, distance)
    same = "bit for bit" if worst == 0 else f"to {worst:.1g}"
    numbers = Check("numbers", True, f"all {len(derived)} follow from the table, {same}")
    return [numbers, _names_agree(report, texts)]


def _distance(stored: NDArray[Any], values: NDArray[Any]) -> float:
    """Largest difference, relative to the largest value; infinite where not both are numbers."""
    if not np.array_equal(np.isfinite(stored), np.isfinite(values)):
        return float("inf")
    finite = np.isfinite(values)
    if not finite.any():
        return 0.0
    scale = max(1.0, float(np.abs(values[finite]).max()))
    return float(np.abs(stored - values)[finite].max()) / scale


def _names_agree(report: Report, texts: dict[str, Any]) -> Check:
    """The two places where a report names its model and its images, and the digest of these."""
    for name, (outer, inner) in report.SCHEMA.copies.items():
        if texts[name] != getattr(report, outer)[inner]:
            return Check("names", False, f"{name} is not what the header says beside it")
    if report.image_digests is None:
        return Check("names", None, "carries no digests of its images")
    if report.computed_digest() != report.data["digest"]:
        return Check("names", False, "the digest of the images does not follow from ids and labels")
    return Check("names", True, "the digest of the images follows from ids, labels and contents")
