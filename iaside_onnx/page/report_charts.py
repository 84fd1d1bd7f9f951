"""The charts of reports on the page: what each draws, and what is said about every value."""

from __future__ import annotations

from collections.abc import Sequence

from ..mathematics.shapley import coalition_curves
from ..results.report import Report
from .charts import Chart, Values, Words, bar_chart, gauge, line_chart

_VALUE_NAMES = {
    "log-prob": "log-probability",
    "log-prob-clipped": "log-probability, floored at log 0.01",
    "prob": "probability",
}


def value_name(report: Report) -> str:
    """What the game is played in, in words."""
    return _VALUE_NAMES.get(str(report.settings["value"]), "value")


def score_chart(reports: Sequence[Report], labels: Sequence[str]) -> Chart:
    """The signed score on its attainable range."""
    return gauge(
        [(report.srs_signed, *report.intervals.srs_signed) for report in reports],
        reports[0].srs_range,
        [
            f"{label}: signed score {report.srs_signed:+.3f}, {report.confidence:.0%} interval "
            f"{report.intervals.srs_signed[0]:+.3f} to {report.intervals.srs_signed[1]:+.3f}"
            for label, report in zip(labels, reports, strict=True)
        ],
        words=Words(
            name="score",
            title="Signed score on its attainable range",
            description="A line from the score of a model that lives on the highest band alone to "
            "that of one that lives on the lowest band alone; 0 is a model without preference.",
        ),
    )


def sid_chart(reports: Sequence[Report], labels: Sequence[str]) -> Chart:
    """Importance distribution with its intervals."""
    series = [
        Values(
            report.sid,
            [
                f"{label}, band {name}: share {report.sid[band]:.3f}, {report.confidence:.0%} "
                f"interval {report.intervals.sid_low[band]:.3f} to "
                f"{report.intervals.sid_high[band]:.3f}"
                for band, name in enumerate(report.band_names)
            ],
            (report.intervals.sid_low, report.intervals.sid_high),
        )
        for label, report in zip(labels, reports, strict=True)
    ]
    players = reports[0].players
    return bar_chart(
        series,
        reports[0].band_names,
        reference=(1 / players, "even share"),
        words=Words(
            name="sid",
            title="Spectral importance distribution (SID)",
            description="Share of importance of each band with its interval. The shares sum to 1 "
            "and the least is 0 by construction.",
            across="band, lowest to highest frequency",
            up="share of importance",
        ),
    )


def shapley_chart(reports: Sequence[Report], labels: Sequence[str]) -> Chart:
    """Shapley values with their standard errors."""
    series = [
        Values(
            report.shapley,
            [
                f"{label}, band {name}: Shapley value {report.shapley[band]:+.4f}, standard error "
                f"{report.shapley_stderr[band]:.4f}"
                for band, name in enumerate(report.band_names)
            ],
            (report.shapley - report.shapley_stderr, report.shapley + report.shapley_stderr),
        )
        for label, report in zip(labels, reports, strict=True)
    ]
    return bar_chart(
        series,
        reports[0].band_names,
        words=Words(
            name="shapley",
            title="Shapley values, with signs",
            description="Fair share of each band in the gain from no band to all bands, with one "
            "standard error. A negative band harms the model.",
            across="band, lowest to highest frequency",
            up=f"Δ {value_name(reports[0])}",
        ),
    )


def curve_charts(reports: Sequence[Report], labels: Sequence[str]) -> list[Chart]:
    """Value as bands are added, from the low and from the high end."""
    curves = [coalition_curves(report.coalition_values) for report in reports]
    return [
        line_chart(
            [
                Values(
                    pair[end],
                    [
                        f"{label}, {count} {side} bands: mean {value_name(report)} {height:.3f}"
                        for count, height in enumerate(pair[end])
                    ],
                )
                for label, report, pair in zip(labels, reports, curves, strict=True)
            ],
            span=[curve for pair in curves for curve in pair],
            words=Words(
                name=f"from-{side}",
                title=f"Bands added from the {side} {way}",
                description=f"Mean {value_name(reports[0])} of the true class when only the "
                f"k {side} bands are kept.",
                across=f"number of {side} bands kept",
                up=f"mean {value_name(reports[0])}",
            ),
        )
        for end, (side, way) in enumerate((("lowest", "up"), ("highest", "down")))
    ]


def profile_chart(reports: Sequence[Report], labels: Sequence[str], largest: float) -> Chart:
    """Bars that the page's script sets to the class that is picked; ticks mark all images."""
    series = [
        Values(
            report.sid,
            [
                f"{label}, all classes, band {name}: share {report.sid[band]:.3f}"
                for band, name in enumerate(report.band_names)
            ],
        )
        for label, report in zip(labels, reports, strict=True)
    ]
    return bar_chart(
        series,
        reports[0].band_names,
        top=largest,
        words=Words(
            name="profile",
            title="Importance of each band for the class picked",
            description="Share of importance of each band for the images of one class; a short "
            "line marks the share over all classes.",
            across="band, lowest to highest frequency",
            up="share of importance",
        ),
    )
