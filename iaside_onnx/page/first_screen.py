"""What a page of reports says first: is it robust, why, how sure is that, and what now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..plurals import counted
from ..results.audit import Audit
from ..results.audit_words import damage_words, evidence_words
from ..results.damage import DamageReport
from ..results.damage_words import perturbation_name
from ..results.fed import beside, fed_otherwise
from ..results.report import Report
from .answer import answer, unbroken
from .facts import Facts
from .measured import judged, points, right_answers_of
from .repeat import looking, measuring

# Files of the commands that the page proposes. Those in capitals stand for files that it was made
# of, whose names it does not know; the others its commands write.
_REPORT, _GIVEN, _MEASURED, _PAGE = "REPORT.h5", "ROBUSTNESS.h5", "robustness.h5", "page.html"
_MOST_DAMAGES = 3


def first_screen(facts: Facts) -> dict[str, Any]:
    """What the templates ``answer.html`` or ``first.html`` need, under these names, or neither."""
    if facts.audit is not None:
        return {"answer": answer(facts.audit), "first": None}
    if not facts.reports:
        return {"answer": None, "first": None}
    alone = _as_audit(facts)
    if alone is not None:
        return {"answer": answer(alone, _commands(alone)), "first": None}
    return {"answer": None, "first": _first(facts)}


def _as_audit(facts: Facts) -> Audit | None:
    """The one model of a page as an audit would have it, where the verdicts' rule can be asked."""
    if len(facts.once) > 1 or not facts.robustness:
        return None
    report, robustness = facts.reports[0], facts.robustness[0]
    if judged(robustness) is None:
        return None
    if fed_otherwise(report.settings, robustness.settings, fitted=False):
        return None  # what was measured is not explained by where that evidence lies
    recipe = report.settings.get("preprocess")
    name = recipe.get("name") if isinstance(recipe, dict) else None
    return Audit(
        folder=Path(),
        robustness=robustness,
        analysis=report,
        damages=_damages_of(facts, report),
        about={} if name is None else {"input": str(name)},
        kept=False,
    )


def _damages_of(facts: Facts, report: Report) -> list[DamageReport]:
    """Damage that was measured of the model of a report, fed as the report has it."""
    near = beside(facts.reports, facts.damages)
    return [
        each
        for each, numbers in zip(facts.damages, near, strict=True)
        if any(facts.reports[number] is report for number in numbers)
        and not fed_otherwise(report.settings, each.settings, fitted=False)
    ]


def _commands(audit: Audit) -> dict[str, list[str]]:
    """How to compare another model with this one, and hold this one to a bound."""
    found = {"compare": ["iaside", "compare", _REPORT, "NEW.h5"]}
    if audit.verdicts.reason is None:
        found["gate"] = ["iaside", "gate", _GIVEN, *audit.gate.words]
    return found


def _first(facts: Facts) -> dict[str, Any]:
    """Of several models, or of one that no verdict is given on."""
    reports = list(enumerate(facts.reports))
    lacking = [number for number in facts.once if number not in facts.robustness]
    sizes = {len(report.labels) for report in facts.reports}
    least, most = min(sizes), max(sizes)
    images = counted(least, "image") if least == most else f"{least} to {most} images"
    return {
        # Models, of which one may have several reports.
        "many": len(facts.once) > 1,
        "measured": right_answers_of(facts.once, facts.measured),
        "mute": len(reports) == 1 and facts.models[0]["finding"].withheld,
        "inspect": looking(facts.reports[0]),
        "lacking": [_called(facts, number) for number in lacking],
        "measure": [measuring(facts.reports[number], _target(facts, number)) for number in lacking],
        "again": _again(facts),
        "why": [
            [*map(unbroken, [_evidence(report), *map(damage_words, _worst(facts, report))])]
            for report in facts.reports
        ],
        "images": images,
        "explained": bool(facts.damages),
        "single": [
            _single(_called(facts, number), damage)
            for number in facts.once
            for damage in _worst(facts, facts.reports[number])
        ],
    }


def _called(facts: Facts, number: int) -> str:
    """A model, by its report where it has no other."""
    name = facts.once[number]
    return facts.labels[number] if name == facts.names[number] else name


def _evidence(report: Report) -> str:
    silent = bool(report.precondition.reasons)
    return "No finding, for the reason at the top." if silent else evidence_words(report)


def _worst(facts: Facts, report: Report) -> list[DamageReport]:
    """The most harmful damage of a model first."""
    found = _damages_of(facts, report)
    return sorted(found, key=lambda each: -float(each.damage.value))[:_MOST_DAMAGES]


def _single(model: str, report: DamageReport) -> str:
    """What one perturbation left of the right answers."""
    text = f"{model} under {perturbation_name(report.settings['perturbation'])}"
    if not report.in_points:
        return f"{text}, n = {len(report.labels)}: see its damage below"
    kept = "the same" if report.value == "same-answer" else "right"
    clean, perturbed = (
        points(*(float(end) / 100 for end in (each.value, each.low, each.high)))
        for each in (report.clean, report.perturbed)
    )
    return f"{text}: {perturbed} {kept}, clean {clean}, n = {len(report.labels)}"


def _target(facts: Facts, number: int) -> str:
    """Where a measurement of a report's model would go."""
    return _one_of(_MEASURED, number, len(facts.once))


def _one_of(name: str, number: int, count: int) -> str:
    """One of so many files of a name, numbered where it is not alone."""
    return name if count == 1 else name.replace(".", f"-{number + 1}.")


def _again(facts: Facts) -> list[str]:
    """The command that makes this page with the measurements."""
    count = len(facts.reports)
    reports = [_one_of(_REPORT, number, count) for number in range(count)]
    measured = [
        _one_of(_GIVEN, number, len(facts.once))
        if number in facts.robustness
        else _target(facts, number)
        for number in facts.once
    ]
    return ["iaside", "html", *reports, *measured, "-o", _PAGE]
