"""The picture of reports: distribution, values, score and curves, of one or of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.axes import Axes

from ..comparisons.comparable import drawn_together
from ..comparisons.contrast import contrasts
from ..errors import UsageError
from ..plurals import counted
from ..results.banded import bands_said
from ..results.finding import NO_FINDING, NOT_A_FINDING
from ..results.report import Report
from ..results.robustness import RobustnessReport
from .band_tiles import has_pictures
from .figure import (
    FEW,
    GAP,
    LARGE,
    LARGEST,
    RED,
    Header,
    Line,
    Panel,
    Picture,
    check_count,
    column,
    note_lines,
    wrapped,
)
from .lettering import fitted, room_for, width_of
from .model_names import model_names
from .ranked import ROW
from .report_panels import (
    draw_accuracy,
    draw_curves,
    draw_score,
    draw_shapley,
    draw_sid,
    draw_strip,
    strip_rows,
)
from .text import clean_words, one_line

_MOST_NAMES = 1.35  # inches beside rows
_ENTRY = 2.95  # inches of a line of the legend


def figure(
    reports: Sequence[Report],
    names: Sequence[str] | None = None,
    robustness: Sequence[RobustnessReport | None] | None = None,
) -> Picture:
    """One picture of one report, or of several side by side, with what they say.

    More than four stand in rows, ranked by the signed score; no curves are drawn of these.

    Parameters
    ----------
    reports : sequence of Report
        At most twelve, of one game and with images in common, as `compare` takes them; all are seen
        through the view of the first.
    names : sequence of str, optional
        What the legend calls them; their models by default, and what sets reports of one model
        apart.
    robustness : sequence of RobustnessReport or None, optional
        What was measured of the model of each.

    Raises
    ------
    UsageError
        No report, too many, or different numbers of bands.
    ReportError
        The reports cannot be compared.
    """
    _check_bands(reports)
    labels = [one_line(name) for name in (names or model_names(reports))]
    reports, notes = drawn_together(list(zip(labels, reports, strict=True)))
    first = reports[0]
    settings = first.settings
    many = len(reports) > FEW
    header = Header(
        "Spectral importance",
        f"{bands_said(settings)}, absence {settings['absence']}, "
        f"{settings['value']}"
        + ("; sorted by the signed score; intervals of bands: draw fewer" if many else ""),
        _entries(reports, labels) if not many else (),
        above=warning_lines(reports, labels),
        below=[
            *note_lines([f"{note}." for note in notes]),
            *_finding_lines(reports, labels, robustness or [None] * len(reports)),
        ],
        look="both",
    )
    if many:
        return _ranked(header, reports, labels)
    draw = partial(_panel, reports, labels)
    panels = [
        Panel(1.3, 0.47, draw(draw_sid), above=_NOTE),
        Panel(1.3, 0.47, draw(draw_shapley), above=_NOTE),
        Panel(0.1 + 0.18 * len(reports), 0.5, draw(draw_score), above=_NOTE),
    ]
    if all(report.exact for report in reports):  # else no curve is known
        panels.append(Panel(1.45, 0.5, draw(draw_curves), above=_NOTE))
    if has_pictures(first):
        rows = strip_rows(1 + first.players)
        panels.append(Panel(0.74 * rows, 0.05, draw(draw_strip), above=2 * _NOTE))
    return column(header, panels)


_NOTE = 0.12  # inches of the line below a panel's title


def _panel(
    reports: Sequence[Report],
    names: Sequence[str],
    draw: Callable[[Axes, Sequence[Report], Sequence[str]], None],
) -> Callable[[Axes], None]:
    return lambda axes: draw(axes, reports, names)


def _ranked(header: Header, reports: Sequence[Report], names: Sequence[str]) -> Picture:
    """Rows of many reports."""
    shown, wide = room_for(names, _MOST_NAMES)
    rows = ROW * len(reports)
    draw = partial(_panel, reports, shown)
    panels = [
        Panel(rows, 0.45, draw(draw_score), above=_NOTE),
        Panel(rows, 0.45, draw(draw_sid), above=_NOTE),
        Panel(rows, 0.45, draw(draw_shapley), above=_NOTE),
    ]
    if any(report.accuracy is not None for report in reports):
        panels.append(Panel(rows, 0.45, draw(draw_accuracy), above=_NOTE))
    left = wide + 0.15
    return column(header, panels, left=left, width=3.4 - left)


def _entries(reports: Sequence[Report], labels: Sequence[str]) -> list[str]:
    """What each report is called, and what it says, in the width of the picture."""
    said = [_said(report) for report in reports]
    room = _ENTRY - max(width_of(f": {text}") for text in said)
    apart = max(map(width_of, labels)) > room  # then names have lines of their own
    names = fitted(labels, _ENTRY) if apart else labels
    return [
        f"{name}\n{text}" if apart else f"{name}: {text}"
        for name, text in zip(names, said, strict=True)
    ]


def _said(report: Report) -> str:
    holds = report.precondition.holds
    score = f"signed score {report.srs_signed:+.3f}" if holds else NO_FINDING.upper()
    accuracy = clean_words(report, "accuracy", report.accuracy)
    return f"{counted(len(report.labels), 'image')}, {accuracy}, {score}"


def warning_lines(reports: Sequence[Report], labels: Sequence[str]) -> list[Line]:
    """Why reports say nothing, in the largest letters of the picture; nothing where all do."""
    lines: list[Line] = []
    for report, label in zip(reports, labels, strict=True):
        if report.precondition.holds:
            continue
        whose = f": {label}" if len(reports) > 1 else ""
        lines += wrapped(f"{NO_FINDING}{whose}", LARGEST, bold=True, colour=RED)
        for reason in report.precondition.reasons:
            lines += wrapped(f"{reason[0].upper()}{reason[1:]}.", LARGE, colour=RED)
        lines += wrapped(f"What is drawn of it is {NOT_A_FINDING}.", LARGE, bold=True, colour=RED)
        lines.append(GAP)
    return lines


def _finding_lines(
    reports: Sequence[Report], labels: Sequence[str], robustness: Sequence[RobustnessReport | None]
) -> list[Line]:
    """What the reports say: of one report where its evidence lies, of several how they differ."""
    several = len(reports) > 1
    lines: list[Line] = []
    for report, label, measured in zip(reports, labels, robustness, strict=True):
        finding = report.finding(measured)
        if not several and not finding.withheld:
            lines += [*wrapped(finding.evidence), GAP, *wrapped(finding.further or ""), GAP]
        if finding.measured is not None:
            lines += wrapped(f"{label}: {finding.measured}" if several else finding.measured)
            lines.append(GAP)
    for sentence in contrasts(reports, labels) if len(reports) <= FEW else ():
        lines += wrapped(sentence)
    return lines


def side_by_side(reports: Sequence[Report], names: Sequence[str]) -> list[Report]:
    """Reports as one panel shows them: of the same bands, all in the view of the first.

    Raises
    ------
    UsageError, ReportError
        As for `figure`.
    """
    _check_bands(reports)
    return drawn_together(list(zip(names, reports, strict=True)))[0]


def _check_bands(reports: Sequence[Report]) -> None:
    check_count(len(reports))
    if len({report.players for report in reports}) > 1:
        raise UsageError("the reports have different numbers of bands; plot them one by one")
