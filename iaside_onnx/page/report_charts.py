"""The charts of reports on the page: what each draws, and what is said about every value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..mathematics.shapley import coalition_curves
from ..results.report import Report
from ..views.text import interval, number, of_all, percent, value_name
from .charts import Chart, Values, Words, bar_chart, gauge, line_chart

_BANDS, _SHARE = "band, lowest to highest frequency", "share of importance"


def score_chart(reports: Sequence[Report], labels: Sequence[str]) -> Chart:
    """The signed score on its attainable range."""
    scores = [(report.srs_signed, *report.intervals.srs_signed) for report in reports]
    texts = [
        f"{label}: signed score {number(report.srs_signed, signed=True)}, "
        f"{percent(report.confidence)} interval "
        f"{interval(*report.intervals.srs_signed, signed=True)}"
        for label, report in zip(labels, reports, strict=True)
    ]
    words = Words(
        "score",
        "Signed score on its attainable range",
        "A line from the score of a model that relies on the highest band alone to "
        "that of one that relies on the lowest band alone; 0 is a model without preference.",
    )
    return gauge(scores, reports[0].srs_range, texts, words)


def sid_chart(reports: Sequence[Report], labels: Sequence[str]) -> Chart:
    """Importance distribution with its intervals."""

    def said(report: Report, band: int) -> str:
        ends = interval(report.intervals.sid_low[band], report.intervals.sid_high[band])
        level = percent(report.confidence)
        return f"share {number(report.sid[band])}, {level} interval {ends}"

    series = []
    for label, report in zip(labels, reports, strict=True):
        ends = report.intervals
        series.append(_by_band(report, label, report.sid, said, ends.sid_low, ends.sid_high))
    words = Words(
        "sid",
        "Spectral importance distribution (SID)",
        "Share of importance of each band with its interval. The shares sum to 1 "
        "and the least is 0 by construction.",
        _BANDS,
        _SHARE,
    )
    even = (1 / reports[0].players, "even share")
    return bar_chart(series, reports[0].band_names, words, reference=even)


def shapley_chart(reports: Sequence[Report], labels: Sequence[str]) -> Chart:
    """Shapley values with their standard errors."""

    def said(report: Report, band: int) -> str:
        error = number(report.shapley_stderr[band], 4)
        value = number(report.shapley[band], 4, signed=True)
        return f"Shapley value {value}, standard error {error}"

    series = []
    for label, report in zip(labels, reports, strict=True):
        value, error = report.shapley, report.shapley_stderr
        series.append(_by_band(report, label, value, said, value - error, value + error))
    words = Words(
        "shapley",
        "Shapley values, with signs",
        "Fair share of each band in the gain from no band to all bands, with one "
        "standard error. A negative band harms the model.",
        _BANDS,
        f"Δ {value_name(reports[0])}",
    )
    return bar_chart(series, reports[0].band_names, words)


def curve_charts(reports: Sequence[Report], labels: Sequence[str]) -> list[Chart]:
    """Value as bands are added, from the low and from the high end."""
    curves = [coalition_curves(report.coalition_values) for report in reports]
    value = value_name(reports[0])
    classes = of_all(report.class_words for report in reports)
    charts = []
    for end, (side, way) in enumerate((("lowest", "up"), ("highest", "down"))):
        series = []
        for label, pair in zip(labels, curves, strict=True):
            said = [
                f"{label}, {count} {side} bands: mean {value} {height:.3f}"
                for count, height in enumerate(pair[end])
            ]
            series.append(Values(pair[end], said))
        words = Words(
            f"from-{side}",
            f"Bands added from the {side} {way}",
            f"Mean {value} of the {classes} when only the k {side} bands are kept.",
            f"number of {side} bands kept",
            f"mean {value}",
        )
        charts.append(line_chart(series, words, span=[c for pair in curves for c in pair]))
    return charts


def profile_chart(reports: Sequence[Report], labels: Sequence[str], largest: float) -> Chart:
    """Bars that the page's script sets to the class that is picked; ticks mark all images."""
    series = [
        _by_band(report, f"{label}, all classes", report.sid, lambda r, b: f"share {r.sid[b]:.3f}")
        for label, report in zip(labels, reports, strict=True)
    ]
    words = Words(
        "profile",
        "Importance of each band for the class picked",
        "Share of importance of each band for the images of one class; a short "
        "line marks the share over all classes.",
        _BANDS,
        _SHARE,
    )
    return bar_chart(series, reports[0].band_names, words, top=largest)


def _by_band(
    report: Report, label: str, heights: Any, said: Callable[[Report, int], str], *ends: Any
) -> Values:
    """Values of the bands, with what is said of each and the ends of their intervals, if any."""
    texts = [f"{label}, band {name}: {said(report, i)}" for i, name in enumerate(report.band_names)]
    return Values(heights, texts, (ends[0], ends[1]) if ends else None)
