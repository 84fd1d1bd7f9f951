"""The first screen of an audit's page: is it robust, why, how sure is that, and what now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsFloat

import numpy as np

from ..results.audit import Audit
from ..results.audit_words import worst_first
from ..results.group_verdict import (
    NOT_ROBUST,
    ROBUST,
    SEVERITIES,
    UNDECIDED,
    GroupVerdict,
    points_kept,
)
from ..views.text import percent, words
from .charts import Chart, Values, Words, dot_rows

_MARKS = {ROBUST: "yes", NOT_ROBUST: "no", UNDECIDED: "open"}


def answer(audit: Audit, commands: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    """What the template ``answer.html`` needs; the commands are by default the audit's own."""
    found = audit.verdicts
    typed = audit.commands if commands is None else commands
    short, _, rest = found.sentence.partition(": ")
    groups = worst_first(found)
    return {
        "short": short,
        "rest": unbroken(f"{rest[:1].upper()}{rest[1:]}"),
        "marks": _MARKS,
        "images": found.clean.n,
        "clean": "accuracy not known" if found.accuracy is None else _share(found.accuracy),
        "own": found.own_answers,
        "note": "" if found.of_classes else found.note,
        "counted": found.answers,
        "scale": unbroken(found.scale),
        "below": unbroken(found.below),
        "guess": f"{100 * found.guess:.3g}" if found.guess else None,
        "keep": f"{100 * found.keep:.4g}",
        "severities": SEVERITIES,
        "level": percent(found.confidence),
        "groups": [(group, _share(group), _kept(group, found.keep)) for group in groups],
        "charts": [_chart(audit, group) for group in groups],
        "why": [*map(unbroken, [*audit.why, *filter(None, [audit.confidence])])],
        "how_sure": unbroken(audit.how_sure),
        # What, and the option that would measure it.
        "not_measured": [gap.split(": ", 1) for gap in audit.not_measured],
        "next": [*map(unbroken, audit.next)],
        "rule": unbroken(found.text),
        "facts": _facts(audit),
        "gate_now": unbroken(audit.gate.now),
        "judged": "gate" in typed,
        "goes_on": "audit" in typed,
        "of_folder": commands is None,
        "explained": bool(audit.damages),
        "commands": list(typed.values()),
    }


def _facts(audit: Audit) -> list[tuple[str, str]]:
    """What was measured, when and with what, for the end of the answer."""
    report = audit.robustness
    return [
        ("Model", str(audit.model["path"])),
        ("SHA-256", str(audit.model["sha256"])),
        ("Images", f"{len(report.labels)} of {audit.data['source']}"),
        ("Digest of images and labels", str(audit.data["digest"])),
        ("Input", str(audit.about.get("input", "not written down"))),
        ("Measured", f"{report.created}, iaside {report.iaside_version}, {report.provider}"),
    ]


def unbroken(text: str) -> str:
    """A sentence in which no line breaks between a number and its unit, or within an arrow."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%").replace("->", "\N{RIGHTWARDS ARROW}")


def _share(share: Any) -> str:
    """Points of right answers with their interval."""
    return _points(share.right, share.low, share.high)


def _kept(group: GroupVerdict, keep: float) -> str:
    kept = group.weakest_kept
    value, low, high = map(points_kept, (kept.value, kept.low, kept.high))
    if value == "?":
        return "not known"
    ends = f"[{low}, {high}]" if (low, high) != ("?", "?") else "by an interval without bounds"
    text, until = unbroken(f"{value} % {ends}"), group.open_until(keep)
    return text if until is None else unbroken(f"{text}, as weakest up to {until}")


def _points(*shares: SupportsFloat) -> str:
    """A share and the ends of its interval in points."""
    value, low, high = (f"{100 * float(each) + 0.0:.0f}" for each in shares)
    return unbroken(f"{value} % [{low}, {high}]")


def _chart(audit: Audit, group: GroupVerdict) -> Chart:
    """Right answers under each corruption of a group, the least first, and what to hold them to."""
    found = audit.verdicts
    rights = found.rights[group.kind]
    names = sorted(rights, key=lambda name: (rights[name].right, name))
    shares = [rights[name] for name in names]
    own = audit.robustness.own  # without severities
    levels = f", severities {', '.join(map(str, SEVERITIES))}"
    series = Values(
        np.array([each.right for each in shares]),
        [
            f"{words(name)}: {_share(each)} {found.answers}{'' if name in own else levels}"
            for name, each in zip(names, shares, strict=True)
        ],
        (np.array([each.low for each in shares]), np.array([each.high for each in shares])),
    )
    clean = found.clean.right
    kept = found.guess + found.keep * (clean - found.guess)
    about = Words(
        f"answer-{group.kind}",
        group.kind.capitalize(),
        f"A dot for each corruption: share of {found.answers}, with its interval. "
        f"{'' if found.accuracy is None else f'Clean images: {clean:.2f}; '}"
        f"{f'guessing: {found.guess:.2f}; ' if found.guess else ''}"
        f"at least {kept:.2f} is to be kept.",
        f"share of {found.answers}",
    )
    lines = [("keep", kept), *([("guess", found.guess)] if found.guess else [])]
    lines = lines if found.accuracy is None else [("clean", clean), *lines]
    return dot_rows(
        [series], list(map(words, names)), about,
        numbers=[0], most=1.0, uprights=lines, unit="%",
    )  # fmt: skip
