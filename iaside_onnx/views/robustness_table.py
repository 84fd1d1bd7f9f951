"""Robustness reports on a terminal."""

from __future__ import annotations

import numpy as np

from ..comparisons.baseline import relative
from ..results.confidence import Confidence, Confidences
from ..results.robustness import Relative, RobustnessReport
from .terminal import Rows, table, terminal
from .text import counted, interval, number, one_line, percent, value_and_ends, with_interval

_LOST = "lost log-prob"
OWN_ANSWERS = (
    "Clean error: not known; labels are the model's own answers, and a flip is another answer than "
    "to the untouched image"
)


def print_robustness(report: RobustnessReport, baseline: RobustnessReport | None = None) -> None:
    """Errors under corruptions and attacks, and against a baseline where there is one."""
    out, report = terminal(), report.with_attacks_run()
    level = percent(report.confidence)
    against = None if baseline is None else relative(report, baseline)
    damage = report.damage
    out.heading(
        report,
        f"{len(report.labels)} images of {report.settings['width']} x "
        f"{report.settings['height']}, {_perturbations(report)}",
        _clean(report, level),
    )
    if not report.of_classes:
        _print_task(report, level)
        return
    ends = f"{level} int."
    wide = [_corruptions(report, ends, against, lost=True, sure=sure) for sure in (True, False)]
    room = out.options.update(max_width=500)
    fitting = [each for each in wide if out.measure(each, options=room).maximum <= out.width]
    shown = fitting[:1] or [_corruptions(report, ends, against), _lost(report, ends)]
    if report.confidences is not None and wide[0] not in shown:
        shown.append(_surety(report, report.confidences, ends))
    out.print(*shown)
    out.say(
        f"Mean {report.error_name}: {with_interval(damage.mean_error, level)}",
        f"Mean mPE: {with_interval(damage.mean_mpe, level)}",
    )
    if (sure := report.confidences) is not None:
        pairs = (("untouched", sure.clean), ("perturbed", sure.perturbed))
        out.say(*(_sure(what, each, level) for what, each in pairs))
    if against is not None:
        out.say(
            f"mCE against {one_line(against.model['path'])}: "
            f"{with_interval(against.mce, level)}; relative mCE: "
            f"{with_interval(against.relative_mce, level)}",
            *(f"Mind: {note}" for note in against.notes),
        )
    if report.attacks:
        out.print(_attacks(report, ends))
    out.noted(report.run.get("warnings", []))


def _clean(report: RobustnessReport, level: str) -> str:
    """What is known of untouched images."""
    clean, kind = report.clean_spread, report.task
    if not report.of_classes:
        value = with_interval(report.mean_values[1][0], level)
        known = "" if clean is None else f", {kind.lost} {with_interval(clean, level)}"
        return f"Untouched: mean {kind.quantity} {value}{known}"
    return OWN_ANSWERS if clean is None else f"Clean error: {with_interval(clean, level)}"


def _print_task(report: RobustnessReport, level: str) -> None:
    """The numbers of another task than classes: its value, and what is lost of answers."""
    out, ends, kind = terminal(), f"{level} int.", report.task
    means, overall = report.mean_values
    by_cell = report.values[1].mean(axis=0, dtype=np.float64)
    headings = [f"mean {kind.quantity}", ends, "by severity", kind.lost, ends]
    overlaps = report.overlaps
    headings += ["mean IoU by severity"] * (overlaps is not None)
    rows = []
    for row, name in enumerate(report.perturbations):
        values = by_cell[row][: 1 if name in report.own else None]
        cells = [*value_and_ends(means[row]), " ".join(number(value, 2) for value in values)]
        cells += value_and_ends(report.damage.corruption_errors[row])
        if overlaps is not None:
            shown = overlaps[1][row][: len(values)]
            cells.append(" ".join(number(value, 2).removeprefix("0") for value in shown))
        rows.append([one_line(name), *cells])
    out.print(table(["corruption"], headings, rows, tight=True))
    if overlaps is not None and not report.of_own_answers:
        out.say(f"Mean intersection over union (IoU), untouched: {number(overlaps[0])}")
    out.say(
        f"Mean {kind.quantity} over all: {with_interval(overall[1], level)}",
        f"Mean share '{kind.lost}': {with_interval(report.damage.mean_error, level)}",
    )
    if report.attacks:
        out.print(_attacks(report, ends))
    out.noted(report.run.get("warnings", []))


