"""What the page says of one report beyond the charts: classes, interactions, warnings."""

from __future__ import annotations

import json
from typing import Any

from ..mathematics.proportion import wilson
from ..mathematics.shapley import coalition_curves
from ..results.class_rows import shown_estimate
from ..results.finding import reservations
from ..results.report import ONLY_EXACT, Report
from ..results.robustness import RobustnessReport
from ..spelling import on_command_line
from ..views.text import band_table, interval, number, percent
from .repeat import repetition
from .shading import matrix, shade


def model_facts(report: Report, measured: RobustnessReport | None) -> dict[str, Any]:
    """What the page says of one report beyond the charts."""
    curves = coalition_curves(report.coalition_values) if report.exact else ((), ())
    return {
        "report": report,
        "finding": report.finding(measured),
        "right": None if report.accuracy is None else int((~report.clean_wrong).sum()),
        "accuracy_ends": _accuracy_ends(report),
        "classes": _classes(report),
        "drawn_classes": report.of_classes and report.class_profiles.weight is not None,
        "signed": interval(*report.intervals.srs_signed, signed=True),
        "published": interval(*report.intervals.srs),
        "level": percent(report.confidence),
        "bands": band_table(report)[1],
        "curves": list(zip(*curves, strict=True)),
        "interactions": matrix(report.interactions) if report.exact else [],
        "skipped": [_skipped(item) for item in report.data.get("skipped") or []],
        "repetition": repetition(report),
        "settings": [(key, _text(value)) for key, value in sorted(report.settings.items())],
    }


def warnings_of(report: Report) -> list[str]:
    """What to bear in mind before any number of a report is read, but for what mutes it."""
    known = {*report.precondition.reasons, report.precondition.accuracy_note}
    said = [each for each in reservations(report) if each not in known]
    return said + ([] if report.exact else [on_command_line(ONLY_EXACT)])


def _accuracy_ends(report: Report) -> str | None:
    """The interval of the clean accuracy, by Wilson; None where labels are unknown."""
    if report.accuracy is None:
        return None
    right = (~report.clean_wrong).sum()
    low, high = wilson(right, len(report.labels), report.confidence)
    return interval(float(low), float(high))


def _skipped(item: Any) -> str:
    """One picture that was left out, and why."""
    if isinstance(item, dict) and {"id", "reason"} <= item.keys():
        return f"{item['id']}: {item['reason']}"
    return _text(item)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _classes(report: Report) -> list[dict[str, Any]]:
    """Rows of the class table, the class that leans most on high frequencies first."""
    if not report.of_classes:
        return []
    rows = [{**row, "shown": shown_estimate(row)} for row in report.per_class()]
    most = max(max(row["shown"]["sid"]) for row in rows)
    for row in rows:
        shares = row["shown"]["sid"]
        row["cells"] = [(number(share), shade(share, most)) for share in shares]
    return sorted(rows, key=lambda row: (row["shown"]["srs_signed"], row["class"]))
