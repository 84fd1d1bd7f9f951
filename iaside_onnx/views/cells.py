"""Results as a notebook shows them: one line of text, and a small table in HTML.

Every text from outside is escaped; there are no scripts, no links and nothing to fetch. Colours
are those of the notebook but for the bars, which repeat what the numbers say.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from ..mathematics.paired import Difference
from ..reports.comparison import Comparison, Pair
from ..reports.report import Report
from ..reports.verdict import decimals, p_text
from .text import one_line

_BAR = 8  # em
_COLOUR = "#0072B2"
_TEXT = ' style="text-align:left;padding:0.1em 0.5em"'
_NUMBER = ' style="text-align:right;padding:0.1em 0.5em"'


def report_line(report: Report) -> str:
    """A report in one line."""
    return (
        f"<Report {one_line(report.model['path'])}: {len(report.labels)} images, "
        f"{report.players} bands, accuracy {report.accuracy:.3f}, "
        f"signed SRS {report.srs_signed:+.3f}>"
    )


def report_html(report: Report) -> str:
    """Key figures of a report and a row for every band."""
    intervals, level = report.intervals, f"{report.confidence:.0%}"
    settings = report.settings
    low, high = report.srs_range
    figures = {
        "model": f"{report.model['path']} (SHA-256 {str(report.model['sha256'])[:12]}…)",
        "images": f"{len(report.labels)} of {report.data['source']}",
        "settings": f"absence {settings['absence']}, {settings['norm']} bands, "
        f"value {settings['value']}, beta {report.beta:g}",
        "clean accuracy": f"{report.accuracy:.3f}",
        "signed score": f"{report.srs_signed:+.3f} [{intervals.srs_signed[0]:+.3f}, "
        f"{intervals.srs_signed[1]:+.3f}], attainable {low:+.3f} to {high:+.3f}",
        "published score (SRS)": f"{report.srs:.3f} [{intervals.srs[0]:.3f}, "
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
        "Bands, lowest frequency first",
        ("band", "SID", f"{level} interval", "Shapley value", "std. error"),
        rows,
        bars=[float(share) / largest if largest > 0 else 0.0 for share in sid],
    )
    return _section(
        "Spectral importance",
        _figures(figures),
        table,
        f"<p>{_escaped(report.interpretation())}</p>",
    )


def comparison_line(found: Comparison) -> str:
    """A comparison in one line."""
    others = ", ".join(f"{pair.report} {pair.srs_signed.difference:+.3g}" for pair in found.pairs)
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
    parts = [part for pair in found.pairs for part in _pair_parts(found, pair)]
    heading = f"Compared with {found.reference['report']}"
    if found.replicates:
        heading += f" and {len(found.replicates)} further training(s) like it (their mean)"
    return _section(heading, f"<p>{_escaped(about)}</p>", *parts)


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
