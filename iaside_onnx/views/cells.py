"""Results as a notebook shows them: a small table in HTML.

Every text from outside is escaped; there are no scripts, no links and nothing to fetch. Colours
are those of the notebook but for the bars, which repeat what the numbers say.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from ..comparisons.pairs import Comparison
from ..plurals import counted
from ..results.banded import bands_said
from ..results.finding import NOT_A_FINDING
from ..results.report import Report
from .comparison_rows import no_finding_of, pair_rows
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
        "settings": f"absence {settings['absence']}, {bands_said(settings)}, "
        f"value {settings['value']}, beta {report.beta:g}",
        **(
            {"clean accuracy": number(report.accuracy)}
            if report.of_classes
            else {"task": report.task.what}
        ),
        "value of the game": f"no band {report.value_none:.3f}, all bands {report.value_all:.3f}",
        f"signed score{mark}": f"{number(report.srs_signed, signed=True)} "
        f"[{interval(*intervals.srs_signed, signed=True)}], "
        f"attainable {interval(low, high, signed=True)}",
        f"published score (SRS){mark}": f"{number(report.srs)} [{interval(*intervals.srs)}]",
    }
    largest = float(report.sid.max())
    bars = [float(share) / largest if largest > 0 else 0.0 for share in report.sid]
    caption = f"Bands, lowest frequency first{mark}"
    table = _table(
        caption, *band_table(report, extremes=False), bars=None if finding.withheld else bars
    )
    if finding.withheld:
        return _section("Spectral importance", _warning(finding.evidence), _figures(figures), table)
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
        heading += (
            f" and {counted(len(comparison.replicates), 'further training')} like it (their mean)"
        )
    parts = [*map(_warning, no_finding_of(comparison)), f"<p>{_escaped(about)}</p>"]
    for pair in comparison.pairs:
        notes = [f"Note: {note}." for note in pair.notes]
        sentences = [*dict.fromkeys(pair.verdict.values()), *notes]
        parts.append("<ul>" + "".join(f"<li>{_escaped(s)}</li>" for s in sentences) + "</ul>")
        rows = [[name, *cells] for name, cells, _ in pair_rows(comparison, pair)]
        headings = ("", "reference", "other", "other - reference", "interval", "p")
        parts.append(_table(f"{pair.report}: {pair.shared} shared images", headings, rows))
    return _section(heading, *parts)


def _escaped(text: str) -> str:
    return html.escape(one_line(text))


def _warning(reason: str) -> str:
    return f'<p style="{_WARNING}">{_escaped(reason)}</p>'


def _section(heading: str, *parts: str) -> str:
    # A heading of a cell is none of the notebook's outline.
    title = _escaped(heading)
    return f'<div role="group" aria-label="{title}"><strong>{title}</strong>{"".join(parts)}</div>'


def _figures(values: dict[str, str]) -> str:
    rows = "".join(f"<tr>{_cells(name, [value], _TEXT)}</tr>" for name, value in values.items())
    return f"<table><tbody>{rows}</tbody></table>"


def _table(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    bars: Sequence[float] | None = None,
) -> str:
    """A table with a header in every row and column; `bars` (0 to 1) are drawn behind it."""
    head = "".join(f'<th scope="col"{_NUMBER}>{_escaped(heading)}</th>' for heading in headings)
    lines = [_cells(name, cells, _NUMBER) for name, *cells in rows]
    if bars is not None:  # what a bar shows is in the numbers already
        head += '<td aria-hidden="true"></td>'
        lines = [line + _bar(share) for line, share in zip(lines, bars, strict=True)]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<table><caption style="text-align:left">{_escaped(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cells(name: str, cells: Iterable[str], look: str) -> str:
    """The cells of a row, its header first."""
    entries = "".join(f"<td{look}>{_escaped(cell)}</td>" for cell in cells)
    return f'<th scope="row"{_TEXT}>{_escaped(name)}</th>{entries}'


def _bar(share: float) -> str:
    look = f"width:{_BAR * share:.2f}em;height:0.8em;background:{_COLOUR}"
    return f'<td aria-hidden="true" style="min-width:{_BAR}em"><div style="{look}"></div></td>'
