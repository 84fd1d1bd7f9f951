"""One self-contained HTML page of one report or several: facts here, markup in `templates/`.

The page needs no network and runs no script but its own, which a Content-Security-Policy pins by
hash. Every text from a report goes through `printable` and the templates' escaping; nothing in
Python makes markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from ..comparisons.comparable import SideBySide, side_by_side
from ..comparisons.contrast import contrasts
from ..errors import UsageError
from ..mathematics.absence import scheme_of
from ..mathematics.shapley import coalition_curves
from ..results.class_rows import class_notes, shown_estimate
from ..results.finding import NOT_A_FINDING, run_warnings
from ..results.part import part_note
from ..results.report import FEW_IMAGES, ONLY_EXACT, Report
from ..results.robustness import RobustnessReport
from ..results.snr import SnrReport
from ..storage.output_file import check_free, whole_file
from ..views.text import one_line
from . import perturbations
from .example_pictures import WINDOW, Example, examples
from .repeat import repetition
from .report_charts import (
    curve_charts,
    profile_chart,
    score_chart,
    shapley_chart,
    sid_chart,
    value_name,
)

MOST_REPORTS = 12
_SHADES = 9
_LEGEND_LETTERS = 40
_MOST_TITLE_NAMES = 3


@dataclass(frozen=True)
class Section:
    """A part of the page: its anchor, its heading, and the template that fills it.

    It is left out where the page lacks, or has nothing of, what it `needs`. What is `derived` from
    the values of bands is no finding of a report that says nothing.
    """

    anchor: str
    heading: str
    needs: str | None = None
    derived: bool = False

    @property
    def template(self) -> str:
        """File name of the template."""
        return f"{self.anchor}.html"


_SECTIONS = (
    Section("bands", "Which bands carry the predictions", derived=True),
    Section("curves", "How few bands are enough", needs="curve_charts", derived=True),
    Section("interactions", "Which bands count only together", needs="all_exact", derived=True),
    Section("robustness", "What corruptions cost", needs="cost"),
    Section("noise", "What perturbations do to the bands", needs="noise"),
    Section("classes", "Class by class", derived=True),
    Section("example", "What the model sees", needs="examples"),
    Section("repeat", "Settings and provenance"),
)


def save_page(
    reports: Sequence[Report],
    names: Sequence[str],
    target: Path,
    *,
    overwrite: bool = False,
    **measured: Any,
) -> None:
    """Write the page; nothing is left behind when that fails.

    `measured` are the measurements that `page` takes.

    Raises
    ------
    UsageError
        Another ending than .html, or reports that do not go on one page.
    ReportError
        The file exists and `overwrite` is not set, or it cannot be written.
    """
    if target.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{target}: a page's name ends in .html")
    check_free(target, overwrite=overwrite)
    text = page(reports, names, **measured)
    with whole_file(target) as scratch:
        scratch.write_text(text, encoding="utf-8", newline="\n")


def page(
    reports: Sequence[Report],
    names: Sequence[str] | None = None,
    *,
    robustness: Sequence[RobustnessReport] = (),
    baseline: RobustnessReport | None = None,
    snr: SnrReport | None = None,
) -> str:
    """The page as text: a pure function of the reports.

    Parameters
    ----------
    reports : sequence of Report
        At most 12; they may differ in anything but the number of bands.
    names : sequence of str, optional
        What legends call them; the models' file names by default.
    robustness : sequence of RobustnessReport
        Of models among those of the reports, all measured alike.
    baseline : RobustnessReport, optional
        What mCE is relative to.
    snr : SnrReport, optional
        What perturbations do to the bands.

    Returns
    -------
    str
        HTML, UTF-8 when written; loads nothing from anywhere.

    Raises
    ------
    UsageError
        No report, too many, different numbers of bands, or robustness that fits no report.
    ReportError
        A baseline measured on something else.
    """
    if not 1 <= len(reports) <= MOST_REPORTS:
        raise UsageError(f"a page takes 1 to {MOST_REPORTS} reports, not {len(reports)}")
    if len({tuple(report.band_names) for report in reports}) > 1:
        raise UsageError("the reports have different numbers of bands; make a page of each")
    labels = _labels(names or [Path(report.model["path"]).stem for report in reports])
    environment = Environment(
        loader=PackageLoader("iaside_onnx.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters.update(
        signed=lambda number: f"{number:+.3f}",
        chance=_chance,
        sentence=lambda text: f"{text[:1].upper()}{text[1:]}.",
    )
    style, script = (_inline(environment, name) for name in ("page.css", "page.js"))
    costs = perturbations.matched(reports, robustness)
    context = _context(reports, labels, costs)
    if costs:
        context["cost"] = perturbations.cost(reports, _marked(reports, labels), costs, baseline)
    if snr is not None:
        context["noise"] = perturbations.noise(snr)
    context["sections"] = [
        part for part in _SECTIONS if part.needs is None or context.get(part.needs)
    ]
    return environment.get_template("page.html").render(
        **context,
        style=Markup(style),  # noqa: S704 - our own file, no data in it
        script=Markup(script),  # noqa: S704
        style_hash=_hash(style),
        script_hash=_hash(script),
        version=__version__,
    )


def _labels(names: Sequence[str]) -> list[str]:
    """Names for legends: short, and no two alike."""
    made: list[str] = []
    for name in names:
        text = one_line(name)
        text = text if len(text) <= _LEGEND_LETTERS else text[: _LEGEND_LETTERS - 1] + "…"
        count = 2
        label = text
        while label in made:
            label, count = f"{text} ({count})", count + 1
        made.append(label)
    return made


def _printable(value: Any) -> Any:
    """What every `{{ ... }}` of the templates goes through before it is escaped."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(character if character.isprintable() else "?" for character in value)


