"""What models of a page get right under corruptions, in accuracy, alone and against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..comparisons.contrast import RANKED
from ..comparisons.measured import Differences, paired
from ..comparisons.ranking_words import order_words, ranked_together
from ..comparisons.verdict import p_text
from ..errors import IasideError, UsageError, said
from ..mathematics.kept import LEAST_IMAGES, resampled_share
from ..mathematics.paired import Difference
from ..mathematics.proportion import wilson
from ..plurals import plural
from ..results.group_verdict import (
    NOT_ROBUST,
    ROBUST,
    SEVERITIES,
    UNDECIDED,
    Verdicts,
    guessing,
    kinds_words,
    verdicts,
)
from ..results.robustness import RobustnessReport
from ..spelling import on_command_line
from ..views.ranking_table import about, table_cells
from ..views.text import levels as all_levels
from ..views.text import percent, words
from .charts import Chart, Values, Words, dot_rows

_SAID = {
    NOT_ROBUST: "not robust to",
    UNDECIDED: "undecided for",
    ROBUST: "robust to",
}
# What models are called, by the number of a report of each.
Labels = Sequence[str] | Mapping[int, str]
_GROUPS_FIRST = ("noise", "blur", "weather", "digital")


def judged(report: RobustnessReport) -> Verdicts | None:
    """The verdicts; None where the severities of their rule were not measured."""
    try:
        return verdicts(report)
    except UsageError:
        return None


def levels(report: RobustnessReport) -> list[int]:
    """Severities that shares of right answers are means over: those of verdicts, or all."""
    rule = set(SEVERITIES) <= set(report.severities)
    return list(SEVERITIES) if rule else list(report.severities)


def points(value: float, low: float, high: float, *, signed: bool = False) -> str:
    """A share and the ends of its interval in points."""
    sign = "+" if signed else ""
    shown = [f"{100 * each + 0.0:{sign}.0f}" for each in (value, low, high)]
    unit = "" if signed else "\N{NO-BREAK SPACE}%"
    return f"{shown[0]}{unit} [{shown[1]}, {shown[2]}]"


def right_answers_of(
    labels: Labels, measured: Mapping[int, RobustnessReport]
) -> dict[str, Any] | None:
    """Right answers of each measured model, and how two of them differ or how more are ranked."""
    if not measured:
        return None
    first = next(iter(measured.values()))
    kinds = _kinds(first)
    found = {number: judged(report) for number, report in measured.items()}
    return {
        "kinds": kinds,
        "counted": _counted(first),
        "own": first.of_own_answers,
        "task": None if first.of_classes else first.task,
        "images": len(first.labels),
        "level": all_levels(list(measured.values())),
        "severities": levels(first),
        "levels": _levels(levels(first)),
        "all_severities": levels(first) == list(first.severities),
        "perturbations": len(first.perturbations),
        "guess": guess_words(first),
        "judged": [number for number, verdict in found.items() if verdict is not None],
        # The most right first.
        "rows": [
            {"number": at, "label": labels[at], **_row(measured[at], found[at], kinds)}
            for at in sorted(measured, key=lambda at: -right_under_all(measured[at]))
        ],
        "answers": _answers(labels, found) if len(measured) > 1 else [],
        "pairs": _pairs(labels, measured) if len(measured) < RANKED else [],
        "ranked": _ranked(labels, measured) if len(measured) >= RANKED else None,
    }


def guess_words(report: RobustnessReport) -> str | None:
    """What guessing gets right; None in tasks where there is nothing to guess."""
    guess = guessing(report)
    return percent(guess) if guess else None


def right_under_all(report: RobustnessReport) -> float:
    """Right answers under all corruptions, mean over the severities of `levels`."""
    at = [report.severities.index(level) for level in levels(report)]
    return float(report.right_shares[1][:, :, at].mean())


def _answers(
    labels: Labels, found: Mapping[int, Verdicts | None]
) -> list[tuple[str, list[tuple[str, list[tuple[int, str]]]]]]:
    """By the first word of the verdict what is said, and the number and name of whom it is said."""
    of: dict[str, dict[str, list[tuple[int, str]]]] = {}
    for number, each in found.items():
        if each is None:
            continue
        short, _, rest = each.sentence.partition(": ")
        if each.reason is None:
            told = [(text, each.of(verdict)) for verdict, text in _SAID.items()]
            rest = "; ".join(f"{text} {kinds_words(kinds)}" for text, kinds in told if kinds) + "."
        of.setdefault(short, {}).setdefault(rest, []).append((number, labels[number]))
    return [(short, list(said.items())) for short, said in of.items()]


def _counted(report: RobustnessReport) -> str:
    return report.task.counted_as(own=report.of_own_answers)


def _kinds(report: RobustnessReport) -> list[str]:
    """Groups of corruptions, the published ones first."""
    kinds = {report.settings["kinds"][name] for name in report.perturbations}
    return [k for k in _GROUPS_FIRST if k in kinds] + sorted(kinds - set(_GROUPS_FIRST))


def _row(report: RobustnessReport, found: Verdicts | None, kinds: Sequence[str]) -> dict[str, Any]:
    """Clean, under all corruptions, under each group with its verdict, and the worst."""
    at = [report.severities.index(level) for level in levels(report)]
    right = report.right_shares[1][:, :, at]
    of = np.array([report.settings["kinds"][name] for name in report.perturbations])
    columns = [right.mean(axis=(1, 2))]
    columns += [right[:, of == kind].mean(axis=(1, 2)) for kind in kinds]
    table = np.column_stack([*columns, right.mean(axis=2)])
    shares = resampled_share(table, int(report.settings["seed"]))
    low, high = shares.ends(report.confidence)
    every = [points(*each) for each in zip(shares.value, low, high, strict=True)]
    worst = len(columns) + int(np.argmin(shares.value[len(columns) :]))
    clean = None
    if report.accuracy is not None:
        counted = (~report.clean_wrong).sum(), len(report.labels)
        ends = map(float, wilson(*counted, report.confidence))
        clean = points(float((~report.clean_wrong).mean()), *ends)
    return {
        "clean": clean,
        "every": every[0],
        "groups": [
            (every[1 + place], None if found is None else found.groups[kind].verdict)
            for place, kind in enumerate(kinds)
        ],
        "worst": f"{words(report.perturbations[worst - len(columns)])}: {every[worst]}",
        "sentence": None if found is None else found.sentence,
    }


def _ranked(labels: Labels, measured: Mapping[int, RobustnessReport]) -> dict[str, Any]:
    """Which of several models comes first under all corruptions, and the table that says so."""
    names, reports = [labels[at] for at in measured], list(measured.values())
    found = ranked_together(reports, names, "corrupted")
    if isinstance(found, str):
        return {"sentences": [found], "about": None}
    beside = [each for each in found.measures if each not in ("corrupted", "kept", "mpe")]
    headings, cells = table_cells(found, beside)
    under = f", mean of {_levels(reports[0].severities)},"
    return {
        "sentences": order_words(found, under),
        "about": about(found),
        "rule": found.rule,
        "headings": headings,
        "rows": cells,
    }


def _pairs(labels: Labels, measured: Mapping[int, RobustnessReport]) -> list[dict[str, Any]]:
    """The second model against the first, image by image."""
    (base, first), *others = measured.items()
    pairs = []
    for number, report in others:
        names = labels[base], labels[number]
        pair: dict[str, Any] = {"number": number, "names": names}
        try:
            found = paired((names[0], first), (names[1], report), levels(first))
        except IasideError as error:
            pairs.append({**pair, "refusal": on_command_line(said(error))})
            continue
        pairs.append({**pair, **_pair(found, names, number, first)})
    return pairs


def _pair(
    found: Differences, names: tuple[str, str], number: int, first: RobustnessReport
) -> dict[str, Any]:
    """Rows of the table of one pair, the largest loss first, its chart and its sentence."""
    worst = dict(sorted(found.corruptions.items(), key=lambda item: item[1].difference))
    groups = dict(sorted(found.groups.items(), key=lambda item: item[1].difference))
    rows = [] if found.clean is None else [["clean images", *_cells(found.clean)]]
    rows.append(["all corruptions", *_cells(found.every)])
    rows += [[words(name), *_cells(each)] for name, each in groups.items()]
    return {
        "refusal": None,
        "sentence": _sentence(found, names, _counted(first), 1 - first.confidence),
        "images": len(found.rows[0]),
        "level": percent(first.confidence),
        "rows": rows,
        "corruptions": [[words(name), *_cells(each)] for name, each in worst.items()],
        "chart": _difference_chart(worst, names, number, _counted(first)),
    }


def _cells(found: Difference) -> list[str]:
    p = found.p if found.p_holm is None else found.p_holm
    difference = _signed(found)
    shares = [f"{100 * each:.0f}\N{NO-BREAK SPACE}%" for each in (found.reference, found.other)]
    return [*shares, difference, p_text(p).removeprefix("= ")]


def _sentence(found: Differences, names: tuple[str, str], counted: str, level: float) -> str:
    """All corruptions together, then the groups in which a difference is seen."""
    base, name = names
    whole, what = found.every, "right" if found.clean is not None else f"of the {counted}"
    verb = "gets" if found.clean is not None else "keeps"
    if whole.p >= level:
        text = f"No difference of {name} and {base} is seen under all corruptions together"
    else:
        way = "more" if whole.difference > 0 else "fewer"
        text = f"{name} {verb} {way} {what} than {base} under corruptions"
    text += f": {_signed(whole)} points"
    told = [kind for kind, each in found.groups.items() if (each.p_holm or 0.0) < level]
    few = len(found.rows[0])
    if few < LEAST_IMAGES:
        # As a ranking has it: no models are told apart by so few.
        text = (
            f"{few} images are too few to tell {name} and {base} apart; {LEAST_IMAGES} are needed. "
            f"Seen under all corruptions together: {_signed(whole)} points"
        )
    elif told:
        parts = [f"{words(kind)} {_signed(found.groups[kind])}" for kind in told]
        text += f"; by group it differs under {', '.join(parts)}"
    if found.clean is not None:
        text += f"; clean: {_signed(found.clean)}"
    return f"{text}."


def _levels(severities: Sequence[int]) -> str:
    """Severities in words."""
    severity = plural(len(severities), "severity", "severities")
    return f"{severity} {', '.join(map(str, severities))}"


def _signed(found: Difference) -> str:
    return points(found.difference, found.low, found.high, signed=True)


def _difference_chart(
    found: Mapping[str, Difference], names: tuple[str, str], number: int, counted: str
) -> Chart:
    """Differences under each corruption, the largest loss first, on an axis on both sides of 0."""
    each = list(found.values())
    series = Values(
        np.array([d.difference for d in each]),
        [
            f"{words(name)}: {_signed(d)} points, {names[1]} against {names[0]}"
            for name, d in found.items()
        ],
        (np.array([d.low for d in each]), np.array([d.high for d in each])),
    )
    most = max(0.1, float(np.abs([end for d in each for end in (d.low, d.high)]).max()))
    most = min(1.0, float(np.ceil(10 * most - 1e-9) / 10))
    about = Words(
        f"difference-{number}",
        f"{names[1]} less {names[0]}",
        f"A dot for each corruption: points of {counted} gained or lost, with the interval of "
        "the paired difference; left of the line fewer, right of it more.",
        f"points of {counted}, {names[1]} less {names[0]}",
    )
    return dot_rows(
        [series], list(map(words, found)), about,
        numbers=[number], most=most, least=-most, uprights=[("clean", 0.0)], unit="points",
    )  # fmt: skip


def right_rows(labels: Labels, measured: Mapping[int, RobustnessReport]) -> Chart:
    """Right answers under each corruption, mean over all severities, the largest loss first."""
    first = next(iter(measured.values()))
    order = np.argsort(
        -np.mean([each.damage.corruption_errors.value for each in measured.values()], axis=0),
        kind="stable",
    )
    names = [words(first.perturbations[at]) for at in order]
    counted = _counted(first)
    series = []
    for place, entry in measured.items():
        wrong = entry.damage.corruption_errors[order]
        right, low, high = 1 - wrong.value, 1 - wrong.high, 1 - wrong.low
        said = [
            f"{labels[place]}, {name}: {points(*each)} {counted}"
            for name, *each in zip(names, right, low, high, strict=True)
        ]
        series.append(Values(right, said, (low, high)))
    guess = guessing(first)
    lines = [("guess", guess)] if guess else []
    if not first.of_own_answers:
        alone = len(measured) == 1
        lines += [
            ("clean" if alone else f"clean s{place % 6}", float(entry.right_shares[0].mean()))
            for place, entry in measured.items()
        ]
    about = Words(
        "errors",
        f"{counted.capitalize()} under each corruption, mean of {_levels(first.severities)}",
        f"A dot for each model and corruption: share of {counted}, mean over severities, with its "
        "interval; the largest loss on top. Lines: clean images"
        f"{', and guessing' if guess else ''}.",
        f"share of {counted}",
    )
    return dot_rows(
        series, names, about, numbers=list(measured), most=1.0, uprights=lines, unit="%"
    )
