"""What the page says of one report beyond the charts: classes, interactions, warnings."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from ..mathematics.proportion import wilson
from ..mathematics.shapley import coalition_curves
from ..results.banded import bands_said
from ..results.class_rows import by_score, shown_estimate
from ..results.finding import reservations
from ..results.report import ONLY_EXACT, Report
from ..results.robustness import RobustnessReport
from ..spelling import on_command_line
from ..views.text import band_table, interval, number, percent, value_name
from .repeat import repetition
from .shading import matrix, shade


def model_facts(
    report: Report, measured: RobustnessReport | None, target: str = "report.h5"
) -> dict[str, Any]:
    """What the page says of one report beyond the charts; `target` is where it would go again."""
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
        "value_name": value_name(report),
        "bands": band_table(report)[1],
        "band_kind": bands_said(report.settings),
        "curves": list(zip(*curves, strict=True)),
        "interactions": matrix(report.interactions) if report.exact else [],
        "skipped": [_skipped(item) for item in report.data.get("skipped") or []],
        "repetition": repetition(report, target),
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
    """Rows of the class table, the class that leans most on high frequencies first.

    Classes without a finding come last, and show neither shares nor score.
    """
    if not report.of_classes:
        return []
    gains, every = report.class_gains, report.per_class()
    shares = np.where(gains.nothing[:, None], np.nan, report.class_profiles.best.sid)
    most = float(np.nanmax(shares, initial=0.0)) or 1.0
    rows = []
    for place in by_score(report).tolist():
        row, nothing = every[place], bool(gains.nothing[place])
        score, own = shown_estimate(row)["srs_signed"], row["srs_signed"]
        rows.append(
            {
                **row,
                "nothing": nothing,
                "open": bool(gains.open[place]),
                "most": 0.0 if nothing else float(shares[place].max()),
                "score": number(math.nan if nothing else score, signed=True),
                "own_score": number(math.nan if nothing else own, signed=True),
                "cells": [
                    (number(share), "" if nothing else shade(share, most))
                    for share in shares[place].tolist()
                ],
            }
        )
    return rows