def _chance(probability: float) -> str:
    return "< 0.001" if 0 < probability < 0.001 else f"{probability:.3f}"


def _inline(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].replace("\r\n", "\n")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _context(
    reports: Sequence[Report], labels: Sequence[str], measured: dict[int, RobustnessReport]
) -> dict[str, Any]:
    first = reports[0]
    names, labels = labels, _marked(reports, labels)
    strips = examples(reports)
    several = len(reports) > 1
    exact = all(report.exact for report in reports)
    models = [
        {**_model(number, report, labels[number], measured.get(number)), "name": names[number]}
        for number, report in enumerate(reports)
    ]
    together = side_by_side(list(zip(names, reports, strict=True)))
    largest = max(max(row["shown"]["sid"]) for model in models for row in model["classes"])
    context: dict[str, Any] = {
        "title": _title(reports, names),
        "models": models,
        "several": several,
        "mute": [model for model in models if model["found"].withheld],
        "not_a_finding": NOT_A_FINDING,
        "comparisons": contrasts(reports, names),
        "level": f"{first.confidence:.0%}",
        "value_name": value_name(first),
        "band_names": first.band_names,
        "disagreements": _disagreements(together),
        "apart_images": together.images,
        "beside_notes": together.notes,
        "score_chart": score_chart(reports, labels),
        "sid_chart": sid_chart(reports, labels),
        "shapley_chart": shapley_chart(reports, labels),
        "all_exact": exact,
        "curve_charts": curve_charts(reports, labels) if exact else [],
        "profile_chart": profile_chart(reports, labels, largest),
        "class_choices": _class_choices(reports),
        "few_images": FEW_IMAGES,
        "class_notes": _class_notes(reports, labels),
        "few_can_hide": _few_can_hide(models),
        "window": WINDOW,
    }
    if strips:
        context["examples"] = [(strip, _fillings(reports, strip)) for strip in strips]
    return context


def _marked(reports: Sequence[Report], labels: Sequence[str]) -> list[str]:
    """The labels, with a word beside those of reports that say nothing."""
    return [
        label if report.precondition.holds else f"{label} ({NOT_A_FINDING})"
        for report, label in zip(reports, labels, strict=True)
    ]


def _title(reports: Sequence[Report], labels: Sequence[str]) -> str:
    if len(reports) == 1:
        return str(reports[0].model["path"])
    return ", ".join(labels) if len(labels) <= _MOST_TITLE_NAMES else f"{len(labels)} models"


def _fillings(reports: Sequence[Report], strip: Example) -> str:
    """What absent bands held in the audits that share an example."""
    names = {str(reports[number].settings.get("absence")) for number in strip.series}
    return " or ".join(scheme_of(name).words for name in sorted(names))


