"""A report on the terminal: bands, scores and what they say."""

from __future__ import annotations

from ..plurals import counted
from ..results.banded import bands_said
from ..results.finding import NOT_A_FINDING, run_warnings
from ..results.report import Report
from ..results.robustness import RobustnessReport
from .terminal import Rows, table, terminal
from .text import NOT_KNOWN, band_table, clean_words, interval, number, one_line, percent

_OWN = " (labels are the model's own answers)"


def print_report(
    report: Report, *, per_class: bool = False, robustness: RobustnessReport | None = None
) -> None:
    """The result of a report as a table, the score and what it says; first why it says nothing.

    Raises
    ------
    ReportError
        `robustness` is of another model.
    """
    out = terminal()
    finding = report.finding(robustness)
    mark = f" ({NOT_A_FINDING})" if finding.withheld else ""
    if finding.withheld:
        out.no_finding([finding.evidence], "No number below is a finding.")
    intervals, settings = report.intervals, report.settings
    level = percent(report.confidence)
    drawn = "" if report.exact else f", {settings['estimator']} from {settings['passes']} passes"
    out.heading(
        report,
        f"{counted(report.data['samples'], 'image')}, "
        f"{clean_words(report, 'clean accuracy', report.accuracy)}"
        f"{_OWN if report.of_classes and report.of_own_answers else ''}, "
        f"{bands_said(settings)}, absence {settings['absence']}, "
        f"value {settings['value']}{drawn}",
    )
    gain = number(report.value_all - report.value_none, signed=True)
    out.say(
        f"v(none) {number(report.value_none)}, v(all) {number(report.value_all)}: {gain} for the "
        "bands to share"
    )
    if report.beside is not None:
        out.say(f"Clean images: {one_line(report.beside)}")
    out.print(_band_table(report, mark))
    low, high = (number(end, signed=True) for end in report.srs_range)
    signed = interval(*intervals.srs_signed, signed=True)
    out.say(
        f"Signed score: {number(report.srs_signed, signed=True)}  [{level}: {signed}]  on its "
        f"range {low} (highest band alone) to {high} (lowest band alone){mark}",
        f"Published score (SRS), without the sign: {number(report.srs)}  "
        f"[{level}: {interval(*intervals.srs)}]{mark}",
    )
    evidence = None if finding.withheld else finding.evidence
    for sentence in filter(None, (evidence, finding.measured, finding.further)):
        out.say(one_line(sentence))
    out.noted(run_warnings(report))
    if per_class:
        from .class_table import class_tables

        out.print(*(class_tables(report, out.width) if report.of_classes else [_numbers(report)]))


def _band_table(report: Report, mark: str) -> Rows:
    """A row a band; `mark` stands beside the names of what is derived from its values."""
    headings, rows = band_table(report, mark)
    largest = float(report.sid.max())
    bars = None if mark else [float(share) / largest if largest > 0 else 0 for share in report.sid]
    return table(headings[:1], headings[1:], rows, bars=bars)


def _numbers(report: Report) -> Rows:
    """A row a class of several labels, or of a map."""
    rows = [
        [one_line(row["name"]), *(NOT_KNOWN if row[key] is None else _shown(row[key]) for key in
         list(row)[2:])]
        for row in report.per_class()
    ]  # fmt: skip
    labels = report.task.name == "several-labels"
    headings = ["images", "average precision", "accuracy"] if labels else ["overlap", "pixels"]
    return table(["class"], headings, rows)


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else number(value)
