"""What a page was made from, as the page itself says it: enough to make it again and compare."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

from .. import __version__
from ..results.audit import Audit
from ..results.content import as_text, content_digest, view_of
from ..results.result import Result
from ..storage.value_rules import (
    WrongContentError,
    are_texts,
    is_digest,
    is_object,
    is_text,
    is_truth,
    need,
    parse,
)
from ..views.text import model_name

# Name of the element that holds the record, and parts of a page that reports have.
META = "iaside-made-from"
# The element in its place on the page of a ranking, which holds none.
RANKING = "iaside-ranking"
REPORT, MEASURED, BASELINE, NOISE, DAMAGE = "report", "robustness", "baseline", "snr", "damage"
_ELEMENT = re.compile(rf'<meta name="{META}" content="([^"<>]*)">')
_MOST_BEFORE = 1 << 20
ROLES = (REPORT, MEASURED, BASELINE, NOISE, DAMAGE)


def record_of(names: Sequence[str], parts: Iterable[tuple[str, Result]]) -> dict[str, Any]:
    """The record of a page of reports, each with its part; `names` are those of the models."""
    return {
        "version": __version__,
        "names": list(names),
        "audit": None,
        "reports": [
            {
                "part": part,
                "model": model_name(result),
                "sha256": content_digest(result),
                "view": view_of(result),
            }
            for part, result in parts
        ],
    }


def record_of_audit(audit: Audit) -> dict[str, Any]:
    """That of an audit's page: its reports, and what else is told of it."""
    parts: list[tuple[str, Result]] = [(MEASURED, audit.robustness)]
    parts += [] if audit.analysis is None else [(REPORT, audit.analysis)]
    parts += [(DAMAGE, each) for each in audit.damages]
    about = {
        "folder": str(audit.folder),
        "kept": audit.kept,
        "sha256": hashlib.sha256(as_text(audit.about).encode()).hexdigest(),
    }
    return {**record_of([], parts), "audit": about}


def read_record(text: str) -> dict[str, Any]:
    """The record that a page holds.

    Raises
    ------
    WrongContentError
        It holds none, or none that this version wrote.
    """
    found = _ELEMENT.findall(text, 0, _MOST_BEFORE)
    need(len(found) == 1, "does not say which reports it was made from")
    record = parse("of what it was made from", html.unescape(found[0]))
    need(is_text(record.get("version")), "does not say which version made it")
    need(are_texts(record.get("names")), "does not say what models are called on it")
    reports, audit = record.get("reports"), record.get("audit")
    entries = isinstance(reports, list) and all(map(_is_entry, reports)) and bool(reports)
    need(entries, "does not say which reports it was made from")
    called = 0 if audit is not None else sum(entry["part"] == REPORT for entry in reports or [])
    need(len(record["names"]) == called, "does not name each of its models once")
    whole = audit is None or (
        is_object(audit)
        and is_text(audit.get("folder"))
        and is_truth(audit.get("kept"))
        and is_digest(audit.get("sha256"))
    )
    need(whole, "does not say which audit it was made from")
    return record


def is_of_ranking(text: str) -> bool:
    """Whether a page is that of a ranking, which holds no record."""
    return f'<meta name="{RANKING}"' in text[:_MOST_BEFORE]


def _is_entry(entry: Any) -> bool:
    return (
        is_object(entry)
        and entry.get("part") in ROLES
        and is_digest(entry.get("sha256"))
        and is_object(entry.get("view"))
        and is_text(entry.get("model"))
    )


__all__ = [
    "META",
    "WrongContentError",
    "is_of_ranking",
    "read_record",
    "record_of",
    "record_of_audit",
]
