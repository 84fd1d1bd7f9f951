"""The page of one result, as Python asks for it: by itself, or with others beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..checks import check_kind, check_path, several
from ..comparisons.ranking import Ranking
from ..errors import InvalidOption, UsageError
from ..results.audit import Audit
from ..results.damage import DamageReport
from ..results.report import Report
from ..results.robustness import RobustnessReport
from ..results.snr import SnrReport
from ..views.model_names import model_names
from .page import audit_page, page, save_audit_page, save_page
from .ranking import ranking_page
from .target import write_page

_KINDS = (Report, RobustnessReport, SnrReport, DamageReport)


def page_of(
    result: Any,
    path: str | Path | None = None,
    *,
    beside: Sequence[Any] = (),
    overwrite: bool = False,
) -> str:
    """See `results.shown.Shown.to_html`."""
    check_path("path", path)
    others = several("beside", beside)
    for other in others:
        check_kind("beside", other, _KINDS, "results that have a part of a page")
    target = None if path is None else Path(path)
    if isinstance(result, Audit):
        if others:
            raise UsageError("the page of an audit is of its own results; nothing stands beside it")
        if target is None:
            return audit_page(result)
        return save_audit_page(result, target, overwrite=overwrite).read_text(encoding="utf-8")
    if isinstance(result, Ranking):
        if others:
            raise UsageError("the page of a ranking is of its own rows; nothing stands beside it")
        if target is None:
            return ranking_page(result)
        return write_page(target, lambda: ranking_page(result), overwrite=overwrite)
    if not isinstance(result, Report | DamageReport):
        raise UsageError(
            f"a {type(result).__name__} has no page of its own; some kinds may stand on that of a "
            "Report: report.to_html(beside=[...])"
        )
    every: list[Any] = [result, *others]
    found: list[list[Any]] = [[each for each in every if isinstance(each, k)] for k in _KINDS]
    reports, measured, snr, damages = found
    if len(snr) > 1:
        raise InvalidOption("beside", list(beside), "a page takes one SnrReport")
    parts: dict[str, Any] = {"robustness": measured, "damages": damages}
    parts["snr"] = snr[0] if snr else None
    names = model_names(reports)
    if target is None:
        return page(reports, names, **parts)
    save_page(reports, names, target, overwrite=overwrite, **parts)
    return target.read_text(encoding="utf-8")
