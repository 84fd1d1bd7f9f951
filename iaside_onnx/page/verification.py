"""Whether a page is what its reports give: it is made again from them, and compared with that."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import IasideError, ReportError, UsageError, said
from ..results.audit import ROBUSTNESS, Audit
from ..results.content import as_text, content_digest
from ..results.damage import DamageReport
from ..results.kinds import load
from ..results.report import Report
from ..results.robustness import RobustnessReport
from ..results.snr import SnrReport
from ..results.verification import PAGE_KIND, Check, Verification
from ..spelling import on_command_line
from ..storage.regular_file import read_bounded, why
from ..storage.value_rules import WrongContentError
from ..views.model_names import model_names, names_by_files
from ..views.text import shortened
from .page import audit_page, page
from .record import BASELINE, DAMAGE, MEASURED, NOISE, REPORT, is_of_ranking, read_record
from .same_pictures import alike

_MOST_BYTES = 1 << 27
_PICTURE = re.compile(r"(data:image/(?:png|jpeg);base64,)([A-Za-z0-9+/=]*)")
# Letters that are read behind the first that differs, to say what stands there.
_READ_ON = 4000
_LETTERS = 60
_KINDS = {
    REPORT: Report,
    MEASURED: RobustnessReport,
    BASELINE: RobustnessReport,
    NOISE: SnrReport,
    DAMAGE: DamageReport,
}
_BEFORE = 25


def verify_page(path: Path, files: Sequence[Path] = ()) -> Verification:
    """Ask whether a page was made from these files, and shows what they give.

    Parameters
    ----------
    path : path
        The page.
    files : sequence of path
        The reports that it was made from, in any order, or the folder of its audit; without any,
        of an audit's page, the folder that it lies in.

    Raises
    ------
    IasideError
        It is no page of this version of iaside, or the files cannot be read.
    """
    text = _text_of(path)
    if is_of_ranking(text):
        raise UsageError(
            f"{path}: is the page of a ranking, which is not verified; verify the reports that it "
            "names, and make it again from them with iaside rank"
        )
    try:
        record = read_record(text)
    except WrongContentError as error:
        raise ReportError(
            f"{path}: {error}, as pages of iaside do since they can be verified; make it again "
            "with iaside html"
        ) from error
    if record["version"] != __version__:
        raise ReportError(
            f"{path}: was made by iaside {record['version']}, and this is {__version__}, whose "
            "pages look otherwise; verify it with that version, or make it again"
        )
    given, audit = _given(path, record, files)
    missing = _lacking(record, given, audit)
    checks = [Check("reports", missing is None, missing or _all_there(record))]
    if missing is None:
        try:
            made = _made_again(record, given, audit)
        except IasideError as error:
            reason = on_command_line(said(error))
            checks.append(Check("page", False, f"no page comes of what it names: {reason}"))
        else:
            checks += [held_against(text, made), _names(record, given)]
    return Verification(str(path), PAGE_KIND, checks)


def _text_of(path: Path) -> str:
    try:
        content = read_bounded(path, _MOST_BYTES, ReportError)
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ReportError(f"{path}: is no page of iaside: it is not UTF-8 text") from error
    except OSError as error:
        raise ReportError(f"{path}: {why(error)}") from error


def _given(
    path: Path, record: dict[str, Any], files: Sequence[Path]
) -> tuple[dict[str, tuple[Path, Any]], Audit | None]:
    """The results given, by their digests, and the audit where the page is of one."""
    if record.get("audit") is not None:
        folders = list(files) or [path.parent]
        if len(folders) > 1 or not folders[0].is_dir():
            raise UsageError(f"{path}: is the page of an audit; give the folder of that audit")
        if not files and not (path.parent / ROBUSTNESS).is_file():
            raise UsageError(f"{path}: is the page of an audit; give the folder of that audit")
        audit = Audit.load(folders[0])
        return {content_digest(each): (folders[0], each) for each in audit.reports}, audit
    if not files:
        raise UsageError(
            f"{path}: give the reports that it was made from: iaside verify PAGE REPORT..."
        )
    found: dict[str, tuple[Path, Any]] = {}
    for file in files:
        loaded = load(file)
        for each in loaded.reports if isinstance(loaded, Audit) else [loaded]:
            found[content_digest(each)] = (file, each)
    return found, None


def _lacking(
    record: dict[str, Any], given: dict[str, tuple[Path, Any]], audit: Audit | None
) -> str | None:
    """Why these are not the reports of the page; None where they are."""
    named = {entry["sha256"]: entry for entry in record["reports"]}
    if strange := [file for digest, (file, _) in given.items() if digest not in named]:
        return f"{strange[0]} is not what the page was made from"
    for digest, entry in named.items():
        if digest not in given:
            what = f"the {entry['part']} of {entry['model']} with content SHA-256 {digest[:16]}"
            return f"{what} is not among those given"
    if audit is not None:
        about = hashlib.sha256(as_text(audit.about).encode()).hexdigest()
        if about != record["audit"]["sha256"]:
            return "the audit.json of the folder has changed since the page was made"
    return None


def _all_there(record: dict[str, Any]) -> str:
    count = len(record["reports"])
    here = f"all {count} that it was made from are here" if count > 1 else "it was made from this"
    if record["audit"] is None:
        return here
    return f"{here}; the page is not made from summary.json, which is not asked"


def _made_again(
    record: dict[str, Any], given: dict[str, tuple[Path, Any]], audit: Audit | None
) -> str:
    """The page as this version makes it of the same."""
    if audit is not None:
        about = record["audit"]
        folder = Path(about["folder"])
        views = {entry["sha256"]: entry["view"] for entry in record["reports"]}

        def viewed(result: Any) -> Any:
            return result and _viewed(result, views[content_digest(result)])

        return audit_page(
            replace(
                audit,
                folder=folder,
                kept=about["kept"],
                robustness=viewed(audit.robustness),
                analysis=viewed(audit.analysis),
                damages=[viewed(each) for each in audit.damages],
            )
        )
    parts: dict[str, list[Any]] = {}
    for entry in record["reports"]:
        result, part = given[entry["sha256"]][1], entry["part"]
        if not isinstance(result, _KINDS[part]):
            raise ReportError(f"a {type(result).__name__} as the {part} of a page")
        parts.setdefault(part, []).append(_viewed(result, entry["view"]))
    return page(
        parts.get(REPORT, []),
        record["names"] or None,
        robustness=parts.get(MEASURED, []),
        baseline=next(iter(parts.get(BASELINE, [])), None),
        snr=next(iter(parts.get(NOISE, [])), None),
        damages=parts.get(DAMAGE, []),
    )


def _viewed(result: Any, view: dict[str, Any]) -> Any:
    try:
        return result.view(**view)
    except IasideError:
        raise
    except (AttributeError, TypeError, ValueError) as error:
        raise ReportError("a view of a report that its kind does not have") from error


def _names(record: dict[str, Any], given: dict[str, tuple[Path, Any]]) -> Check:
    """Whether models are called on the page as iaside calls them itself."""
    of = [given[entry["sha256"]] for entry in record["reports"] if entry["part"] == REPORT]
    results = [result for _, result in of]
    own = names_by_files(results, [path for path, _ in of])
    if record["audit"] is not None or record["names"] in (own, model_names(results)):
        return Check("names", True, "models are called by the names of their files")
    name, called = next(
        (pair for pair in zip(record["names"], own, strict=True) if pair[0] != pair[1]),
    )
    wrong, right = shortened(name, _LETTERS), shortened(called, _LETTERS)
    return Check("names", False, f"the page calls {right} '{wrong}', which no report says")


def held_against(text: str, made: str) -> Check:
    """Whether a page is the same as the one made again, pictures by what they show."""
    if text == made:
        return Check("page", True, "every figure, word and picture is what the reports give")
    (bare, pictures), (wanted, drawn) = (_apart(each) for each in (text, made))
    if bare != wanted:
        return Check("page", False, _difference(bare, wanted))
    changed = sum(not alike(*pair) for pair in zip(pictures, drawn, strict=True))
    if changed:
        some = f"{changed} picture{'s' * (changed > 1)}"
        return Check("page", False, f"{some} of {len(drawn)} not what the reports give")
    what = "every figure and word is what the reports give; pictures are, but for their encoding"
    return Check("page", True, what)


def _apart(text: str) -> tuple[str, list[str]]:
    """A page without its pictures, and these."""
    return _PICTURE.sub(r"\1", text), [picture for _, picture in _PICTURE.findall(text)]


def _difference(text: str, made: str) -> str:
    """The first place at which two pages differ."""
    at = _first_apart(text, made)
    # What follows may be anything, and as long as its writer likes.
    pieces = [_Pieces(each[: at + _READ_ON]).found for each in (text, made)]
    apart = next((pair for pair in zip_longest(*pieces) if pair[0] != pair[1]), None)
    if apart is None:  # what no reader of markup sees, such as a space
        return f"it is not as it was written, from '{shortened(text[at : at + 200], _LETTERS)}' on"
    first, wanted = (("", "nothing") if each is None else each for each in apart)
    where = (wanted if first[1] == "nothing" else first)[0]
    shown = [_around(*pair) for pair in ((first[1], wanted[1]), (wanted[1], first[1]))]
    return (
        f"it says '{shown[0]}' where the reports give '{shown[1]}'"
        f"{f' (under {where!r})' if where else ''}"
    )


def _first_apart(text: str, made: str) -> int:
    """Number of letters with which both begin."""
    low, high = 0, min(len(text), len(made))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if made.startswith(text[:middle]) else (low, middle - 1)
    return low


def _around(text: str, other: str) -> str:
    """The part of a text in which it differs from another."""
    alike = zip_longest(text, other)
    at = next((place for place, pair in enumerate(alike) if pair[0] != pair[1]), 0)
    start = max(0, min(at, len(text)) - _BEFORE)
    return "…" * (start > 0) + shortened(text[start:], _LETTERS)


class _Pieces(HTMLParser):
    """Texts and elements of a page in order, each with the heading or caption above it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str]] = []
        self._under, self._within = "", ""
        self.feed(text)
        self.close()

    def _add(self, text: str) -> None:
        self.found.append((shortened(self._under, _LETTERS), text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        held = dict(attrs)
        spoken = held.pop("aria-label", None)
        self._add(f"<{tag} {' '.join(f'{name}={value}' for name, value in held.items())}>")
        if spoken is not None:
            self._add(spoken)

    def handle_endtag(self, tag: str) -> None:
        self._within = ""
        self._add(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        shown = " ".join(data.split())
        if self._within in ("h1", "h2", "h3", "caption", "figcaption", "title") and shown:
            self._under = shown
        self._add(shown)

    def handle_comment(self, data: str) -> None:
        self._add(f"<!--{data}-->")
