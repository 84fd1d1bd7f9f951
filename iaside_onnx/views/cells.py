"""Results as a notebook shows them: one line of text, and a small table in HTML.

Every text from outside is escaped; there are no scripts, no links and nothing to fetch. Colours
are those of the notebook but for the bars, which repeat what the numbers say.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from ..comparisons.pairs import Comparison, Pair
from ..comparisons.verdict import decimals, p_text
from ..mathematics.paired import Difference
from ..results.finding import NO_FINDING, NOT_A_FINDING
from ..results.report import Report
from .text import one_line

_BAR = 8  # em
_COLOUR = "#0072B2"
_WARNING = "color:#A03000;font-size:1.3em;font-weight:bold"
_TEXT = ' style="text-align:left;padding:0.1em 0.5em"'
_NUMBER = ' style="text-align:right;padding:0.1em 0.5em"'


def report_line(report: Report) -> str:
    """A report in one line."""
    about = f"{len(report.labels)} images, {report.players} bands, accuracy {report.accuracy:.3f}"
    reasons = report.precondition.reasons
    said = (
        f"{NO_FINDING}, {reasons[0].partition(':')[0]}; {about}"
        if reasons
        else f"{about}, signed SRS {report.srs_signed:+.3f}"
    )
    return f"<Report {one_line(report.model['path'])}: {said}>"


def report_html(report: Report) -> str:
    """Key figures of a report and a row for every band; first why it says nothing."""
    found = report.finding()
    mark = f" ({NOT_A_FINDING})" if found.withheld else ""
    intervals, level = report.intervals, f"{report.confidence:.0%}"
    settings = report.settings
    low, high = report.srs_range
    figures = {
        "model": f"{report.model['path']} (SHA-256 {str(report.model['sha256'])[:12]}…)",
        "images": f"{len(report.labels)} of {report.data['source']}",
        "settings": f"absence {settings['absence']}, {settings['norm']} bands, "
        f"value {settings['value']}, beta {report.beta:g}",
        "clean accuracy": f"{report.accuracy:.3f}",
        "value of the game": f"no band {report.value_none:.3f}, all bands {report.value_all:.3f}",
        f"signed score{mark}": f"{report.srs_signed:+.3f} [{intervals.srs_signed[0]:+.3f}, "
        f"{intervals.srs_signed[1]:+.3f}], attainable {low:+.3f} to {high:+.3f}",
        f"published score (SRS){mark}": f"{report.srs:.3f} [{intervals.srs[0]:.3f}, "
        f"{intervals.srs[1]:.3f}]",
    }
    sid, largest = report.sid, float(report.sid.max())
    rows = [
        [
            name,
            f"{sid[band]:.3f}",
            f"{intervals.sid_low[band]:.3f} to {intervals.sid_high[band]:.3f}",
            f"{report.shapley[band]:+.4f}",
            f"{report.shapley_stderr[band]:.4f}",
        ]
        for band, name in enumerate(report.band_names)
    ]
    table = _table(
        f"Bands, lowest frequency first{mark}",
        ("band", "SID", f"{level} interval", "Shapley value", "std. error"),
        rows,
        bars=None if found.withheld else [float(s) / largest if largest > 0 else 0.0 for s in sid],
    )
    text = f"<p>{_escaped(found.text)}</p>"
    if found.withheld:
        reason = f'<p style="{_WARNING}">{_escaped(found.evidence)}</p>'
        return _section("Spectral importance", reason, _figures(figures), table)
    return _section("Spectral importance", _figures(figures), table, text)


def comparison_line(found: Comparison) -> str:
    """A comparison in one line."""
    scores = (
        NOT_A_FINDING if pair.no_finding else f"{pair.srs_signed.difference:+.3g}"
        for pair in found.pairs
    )
    others = ", ".join(
        f"{pair.report} {score}" for pair, score in zip(found.pairs, scores, strict=True)
    )
    name = found.reference["report"]
    return f"<Comparison against {one_line(name)}, signed SRS: {one_line(others)}>"


def comparison_html(found: Comparison) -> str:
    """A table and the verdict for every pair."""
    view = found.view
    about = (
        f"Differences are other - reference, with {view['confidence']:.0%} intervals; value "
        f"{view['value']}, beta {view['beta']}. Interval and p are of each row alone, and agree; "
        "the sentences on bands count all bands (Holm's method)."
    )
    reasons = dict.fromkeys(reason for pair in found.pairs for reason in pair.no_finding)
    first = [f'<p style="{_WARNING}">{_escaped(reason)}</p>' for reason in reasons]
    parts = [part for pair in found.pairs for part in _pair_parts(found, pair)]
    heading = f"Compared with {found.reference['report']}"
    if found.replicates:
        heading += f" and {len(found.replicates)} further training(s) like it (their mean)"
    return _section(heading, *first, f"<p>{_escaped(about)}</p>", *parts)


def _pair_parts(found: Comparison, pair: Pair) -> Iterable[str]:
    scores = {
        "signed SRS": pair.srs_signed,
        "SRS": pair.srs,
        "accuracy": pair.accuracy,
        "log-prob": pair.mean_log_prob,
    }
    shares = {f"SID {band}": d for band, d in zip(found.bands, pair.sid, strict=True)}
    rows = [_difference(name, d, decimals([d])) for name, d in scores.items()]
    places = decimals(pair.sid)
    rows += [_difference(name, d, places) for name, d in shares.items()]
    notes = [f"Note: {note}." for note in pair.notes]
    sentences = [*dict.fromkeys(pair.verdict.values()), *notes]
    yield "<ul>" + "".join(f"<li>{_escaped(line)}</li>" for line in sentences) + "</ul>"
    yield _table(
        f"{pair.report}: {pair.shared} shared images",
        ("", "reference", "other", "other - reference", "interval", "p"),
        rows,
    )


def _difference(name: str, found: Difference, places: int) -> list[str]:
    return [
        name,
        f"{found.reference:.{places}f}",
        f"{found.other:.{places}f}",
        f"{found.difference:+.{places}f}",
        f"{found.low:+.{places}f} to {found.high:+.{places}f}",
        p_text(found.p).removeprefix("= "),
    ]


def _escaped(text: str) -> str:
    return html.escape(one_line(text))


def _section(heading: str, *parts: str) -> str:
    # A heading of a cell is none of the notebook's outline.
    title = _escaped(heading)
    return f'<div role="group" aria-label="{title}"><strong>{title}</strong>{"".join(parts)}</div>'


def _figures(values: dict[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row"{_TEXT}>{_escaped(name)}</th><td{_TEXT}>{_escaped(value)}</td></tr>'
        for name, value in values.items()
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _table(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    bars: Sequence[float] | None = None,
) -> str:
    """A table with a header in every row and column; `bars` (0 to 1) are drawn behind it."""
    head = "".join(f'<th scope="col"{_NUMBER}>{_escaped(heading)}</th>' for heading in headings)
    # What a bar shows is in the numbers already.
    head += '<td aria-hidden="true"></td>' if bars is not None else ""
    lines = []
    for number, (name, *cells) in enumerate(rows):
        line = f'<th scope="row"{_TEXT}>{_escaped(name)}</th>'
        line += "".join(f"<td{_NUMBER}>{_escaped(cell)}</td>" for cell in cells)
        if bars is not None:
            width = f"width:{_BAR * bars[number]:.2f}em;height:0.8em;background:{_COLOUR}"
            line += f'<td aria-hidden="true" style="min-width:{_BAR}em">'
            line += f'<div style="{width}"></div></td>'
        lines.append(f"<tr>{line}</tr>")
    return (
        f'<table><caption style="text-align:left">{_escaped(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )
