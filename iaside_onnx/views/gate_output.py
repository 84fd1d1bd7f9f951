"""A gate's decision for people and for CI pages: lines, Markdown, JUnit XML."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from xml.etree import ElementTree

from ..comparisons.gate import Criterion, Gate, NotJudged
from .text import UNDEFINED, one_line, percent, shortened

_LONGEST, _LONGEST_REASON = 120, 2000


def lines(decision: Gate, *, failed_only: bool = False) -> list[str]:
    """One line a criterion, those that fail marked FAIL, and those not judged NONE."""
    return [
        log_line(f"{'PASS' if criterion.passed else 'FAIL'} {criterion.reason}")
        for criterion in decision.criteria
        if not (failed_only and criterion.passed)
    ] + [
        log_line(f"NONE {entry.option} {entry.threshold:g} is not judged: {entry.reason}")
        for entry in decision.not_judged
    ]


def log_line(text: str) -> str:
    """Text for a CI log, in which ``::`` and ``##`` may start commands to the runner."""
    return one_line(text).replace("::", ": :").replace("##", "# #")


def markdown(decision: Gate) -> str:
    """A summary in GitHub's and GitLab's Markdown; text from outside cannot be markup."""
    level = percent(decision.view["confidence"])
    judged = "estimates" if decision.point else f"unfavourable ends of {level} intervals"
    rows = [
        f"| {'✅ pass' if c.passed else '❌ fail'} | {c.what} | {c.estimate:.4f} "
        f"{_interval(c)} | {c.judged:.4f} | {_bound(c)} |"
        for c in decision.criteria
    ]
    rows += [
        f"| ⚠️ not judged | {entry.what} | {entry.state} | | {_bound(entry)} |"
        for entry in decision.not_judged
    ]
    outcome = "✅ iaside gate: passed" if decision.passed else "❌ iaside gate: failed"
    if decision.undecided:
        outcome = "⚠️ iaside gate: cannot be judged"
    reasons = dict.fromkeys(entry.reason for entry in decision.not_judged)
    sha256 = _code(str(decision.model["sha256"])[:12])
    about = [
        f"Report {_code(decision.report)}: model {_code(decision.model['path'])} (SHA-256 "
        f"{sha256}) on {_plain(decision.data['samples'])} images of "
        f"{_code(decision.data['source'])}{_of_scores(decision)}."
    ]
    if decision.baseline is not None:
        about.append(f"Drops and rises are counted from {_code(decision.baseline)}.")
    notes = [f"- Note: {_plain(note, _LONGEST_REASON)}." for note in decision.notes]
    lead = [f"### {outcome}", ""]
    for reason in reasons:
        lead += [f"**{_plain(reason, _LONGEST_REASON)}**", ""]
    head = ["| | criterion | estimate and interval | judged | threshold |"]
    seal = "A seal shows damage, not who made a report (for that: --allowed-signers)."
    parts = [*lead, *head, "| --- | --- | --- | --- | --- |", *rows, "", f"Judged: {judged}."]
    return "\n".join([*parts, *about, seal, *(["", *notes] if notes else []), ""])


def _of_scores(decision: Gate) -> str:
    """What scores are of and how they are seen, where there are any."""
    if decision.game is None:
        return ""
    view = decision.view
    return f"; scores of {_plain(decision.game)}, {view['value']}, beta {view['beta']:g}"


def _interval(criterion: Criterion) -> str:
    """Ends in brackets; a sign where a ratio has none."""
    ends = criterion.low, criterion.high
    return f"[{ends[0]:.4f}, {ends[1]:.4f}]" if all(map(math.isfinite, ends)) else f"[{UNDEFINED}]"


def _bound(entry: Criterion | NotJudged) -> str:
    return f"{'at least' if entry.at_least else 'at most'} {entry.threshold:g}"


def _code(text: object) -> str:
    """A name; pages link no people or issues within code."""
    return f"<code>{_plain(text)}</code>"


def _plain(text: object, longest: int = _LONGEST) -> str:
    """Text from outside as numeric entities, which CommonMark never reads as markup."""
    shown = shortened(str(text), longest)
    return re.sub(r"[^\w\s/…-]|_", lambda mark: f"&#{ord(mark[0])};", shown)


def junit(decision: Gate) -> str:
    """JUnit XML: a test case a criterion; those not judged are errors, not failures.

    Valid for the schema of Ant's JUnit task and for that of Jenkins' xUnit plugin.
    """
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name="iaside gate",
        package="iaside",
        id="0",
        timestamp=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
        hostname="localhost",
        tests=str(len(decision.criteria) + len(decision.not_judged)),
        failures=str(sum(not criterion.passed for criterion in decision.criteria)),
        errors=str(len(decision.not_judged)),
        time="0",
    )
    properties = ElementTree.SubElement(suite, "properties")
    about = {
        "report": decision.report,
        "baseline": decision.baseline,
        "model": decision.model["path"],
        "model_sha256": decision.model["sha256"],
        "data": decision.data["source"],
        "data_digest": decision.data["digest"],
        "game": decision.game,
        **decision.view,
    }
    for name, text in about.items():
        if text is not None:
            ElementTree.SubElement(properties, "property", name=name, value=one_line(str(text)))
    for criterion in decision.criteria:
        case = _case(suite, decision, criterion)
        if not criterion.passed:
            _verdict(case, "failure", criterion.reason, "gate")
    for entry in decision.not_judged:
        _verdict(_case(suite, decision, entry), "error", one_line(entry.reason), "precondition")
    for name, texts in (
        ("system-out", lines(decision)),
        ("system-err", map(log_line, decision.notes)),
    ):
        ElementTree.SubElement(suite, name).text = "\n".join(texts)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(
    suite: ElementTree.Element, decision: Gate, criterion: Criterion | NotJudged
) -> ElementTree.Element:
    # Pages cut class names at dots, and merge test cases of one class name and name.
    report = re.sub(r"[^\w-]+", "_", one_line(decision.report)).strip("_")
    return ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"iaside.gate.{report}",
        name=f"{criterion.what} {_bound(criterion)}",
        time="0",
    )


def _verdict(case: ElementTree.Element, kind: str, reason: str, of: str) -> None:
    ElementTree.SubElement(case, kind, message=reason, type=of).text = reason
