"""One self-contained HTML page of one report or several: facts here, markup in `templates/`.

The page needs no network and runs no script but its own, which a Content-Security-Policy pins by
hash. Every text from a report goes through `printable` and the templates' escaping; nothing in
Python makes markup.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..comparisons.comparable import side_by_side
from ..comparisons.contrast import contrasts, of_one_model
from ..errors import UsageError
from ..mathematics.absence import scheme_of
from ..mathematics.spacing import LINEAR
from ..results.audit import PAGE, Audit
from ..results.banded import kind_said, spacing_of, wave_spans
from ..results.class_rows import class_notes, finding_notes
from ..results.content import as_text
from ..results.damage import DamageReport
from ..results.fed import fed_otherwise
from ..results.finding import NOT_A_FINDING, next_words
from ..results.precondition import speaks_of_accuracy
from ..results.report import FEW_IMAGES, Report
from ..results.result import Result
from ..results.robustness import RobustnessReport
from ..results.snr import SnrReport
from ..views.text import model_name, of_all, shortened, value_name
from . import perturbations
from .charts import Chart
from .damage import damage
from .example_pictures import WINDOW, Example, examples
from .facts import Facts
from .first_screen import first_screen
from .model_facts import model_facts, warnings_of
from .record import (
    BASELINE,
    DAMAGE,
    MEASURED,
    META,
    NOISE,
    REPORT,
    record_of,
    record_of_audit,
)
from .rendering import no_overview, rendered
from .report_charts import curve_charts, profile_chart, score_chart, shapley_chart, sid_chart
from .target import write_page

MOST_REPORTS = 12
_LEGEND_LETTERS = 40
_MOST_TITLE_NAMES = 3


@dataclass(frozen=True)
class Section:
    """A part of the page, which is left out where it has nothing to show.

    Attributes
    ----------
    anchor, heading : str
    make : callable
        What its template needs, by name, or None where the page lacks it.
    derived : bool
        Shown from the values of bands: no finding of a report that says nothing.
    markup : str or None
        Its template; by default the file of the anchor's name in ``templates/``.
    analysed : bool
        Of reports of ``iaside analyze``: left out where there is none.
    """

    anchor: str
    heading: str
    make: Callable[[Facts], Mapping[str, Any] | None]
    derived: bool = False
    markup: str | None = None
    analysed: bool = True

    @property
    def template(self) -> str:
        """Name of the template."""
        return f"{self.anchor}.html"


def save_page(
    reports: Sequence[Report],
    names: Sequence[str],
    target: Path,
    *,
    overwrite: bool = False,
    **measured: Any,
) -> None:
    """Write the page that `page` makes; nothing is left behind when that fails.

    Raises
    ------
    UsageError
        Another ending than .html, or as for `page`.
    ReportError
        The file exists and `overwrite` is not set, it cannot be written, or as for `page`.
    """
    write_page(target, lambda: page(reports, names, **measured), overwrite=overwrite)


def page(
    reports: Sequence[Report],
    names: Sequence[str] | None = None,
    *,
    robustness: Sequence[RobustnessReport] = (),
    baseline: RobustnessReport | None = None,
    snr: SnrReport | None = None,
    damages: Sequence[DamageReport] = (),
) -> str:
    """The page as text, HTML that loads nothing from anywhere: a pure function of the reports.

    Parameters
    ----------
    reports : sequence of Report
        At most 12; they may differ in anything but the number of bands. None where there are
        `damages`.
    names : sequence of str, optional
        What legends call them; the models' file names by default.
    robustness : sequence of RobustnessReport
        Of models among those of the reports, all measured alike.
    baseline : RobustnessReport, optional
        What mCE is relative to.
    snr : SnrReport, optional
        What perturbations do to the bands.
    damages : sequence of DamageReport
        Of any models and perturbations, all of the same bands.

    Raises
    ------
    UsageError
        No report, too many, different numbers of bands, or robustness that fits no report.
    ReportError
        A baseline measured on something else.
    """
    if damages and not reports and not robustness and snr is None:
        names = list(dict.fromkeys(map(model_name, damages)))
        record = record_of([], [(DAMAGE, each) for each in damages])
        return _written(Facts([], names, names, [], {}, None, None, None, damages), record)
    if not 1 <= len(reports) <= MOST_REPORTS:
        raise UsageError(f"a page takes 1 to {MOST_REPORTS} reports, not {len(reports)}")
    if len({tuple(report.band_names) for report in reports}) > 1:
        raise UsageError("the reports have different numbers of bands; make a page of each")
    given = list(names or map(model_name, reports))
    names = _labels(given)
    measured = perturbations.matched(reports, robustness)
    labels = [
        name if report.precondition.holds else f"{name} ({NOT_A_FINDING})"
        for name, report in zip(names, reports, strict=True)
    ]
    # Each to a file of its own, for no command writes over what is there.
    targets = (
        ["report.h5"]
        if len(reports) == 1
        else [f"report-{at + 1}.h5" for at in range(len(reports))]
    )
    models = [
        {
            **model_facts(report, measured.get(at), targets[at]),
            "number": at,
            "name": name,
            "label": label,
        }
        for at, (report, name, label) in enumerate(zip(reports, names, labels, strict=True))
    ]
    parts: list[tuple[str, Result]] = [
        *((REPORT, each) for each in reports),
        *((MEASURED, each) for each in robustness),
        *((BASELINE, each) for each in [baseline] if each is not None),
        *((NOISE, each) for each in [snr] if each is not None),
        *((DAMAGE, each) for each in damages),
    ]
    facts = Facts(reports, names, labels, models, measured, baseline, snr, None, damages)
    return _written(facts, record_of(given, parts))


def audit_page(audit: Audit) -> str:
    """The page of an audit as text, as `page` makes it: the answer first, then its reports."""
    analysis, measured, record = audit.analysis, {0: audit.robustness}, record_of_audit(audit)
    name = model_name(audit)
    if analysis is None:
        return _written(Facts([], [name], [name], [], {}, None, None, audit, audit.damages), record)
    label = name if analysis.precondition.holds else f"{name} ({NOT_A_FINDING})"
    model = {**model_facts(analysis, audit.robustness), "number": 0, "name": name, "label": label}
    facts = Facts([analysis], [name], [label], [model], measured, None, None, audit, audit.damages)
    return _written(facts, record)


def save_audit_page(audit: Audit, target: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page of an audit, by default as ``index.html`` into its folder.

    Raises
    ------
    UsageError, ReportError
        As for `save_page`.
    """
    target = audit.folder / PAGE if target is None else target
    write_page(target, lambda: audit_page(audit), overwrite=overwrite)
    return target


