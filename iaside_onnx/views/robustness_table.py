"""Robustness reports on a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..comparisons.baseline import relative
from ..plurals import counted, plural
from ..results.confidence import Confidence
from ..results.damage_words import radius_text
from ..results.robustness import Relative, RobustnessReport
from ..results.spread import Spread
from .terminal import Rows, Terminal, table, terminal
from .text import (
    UNDEFINED,
    ends,
    interval,
    number,
    one_line,
    percent,
    value_and_ends,
    with_interval,
)

OWN_ANSWERS = (
    "Clean error: not known; labels are the model's own answers, and a flip is another answer than "
    "to the clean image"
)


def print_robustness(report: RobustnessReport, baseline: RobustnessReport | None = None) -> None:
    """Errors under corruptions and attacks, and against a baseline where there is one."""
    out, report = terminal(), report.with_attacks_run()
    level = percent(report.confidence)
    against = None if baseline is None else relative(report, baseline)
    damage = report.damage
    out.heading(
        report,
        f"{counted(len(report.labels), 'image')} of {report.settings['width']} x "
        f"{report.settings['height']}, {_perturbations(report)}",
        _clean(report, level),
    )
    if report.clean_note is not None:
        out.say(f"Clean images: {one_line(report.clean_note)}")
    if not report.of_classes:
        _print_task(report, level)
        return
    level_ends = f"{level} int."
    out.print(_corruptions(report, level_ends, against, out))
    out.say(
        f"Mean {report.error_name}: {with_interval(damage.mean_error, level)}",
        f"Mean mPE: {with_interval(damage.mean_mpe, level)}",
    )
    if (sure := report.confidences) is not None:
        pairs = (("clean", sure.clean), ("perturbed", sure.perturbed))
        out.say(*(_sure(what, each, level) for what, each in pairs))
    if against is not None:
        out.say(
            f"mCE against {one_line(against.model['path'])}: "
            f"{with_interval(against.mce, level)}; relative mCE: "
            f"{with_interval(against.relative_mce, level)}",
            *(f"Mind: {note}" for note in against.notes),
        )
    if signs := _signs(report, against):
        out.say(*signs)
    if report.attacks:
        out.print(_attacks(report, level_ends))
    out.noted(report.run.get("warnings", []))


def _clean(report: RobustnessReport, level: str) -> str:
    """What is known of clean images."""
    clean, kind = report.clean_spread, report.task
    if not report.of_classes:
        spread = report.mean_values[1][0]
        settled = report.clean_is_settled
        value = number(spread.value) if settled else with_interval(spread, level)
        known = "" if clean is None else f", {report.error_name} {with_interval(clean, level)}"
        return f"Clean: mean {kind.quantity} {value}{known}"
    return OWN_ANSWERS if clean is None else f"Clean error: {with_interval(clean, level)}"


def _print_task(report: RobustnessReport, level: str) -> None:
    """The numbers of another task than classes: its value, and what is lost of answers."""
    out, ends, kind = terminal(), f"{level} int.", report.task
    means, overall = report.mean_values
    by_cell = report.values[1].mean(axis=0, dtype=np.float64)
    headings = [f"mean {kind.quantity}", ends, "by severity", report.error_name, ends]
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
        out.say(f"Mean intersection over union (IoU), clean: {number(overlaps[0])}")
    out.say(
        f"Mean {kind.quantity} over all: {with_interval(overall[1], level)}",
        f"Mean share '{report.error_name}': {with_interval(report.damage.mean_error, level)}",
    )
    if report.attacks:
        out.print(_attacks(report, ends))
    out.noted(report.run.get("warnings", []))


def _perturbations(report: RobustnessReport) -> str:
    """How many of what, and at which severities."""
    own = len(report.own)
    made = len(report.perturbations) - own
    severities = plural(len(report.severities), "severity", "severities")
    levels = f"{severities} {', '.join(map(str, report.severities))}"
    said = [f"{counted(made, 'corruption')} x {levels}"] if made else []
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


@dataclass(frozen=True)
class _Column:
    """A column of the table; those of the largest `drop` go first where there is no room."""

    heading: str
    cells: list[str]
    drop: int = 0


def _columns(report: RobustnessReport, level: str, against: Relative | None) -> list[_Column]:
    damage, sure = report.damage, report.confidences
    rows = range(len(report.perturbations))

    def pair(heading: str, spread: Spread, value: int, interval: int) -> list[_Column]:
        cells = [value_and_ends(spread[row]) for row in rows]
        return [
            _Column(heading, [each[0] for each in cells], value),
            _Column(level, [each[1] for each in cells], interval),
        ]

    columns = pair(report.error_name, damage.corruption_errors, 0, 0)
    if against is not None:
        columns += pair("CE", against.ce, 0, 0)
    columns += [_Column("by severity", [_by_severity(report, row) for row in rows], 4)]
    columns += pair("mPE", damage.corruption_mpe, 3, 7)
    columns += pair("lost log-prob", report.lost_log_prob, 5, 8)
    if sure is not None:
        columns += pair("too sure by", sure.perturbations.gap, 6, 9)
        columns += pair("sure when wrong", sure.perturbations.when_wrong, 9, 9)
    return columns


def _by_severity(report: RobustnessReport, row: int) -> str:
    name = report.perturbations[row]
    errors = report.damage.errors[row].value[: 1 if name in report.own else None]
    return " ".join(number(value, 2).removeprefix("0") for value in errors)


def _corruptions(
    report: RobustnessReport, level: str, against: Relative | None, out: Terminal
) -> Rows:
    """One table with as much as the terminal has room for, and what is left out of it."""
    columns = _columns(report, level, against)
    names = [one_line(name) for name in report.perturbations]
    room = out.options.update(max_width=500)
    for most in sorted({each.drop for each in columns}, reverse=True):
        shown = [each for each in columns if each.drop <= most]
        rows = (
            [name, *cells] for name, *cells in zip(names, *(c.cells for c in shown), strict=True)
        )
        made = table(["corruption"], [each.heading for each in shown], rows, tight=True)
        if out.measure(made, options=room).maximum <= out.width:
            break
    notes = []
    if len(shown) < len(columns):
        left = [
            f"intervals of {before.heading}" if each.heading == level else each.heading
            for before, each in pairwise(columns)
            if each not in shown and (each.heading != level or before in shown)
        ]
        notes.append(f"For a wider terminal, --csv and --json: {', '.join(left)}.")
    made.caption = "\n".join(notes) or None
    return made


def _signs(report: RobustnessReport, against: Relative | None) -> list[str]:
    """Why some quantities or intervals are a sign."""
    sure = report.confidences
    known = [] if sure is None else [sure.clean.when_wrong, sure.perturbed.when_wrong]
    notes = [
        f"{UNDEFINED} of confidence when wrong: some resamples of the images have no wrong answer."
    ] * any(ends(each) == UNDEFINED for each in known)
    if against is None:
        return notes
    ratios = [against.ce[row] for row in range(len(report.perturbations))]
    ratios += [against.mce, against.relative_mce]
    notes += [
        f"{UNDEFINED} of CE and mCE: a ratio to a baseline's errors is not defined where it makes "
        "none (in the relative form: no more than on clean images), here or in some resamples "
        "of the images."
    ] * any(ends(each) == UNDEFINED for each in ratios)
    return notes


def _attacks(report: RobustnessReport, level: str) -> Rows:
    classes = report.of_classes
    headings = ["epsilon", "queries", "images"] + ["clean error"] * classes
    headings += [report.error_name if classes else "not right", level]
    headings += ["mPE"] * classes + ["median queries"]
    attacks = table(["attack"], headings, tight=True)
    for place, attack in enumerate(report.attacks):
        attacked = report.attacked[:, place]
        median = report.median_queries(place)
        row = [
            one_line(attack["name"]),
            radius_text(attack["epsilon"]),
            f"{attack['queries']:,}",
            str(int(attacked.sum())),
            *([number(report.clean_error_of(attacked))] * classes),
            *value_and_ends(report.adversarial_spread[place]),
            *([number(report.adversarial_mpe[place])] * classes),
            "-" if median is None else f"{median:,.0f}",
        ]
        attacks.rows.append(row)
    return attacks
