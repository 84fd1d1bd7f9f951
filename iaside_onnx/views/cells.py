"""Results as a notebook shows them: a small table in HTML.

Every text from outside is escaped; there are no scripts, no links and nothing to fetch. Colours
are those of the notebook but for the bars, which repeat what the numbers say.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from ..comparisons.pairs import Comparison
from ..results.finding import NOT_A_FINDING
from ..results.report import Report
from .comparison_rows import both_values, difference_cells, pair_rows
from .text import band_table, interval, number, one_line, percent

_BAR = 8  # em
_COLOUR = "#0072B2"
_WARNING = "color:#A03000;font-size:1.3em;font-weight:bold"
_TEXT = ' style="text-align:left;padding:0.1em 0.5em"'
_NUMBER = ' style="text-align:right;padding:0.1em 0.5em"'


def report_html(report: Report) -> str:
    """Key figures of a report and a row for every band; first why it says nothing."""
    finding = report.finding()
    mark = f" ({NOT_A_FINDING})" if finding.withheld else ""
    intervals, settings = report.intervals, report.settings
    low, high = report.srs_range
    figures = {
        "model": f"{report.model['path']} (SHA-256 {str(report.model['sha256'])[:12]}…)",
        "images": f"{len(report.labels)} of {report.data['source']}",
        "settings": f"absence {settings['absence']}, {settings['norm']} bands, "
        f"value {settings['value']}, beta {report.beta:g}",
        "clean accuracy": number(report.accuracy),
        "value of the game": f"no band {report.value_none:.3f}, all bands {report.value_all:.3f}",
        f"signed score{mark}": f"{number(report.srs_signed, signed=True)} "
        f"[{interval(*intervals.srs_signed, signed=True)}], "
        f"attainable {interval(low, high, signed=True)}",
        f"published score (SRS){mark}": f"{number(report.srs)} [{interval(*intervals.srs)}]",
    }
    largest = float(report.sid.max())
    bars = [float(share) / largest if largest > 0 else 0.0 for share in report.sid]
    table = _table(
        f"Bands, lowest frequency first{mark}",
        *band_table(report),
        bars=None if finding.withheld else bars,
    )
    if finding.withheld:
        reason = f'<p style="{_WARNING}">{_escaped(finding.evidence)}</p>'
        return _section("Spectral importance", reason, _figures(figures), table)
    text = f"<p>{_escaped(finding.text)}</p>"
    return _section("Spectral importance", _figures(figures), table, text)


def comparison_html(comparison: Comparison) -> str:
    """A table and the verdict for every pair."""
    view = comparison.view
    about = (
        f"Differences are other - reference, with {percent(view['confidence'])} intervals; value "
        f"{view['value']}, beta {view['beta']}. Interval and p are of each row alone, and agree; "
        "the sentences on bands count all bands (Holm's method)."
    )
    heading = f"Compared with {comparison.reference['report']}"
    if comparison.replicates:
        heading += f" and {len(comparison.replicates)} further training(s) like it (their mean)"
    reasons = dict.fromkeys(reason for pair in comparison.pairs for reason in pair.no_finding)
    parts = [f'<p style="{_WARNING}">{_escaped(reason)}</p>' for reason in reasons]
    parts.append(f"<p>{_escaped(about)}</p>")
    for pair in comparison.pairs:
        notes = [f"Note: {note}." for note in pair.notes]
        sentences = [*dict.fromkeys(pair.verdict.values()), *notes]
        parts.append("<ul>" + "".join(f"<li>{_escaped(s)}</li>" for s in sentences) + "</ul>")
        rows = [
            [name, *both_values(difference, digits), *difference_cells(difference, digits)]
            for name, difference, digits in pair_rows(comparison, pair)
        ]
        headings = ("", "reference", "other", "other - reference", "interval", "p")
        parts.append(_table(f"{pair.report}: {pair.shared} shared images", headings, rows))
    return _section(heading, *parts)


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
    for row, (name, *cells) in enumerate(rows):
        line = f'<th scope="row"{_TEXT}>{_escaped(name)}</th>'
        line += "".join(f"<td{_NUMBER}>{_escaped(cell)}</td>" for cell in cells)
        if bars is not None:
            width = f"width:{_BAR * bars[row]:.2f}em;height:0.8em;background:{_COLOUR}"
            line += f'<td aria-hidden="true" style="min-width:{_BAR}em">'
            line += f'<div style="{width}"></div></td>'
        lines.append(f"<tr>{line}</tr>")
    return (
        f'<table><caption style="text-align:left">{_escaped(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )
