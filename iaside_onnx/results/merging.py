"""Files of parts of one sample, joined into the result that one run would have written."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..spelling import option
from .joining import joined
from .kinds import load_file
from .result import Result


def merge(
    reports: Sequence[str | Path | Result], *, allow_missing: bool = False, **view: Any
) -> Any:
    """Join results of disjoint parts of one sample, in any order.

    Parameters
    ----------
    reports : sequence of path or result
        Written with ``shard``, by any of the jobs that measure, or merged from such with parts
        still missing; all of one kind.
    allow_missing : bool
        Join what there is; the result is the report of a part, to be joined with the rest later.
    **view
        View settings for all parts, as the ``view`` of their kind takes them (``value``, ``beta``,
        ``confidence`` of reports). None keeps theirs, which must then agree.

    Returns
    -------
    Report, RobustnessReport, HeatmapReport, SnrReport or StandInReport
        Its values, images and everything derived are those of a run over the whole sample.
        ``run`` has the sums of passes and seconds, and under ``parts`` how each part ran.

    Raises
    ------
    UsageError
        No report given, or a view setting that this kind has not.
    ReportError
        Not a part, parts that overlap or are missing, or of different models, settings, images or
        versions; the message names the difference.
    """
    asked = {name: value for name, value in view.items() if value is not None}
    parts = []
    for number, given in enumerate(reports, 1):
        result = given if isinstance(given, Result) else load_file(given)
        name = f"report {number}" if isinstance(given, Result) else str(given)
        for setting in asked:
            if setting not in signature(result.view).parameters:
                raise UsageError(f"{option(setting)} does not apply to {name}")
        parts.append((name, result.view(**asked)))
    return joined(parts, allow_missing=allow_missing)