def _written(facts: Facts, record: dict[str, Any]) -> str:
    """The page of these facts; the record says what they are of."""
    context: dict[str, Any] = {"sections": [], "record": record, **first_screen(facts)}
    context["ranking"] = None
    context["record_name"], context["record_text"] = META, as_text(record)
    # Under the answer of an audit, why comes before the rest.
    why_first = sorted(SECTIONS, key=lambda section: section.anchor != "damage")
    for section in SECTIONS if facts.audit is None else why_first:
        if section.analysed and not facts.reports:
            continue
        needed = section.make(facts)
        if needed is not None:
            context["sections"].append(section)
            context |= needed
    context |= _overview(facts) if facts.reports else no_overview(_title(facts))
    context["warnings"] = _warnings(facts)
    own = {part.template: part.markup for part in SECTIONS if part.markup is not None}
    return rendered(context, own)


def _warnings(facts: Facts) -> list[tuple[str, list[str]]]:
    """What to bear in mind before any number is read, by the model that it is of."""
    said: dict[str, list[str]] = {}
    for number, report in enumerate(facts.reports):
        said.setdefault(facts.labels[number], []).extend(warnings_of(report))
        entry = facts.robustness.get(number)
        otherwise = entry and fed_otherwise(report.settings, entry.settings)
        if otherwise:
            said[facts.labels[number]].append(
                f"its score and its errors were measured with {otherwise}"
            )
    measured = facts.robustness
    if facts.audit is not None:
        measured = {0: facts.audit.robustness}
    runs = [(facts.labels[number], each.run) for number, each in measured.items()]
    runs += [(model_name(each), each.run) for each in facts.damages]
    # That accuracy is at chance mutes the page already.
    mute = {
        label
        for report, label in zip(facts.reports, facts.labels, strict=False)
        if report.precondition.reasons
    }
    for label, run in runs:
        warnings = map(str, run.get("warnings") or [])
        known = label in mute
        said.setdefault(label, []).extend(
            each for each in warnings if not (known and speaks_of_accuracy(each))
        )
    return [(label, list(dict.fromkeys(texts))) for label, texts in said.items() if texts]


