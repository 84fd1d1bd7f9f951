"""A gate's decision for people and for CI pages: lines, Markdown, JUnit XML."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

from ..comparisons.gate import Criterion, Gate, NotJudged
from ..results.finding import NOT_A_FINDING
from .text import one_line, percent, shortened

_LONGEST, _LONGEST_REASON = 120, 2000


def lines(found: Gate, *, failed_only: bool = False) -> list[str]:
    """One line a criterion, those that fail marked FAIL, and those not judged NONE."""
    return [
        log_line(f"{'PASS' if criterion.passed else 'FAIL'} {criterion.reason}")
        for criterion in found.criteria
        if not (failed_only and criterion.passed)
    ] + [
        log_line(f"NONE {entry.option} {entry.threshold:g} is not judged: {entry.reason}")
        for entry in found.not_judged
    ]


def log_line(text: str) -> str:
    """Text for a CI log, in which ``::`` and ``##`` may start commands to the runner."""
    return one_line(text).replace("::", ": :").replace("##", "# #")


def markdown(found: Gate) -> str:
    """A summary in GitHub's and GitLab's Markdown; text from outside cannot be markup."""
    level = percent(found.view["confidence"])
    judged = "estimates" if found.point else f"unfavourable ends of {level} intervals"
    rows = [
        f"| {'✅ pass' if c.passed else '❌ fail'} | {c.what} | {c.estimate:.4f} "
        f"[{c.low:.4f}, {c.high:.4f}] | {c.judged:.4f} | "
        f"{_bound(c)} |"
        for c in found.criteria
    ]
    rows += [
        f"| ⚠️ not judged | {entry.what} | {NOT_A_FINDING} | | {_bound(entry)} |"
        for entry in found.not_judged
    ]
    outcome = "✅ iaside gate: passed" if found.passed else "❌ iaside gate: failed"
    if found.undecided:
        outcome = "⚠️ iaside gate: cannot be judged"
    reasons = [
        f"**{_plain(why, _LONGEST_REASON)}**"
        for why in dict.fromkeys(e.reason for e in found.not_judged)
    ]
    sha256 = str(found.model["sha256"])[:12]
    about = [
        f"Report {_code(found.report)}: model {_code(found.model['path'])} (SHA-256 "
        f"{_code(sha256)}) on {_plain(found.data['samples'])} images of "
        f"{_code(found.data['source'])}; {found.view['value']}, beta {found.view['beta']:g}."
    ]
    if found.baseline is not None:
        about.append(f"Drops are counted from {_code(found.baseline)}.")
    notes = [f"- Note: {_plain(note)}." for note in found.notes]
    return "\n".join(
        [
            f"### {outcome}",
            "",
            *(line for reason in reasons for line in (reason, "")),
            "| | criterion | estimate and interval | judged | threshold |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"Judged: {judged}.",
            *about,
            "A seal shows damage, not who made a report (for that: --allowed-signers).",
            *(["", *notes] if notes else []),
            "",
        ]
    )


def _bound(entry: Criterion | NotJudged) -> str:
    return f"{'at least' if entry.at_least else 'at most'} {entry.threshold:g}"


def _code(text: object) -> str:
    """A name; pages link no people or issues within code."""
    return f"<code>{_plain(text)}</code>"


def _plain(text: object, longest: int = _LONGEST) -> str:
    """Text from outside as numeric entities, which CommonMark never reads as markup."""
    shown = shortened(str(text), longest)
    return re.sub(r"[^\w\s/…-]|_", lambda found: f"&#{ord(found[0])};", shown)


def junit(found: Gate) -> str:
    """JUnit XML: a test case a criterion; those not judged are errors, not failures.

    Valid for the schema of Ant's JUnit task and for that of Jenkins' xUnit plugin.
    """
    failures = sum(not criterion.passed for criterion in found.criteria)
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name="iaside gate",
        package="iaside",
        id="0",
        timestamp=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
        hostname="localhost",
        tests=str(len(found.criteria) + len(found.not_judged)),
        failures=str(failures),
        errors=str(len(found.not_judged)),
        time="0",
    )
    properties = ElementTree.SubElement(suite, "properties")
    about = {
        "report": found.report,
        "baseline": found.baseline,
        "model": found.model["path"],
        "model_sha256": found.model["sha256"],
        "data": found.data["source"],
        "data_digest": found.data["digest"],
        **found.view,
    }
    for name, text in about.items():
        if text is not None:
            ElementTree.SubElement(properties, "property", name=name, value=one_line(str(text)))
    for criterion in found.criteria:
        case = _case(suite, found, criterion)
        if not criterion.passed:
            failure = ElementTree.SubElement(case, "failure", message=criterion.reason, type="gate")
            failure.text = criterion.reason
    for entry in found.not_judged:
        reason = one_line(entry.reason)
        error = ElementTree.SubElement(
            _case(suite, found, entry), "error", message=reason, type="precondition"
        )
        error.text = reason
    for name, texts in (("system-out", lines(found)), ("system-err", map(log_line, found.notes))):
        ElementTree.SubElement(suite, name).text = "\n".join(texts)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(
    suite: ElementTree.Element, found: Gate, criterion: Criterion | NotJudged
) -> ElementTree.Element:
    # Pages cut class names at dots, and merge test cases of one class name and name.
    report = re.sub(r"[^\w-]+", "_", one_line(found.report)).strip("_")
    return ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"iaside.gate.{report}",
        name=f"{criterion.what} {_bound(criterion)}",
        time="0",
    )