def _perturbations(report: RobustnessReport) -> str:
    """How many of what, and at which severities."""
    own = len(report.own)
    made = len(report.perturbations) - own
    severities = "severity" if len(report.severities) == 1 else "severities"
    levels = f"{severities} {', '.join(map(str, report.severities))}"
    said = [f"{made} corruptions x {levels}"] if made else []
    if own:
        said.append(counted(own, "folder of perturbed pictures", "folders of perturbed pictures"))
    return " and ".join(said)


def _sure(what: str, answers: Confidence, level: str) -> str:
    """How sure the answers are, in a line."""
    gap = answers.gap
    return (
        f"Confidence, {what}: {number(gap.value, signed=True)} [{level}: "
        f"{interval(gap.low, gap.high, signed=True)}] beyond accuracy; when wrong "
        f"{with_interval(answers.when_wrong, level)}; calibration error {number(answers.ece)} "
        f"(calibrated: {number(answers.ece_if_calibrated)})"
    )


def _corruptions(
    report: RobustnessReport,
    ends: str,
    against: Relative | None,
    *,
    lost: bool = False,
    sure: bool = False,
) -> Rows:
    headings = [report.error_name, ends, "by severity", "mPE", ends]
    headings += [_LOST, ends] * lost + ["CE", ends] * (against is not None)
    damage, confidences = report.damage, report.confidences if sure else None
    headings += ["too sure by", ends, "sure when wrong", ends] * (confidences is not None)
    rows = []
    for row, name in enumerate(report.perturbations):
        errors = damage.errors[row].value[: 1 if name in report.own else None]
        by_severity = (number(value, 2).removeprefix("0") for value in errors)
        cells = [*value_and_ends(damage.corruption_errors[row]), " ".join(by_severity)]
        cells += value_and_ends(damage.corruption_mpe[row])
        cells += value_and_ends(report.lost_log_prob[row]) if lost else []
        cells += [] if against is None else value_and_ends(against.ce[row])
        if confidences is not None:
            cells += _how_sure(confidences.perturbations[row])
        rows.append([one_line(name), *cells])
    return table(["corruption"], headings, rows, tight=True)


def _lost(report: RobustnessReport, ends: str) -> Rows:
    """What corruptions take from the log-probability, for terminals too narrow for one table."""
    rows = (
        [one_line(name), *value_and_ends(report.lost_log_prob[row])]
        for row, name in enumerate(report.perturbations)
    )
    return table(["corruption"], [_LOST, ends], rows, tight=True)


def _surety(report: RobustnessReport, sure: Confidences, ends: str) -> Rows:
    """How sure the answers under corruptions are, for terminals too narrow for one table."""
    rows = (
        [one_line(name), *_how_sure(sure.perturbations[row])]
        for row, name in enumerate(report.perturbations)
    )
    return table(["corruption"], ["too sure by", ends, "sure when wrong", ends], rows, tight=True)


def _how_sure(answers: Confidence) -> list[str]:
    return [*value_and_ends(answers.gap), *value_and_ends(answers.when_wrong)]


def _attacks(report: RobustnessReport, ends: str) -> Rows:
    classes = report.of_classes
    headings = ["epsilon", "queries", "images"] + ["clean error"] * classes
    headings += [report.error_name if classes else "not right", ends]
    headings += ["mPE"] * classes + ["median queries"]
    attacks = table(["attack"], headings, tight=True)
    for place, attack in enumerate(report.attacks):
        attacked = report.attacked[:, place]
        median = report.median_queries(place)
        row = [
            one_line(attack["name"]),
            f"{attack['epsilon']:.4g}",
            f"{attack['queries']:,}",
            str(int(attacked.sum())),
            *([number(report.clean_error_of(attacked))] * classes),
            *value_and_ends(report.adversarial_spread[place]),
            *([number(report.adversarial_mpe[place])] * classes),
            "-" if median is None else f"{median:,.0f}",
        ]
        attacks.rows.append(row)
    return attacks