def _title(facts: Facts) -> str:
    """Of a page without reports that say where the evidence lies."""
    paths = [str(damage.model["path"]) for damage in facts.damages]
    if facts.audit is not None:
        paths = [str(facts.audit.model["path"])]
    return _several(facts.names) if len(set(paths)) > 1 else PurePosixPath(paths[0]).name


def _several(names: Sequence[str]) -> str:
    """Names of models in a title."""
    return ", ".join(names) if len(names) <= _MOST_TITLE_NAMES else f"{len(names)} models"


def _labels(names: Sequence[str]) -> list[str]:
    """Names for legends: short, and no two alike."""
    labels: list[str] = []
    for name in names:
        short = shortened(name, _LEGEND_LETTERS)
        alike = (f"{short} ({count})" for count in itertools.count(2))
        labels.append(next(each for each in itertools.chain([short], alike) if each not in labels))
    return labels


def _sentence(text: str) -> str:
    """What begins with a word, not with a name, as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def _overview(facts: Facts) -> dict[str, Any]:
    """What stands above the sections, and what all of them may use."""
    reports, models, first, names = facts.reports, facts.models, facts.reports[0], facts.names
    together = side_by_side(list(zip(names, reports, strict=True)))
    of_one = of_one_model(reports, names)
    return {
        "title": _several(list(facts.once.values()))
        if len(facts.once) > 1
        else PurePosixPath(first.model["path"]).name,
        "models": models,
        "several": len(reports) > 1,
        "mute": [model for model in models if model["finding"].withheld],
        "further": _further(facts, comparable=not together.settings and not together.images),
        "absences": [scheme_of(str(report.settings.get("absence"))).words for report in reports],
        "not_a_finding": NOT_A_FINDING,
        "of_one_model": of_one,
        "comparisons": [each for each in contrasts(reports, names) if each not in of_one],
        "value_name": of_all(map(value_name, reports)),
        "class_words": of_all(report.class_words for report in reports),
        "band_names": first.band_names,
        "band_kind": kind_said(first.settings),
        "waves": [] if spacing_of(first.settings) == LINEAR else wave_spans(first.settings),
        "groups": facts.groups,
        # What the bands of a report are, where those of others are of another kind.
        "kinds": _kinds(facts),
        # Settings that keep the reports from being compared, with their values.
        "disagreements": [
            f"{key.replace('_', ' ')}: {', '.join(sorted(map(str, values)))}"
            for key, values in together.settings.items()
        ],
        "apart_images": together.images,
        "beside_notes": together.notes,
        "score_charts": _each_group(facts, score_chart),
    }


def _further(facts: Facts, *, comparable: bool) -> str | None:
    """What to run to learn more, once for all reports; None where nothing is left to run."""
    if not any(model["finding"].further for model in facts.models):
        return None
    alone = len(facts.once) == 1
    return next_words("this model" if alone else "a model", comparable=comparable)


def _kinds(facts: Facts) -> dict[int, str]:
    """By the number of a report what its bands are, where the page has several kinds."""
    groups = facts.groups if len(facts.groups) > 1 else []
    return {number: group.heading for group in groups for number in group.numbers}


def _each_group(facts: Facts, chart: Callable[..., Chart], *further: Any) -> list[Chart]:
    """A chart of the reports of each group; never one of bands of several kinds."""
    return [
        group.placed(chart(group.reports, group.labels, *further), place)
        for place, group in enumerate(facts.groups)
    ]


def _bands(facts: Facts) -> dict[str, Any]:
    charts = _each_group(facts, sid_chart), _each_group(facts, shapley_chart)
    return {"band_charts": list(zip(facts.groups, *charts, strict=True))}


def _curves(facts: Facts) -> dict[str, Any] | None:
    if not facts.exact:
        return None
    pairs = [
        [group.placed(chart, place) for chart in curve_charts(group.reports, group.labels)]
        for place, group in enumerate(facts.groups)
    ]
    return {"curve_charts": list(zip(facts.groups, pairs, strict=True))}


def _cost(facts: Facts) -> dict[str, Any] | None:
    if not facts.robustness:
        return None
    return {
        "cost": perturbations.cost(
            facts.groups, facts.labels, facts.robustness, facts.baseline, facts.once
        )
    }


def _noise(facts: Facts) -> dict[str, Any] | None:
    return None if facts.snr is None else {"noise": perturbations.noise(facts.snr, facts.groups)}


def _class_by_class(facts: Facts) -> dict[str, Any] | None:
    if not all(report.of_classes for report in facts.reports):
        return None
    several, models = len(facts.reports) > 1, facts.models
    largest = max(row["most"] for model in models for row in model["classes"]) or 1.0
    few = sum(row["n"] < FEW_IMAGES for model in models for row in model["classes"])
    known: dict[int, str] = {}
    for report in facts.reports:
        for label in np.unique(report.labels).tolist():
            known.setdefault(label, report.class_name(label))
    return {
        "profile_charts": _each_group(facts, profile_chart, largest),
        # Number and name of every class on the page, in order of names.
        "class_choices": sorted(known.items(), key=lambda item: (item[1].casefold(), item[0])),
        "few_images": FEW_IMAGES,
        # Whether hiding the classes with few images would leave some and hide some.
        "few_can_hide": bool(0 < few < sum(len(model["classes"]) for model in models)),
        "some_open": any(row["open"] for model in models for row in model["classes"]),
        "some_nothing": any(row["nothing"] for model in models for row in model["classes"]),
        "class_notes": [
            f"{label}: {note}." if several else _sentence(note)
            for report, label in zip(facts.reports, facts.labels, strict=True)
            for note in [*finding_notes(report), *class_notes(report.class_profiles, FEW_IMAGES)]
        ],
    }


def _examples(facts: Facts) -> dict[str, Any] | None:
    strips = examples(facts.reports)
    filled = [(strip, _fillings(facts.reports, strip)) for strip in strips]
    return {"examples": filled, "window": WINDOW} if strips else None


def _fillings(reports: Sequence[Report], strip: Example) -> str:
    """What stood where bands were absent in the audits that share an example."""
    names = {str(reports[number].settings.get("absence")) for number in strip.series}
    return " or ".join(scheme_of(name).words for name in sorted(names))


# In the order of the page; one more is one entry.
SECTIONS = [
    Section(
        "evidence",
        "Where the evidence lies",
        lambda _: {},
        markup='{% include "overview.html" %}',
    ),
    Section("bands", "Which bands carry the predictions", _bands, derived=True),
    Section("curves", "How few bands are enough", _curves, derived=True),
    Section(
        "interactions",
        "Which bands count only together",
        lambda facts: {} if facts.exact else None,
        derived=True,
    ),
    Section("robustness", "What corruptions cost", _cost),
    Section(
        "damage",
        "Where the damage comes in",
        lambda facts: {"damage": damage(facts.damages, facts.groups)} if facts.damages else None,
        analysed=False,
    ),
    Section(
        "noise",
        "What perturbations do to the bands",
        _noise,
    ),
    Section("classes", "Class by class", _class_by_class, derived=True),
    Section("example", "What the model sees", _examples),
    Section("repeat", "Settings and provenance", lambda _: {}),
]