def _model(
    number: int, report: Report, label: str, measured: RobustnessReport | None
) -> dict[str, Any]:
    """What the page says of one report beyond the charts."""
    intervals = report.intervals
    classes = _classes(report)
    return {
        "number": number,
        "label": label,
        "report": report,
        "found": report.finding(measured),
        "right": int((report.predicted == report.labels).sum()),
        "classes": classes,
        "drawn_classes": report.class_profiles.weight is not None,
        "few": sum(row["n"] < FEW_IMAGES for row in classes),
        "signed_low": intervals.srs_signed[0],
        "signed_high": intervals.srs_signed[1],
        "srs_low": intervals.srs[0],
        "srs_high": intervals.srs[1],
        "level": f"{report.confidence:.0%}",
        "bands": [
            {
                "name": name,
                "sid": report.sid[band],
                "low": intervals.sid_low[band],
                "high": intervals.sid_high[band],
                "shapley": report.shapley[band],
                "stderr": report.shapley_stderr[band],
            }
            for band, name in enumerate(report.band_names)
        ],
        "curves": list(zip(*coalition_curves(report.coalition_values), strict=True))
        if report.exact
        else [],
        "interactions": _interactions(report) if report.exact else [],
        "warnings": [
            *filter(None, [part_note(report)]),
            *run_warnings(report),
            *([] if report.exact else [ONLY_EXACT]),
        ],
        "skipped": [_skipped(item) for item in report.data.get("skipped") or []],
        "repetition": repetition(report),
        "settings": [(key, _text(value)) for key, value in sorted(report.settings.items())],
    }


def _skipped(item: Any) -> str:
    """One picture that was left out, and why."""
    if isinstance(item, dict) and {"id", "reason"} <= item.keys():
        return f"{item['id']}: {item['reason']}"
    return _text(item)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _classes(report: Report) -> list[dict[str, Any]]:
    """Rows of the class table, the class that leans most on high frequencies first."""
    rows = report.per_class()
    for row in rows:
        row["shown"] = shown_estimate(row)
    most = max(max(row["shown"]["sid"]) for row in rows)
    for row in rows:
        shares = row["shown"]["sid"]
        row["cells"] = [(f"{share:.3f}", round(_SHADES * share / most)) for share in shares]
    return sorted(rows, key=lambda row: (row["shown"]["srs_signed"], row["class"]))


def _class_notes(reports: Sequence[Report], labels: Sequence[str]) -> list[str]:
    """What is shown of classes, and what to bear in mind, in the words of every view."""
    return [
        f"{label}: {note}" if len(reports) > 1 else note
        for report, label in zip(reports, labels, strict=True)
        for note in class_notes(report.class_profiles, FEW_IMAGES)
    ]


def _few_can_hide(models: Sequence[dict[str, Any]]) -> bool:
    """True where hiding the classes with few images would leave some and hide some."""
    few = sum(model["few"] for model in models)
    return bool(0 < few < sum(len(model["classes"]) for model in models))


def _interactions(report: Report) -> list[list[tuple[str, str]]]:
    """Text and shade of each cell: p1 to p9 for positive, n1 to n9 for negative values."""
    values = report.interactions
    largest = float(np.abs(values).max()) or 1.0

    def cell(value: float) -> tuple[str, str]:
        shade = round(_SHADES * abs(value) / largest)
        return f"{value:+.3f}", f"{'p' if value > 0 else 'n'}{shade}" if shade else ""

    return [
        [cell(float(value)) if across != down else ("", "") for across, value in enumerate(row)]
        for down, row in enumerate(values)
    ]


def _disagreements(together: SideBySide) -> list[str]:
    """Settings that keep the reports from being compared, with their values."""
    return [
        f"{key.replace('_', ' ')}: {', '.join(sorted(map(str, values)))}"
        for key, values in together.settings.items()
    ]


def _class_choices(reports: Sequence[Report]) -> list[tuple[int, str]]:
    """Number and name of every class on the page, in order of names."""
    known: dict[int, str] = {}
    for report in reports:
        for label in np.unique(report.labels).tolist():
            known.setdefault(label, report.class_name(label))
    return sorted(known.items(), key=lambda item: (item[1].casefold(), item[0]))
