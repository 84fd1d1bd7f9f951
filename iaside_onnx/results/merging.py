"""Reports of parts of one sample, joined into the report that one run would have written."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..digest import data_digest
from ..errors import ReportError, UsageError
from ..setting_roles import settings_apart
from .part import Part, PartOfSample, part_of
from .precondition import accuracy_reason, speaks_of_accuracy
from .report import Report, check_view, load

# Everything else in a report has a row for each image.
_NOT_ROWS = {
    "settings", "model", "data", "run", "provider", "created", "iaside_version", "class_names",
    "example",
}  # fmt: skip
# Sums over the parts; what else differs between runs is kept part by part.
_SUMMED = ("forward_passes", "seconds", "resumed_after")


def merge(
    reports: Sequence[str | Path | Report],
    *,
    allow_missing: bool = False,
    value: str | None = None,
    beta: float | None = None,
    confidence: float | None = None,
) -> Report:
    """Join reports of disjoint parts of one sample, in any order.

    Parameters
    ----------
    reports : sequence of path or Report
        Written by `analyze` with ``shard``, or merged from such with parts still missing.
    allow_missing : bool
        Join what there is; the result is the report of a part, to be joined with the rest later.
    value, beta, confidence : optional
        View settings for all parts; None keeps theirs, which must then agree.

    Returns
    -------
    Report
        Its value table, images and everything derived are those of a run over the whole sample.
        ``run`` has the sums of passes and seconds, and under ``parts`` how each part ran.

    Raises
    ------
    UsageError
        No report given.
    ReportError
        Not a part, parts that overlap or are missing, or of different models, settings, images or
        versions; the message names the difference.
    """
    if not reports:
        raise UsageError("no reports to join")
    held: list[tuple[str, Report, PartOfSample]] = []
    for number, given in enumerate(reports):
        report = given if isinstance(given, Report) else load(given)
        report = report.view(value=value, beta=beta, confidence=confidence)
        check_view(report.settings["value"], report.beta, report.confidence)
        name = f"report {number + 1}" if isinstance(given, Report) else str(given)
        whole = part_of(report)
        if whole is None:
            raise ReportError(
                f"{name}: holds a whole sample, not a part of one (analyze --shard I/N)"
            )
        held.append((name, report, whole))
    held.sort(key=lambda each: each[2].part.numbers)
    first_name, first, _ = held[0]
    for name, report, whole in held[1:]:
        _check_alike(first_name, first, held[0][2], name, report, whole)
    part = _joined_part(held)
    if part.missing and not allow_missing:
        lacking = ", ".join(map(str, part.missing))
        many = "shards" if len(part.missing) > 1 else "shard"
        raise ReportError(
            f"{many} {lacking} of {part.of} missing; add the report(s), or join what there is with "
            "--allow-missing"
        )
    return _joined(held, part)


def _check_alike(
    first_name: str,
    first: Report,
    first_whole: PartOfSample,
    name: str,
    report: Report,
    whole: PartOfSample,
) -> None:
    """Refuse parts that are not of one audit; the message names the first difference."""

    def need(what: str, here: Any, there: Any) -> None:
        if here != there:
            raise ReportError(
                f"{name}: was made with {what} {_shown(there)}, but {first_name} with "
                f"{_shown(here)}"
            )

    if first.model["sha256"] != report.model["sha256"]:
        raise ReportError(f"{name}: is of another model than {first_name}")
    # The strictest level: nothing may differ, the view included.
    for each in settings_apart(first.settings, report.settings):
        need(each.setting, each.first, each.other)
    need("provider", first.provider, report.provider)
    need("iaside", first.iaside_version, report.iaside_version)
    need("a number of shards of", first_whole.part.of, whole.part.of)
    if (first_whole.images, first_whole.digest) != (whole.images, whole.digest):
        raise ReportError(f"{name}: is of a sample of other images than {first_name}")
    if first.class_names != report.class_names:
        raise ReportError(f"{name}: names the classes otherwise than {first_name}")


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _joined_part(held: list[tuple[str, Report, PartOfSample]]) -> Part:
    """All parts as one; they must not overlap."""
    owner: dict[int, str] = {}
    for name, _, whole in held:
        for number in whole.part.numbers:
            if number in owner:
                raise ReportError(
                    f"{name}: holds shard {number} of {whole.part.of}, which {owner[number]} "
                    "holds too; give each shard once"
                )
            owner[number] = name
    return Part(tuple(sorted(owner)), held[0][2].part.of)


def _joined(held: list[tuple[str, Report, PartOfSample]], part: Part) -> Report:
    _, first, whole = held[0]
    positions = np.concatenate([each.part.positions(each.images) for _, _, each in held])
    order = np.argsort(positions)
    reports = [report for _, report, _ in held]
    rows: dict[str, Any] = {}
    for column in fields(Report):
        if column.name in _NOT_ROWS:
            continue
        columns = [getattr(report, column.name) for report in reports]
        lacking = [name for (name, _, _), rest in zip(held, columns, strict=True) if rest is None]
        if len(lacking) < len(held):
            if lacking:
                raise ReportError(f"{lacking[0]}: holds no {column.name}, but others do")
            rows[column.name] = _in_order(columns, order)
    if "image_digests" not in rows:
        raise ReportError(f"{held[0][0]}: holds no digests of its images")
    digest = data_digest(rows["image_ids"], rows["labels"], rows["image_digests"])
    run = _joined_run(held)
    if part.missing:
        run["shard"] = PartOfSample(part, whole.images, whole.digest).record()
    elif digest != whole.digest:
        raise ReportError(
            f"{held[0][0]}: the parts together are not the images that they say they are of; "
            "one of them was altered"
        )
    return replace(
        first,
        **rows,
        data={**first.data, "digest": digest, "samples": len(order)},
        run=run,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _in_order(parts: list[Any], order: Any) -> Any:
    """Rows of several parts, as arrays or lists, in the order of the sample."""
    if isinstance(parts[0], list):
        together = [row for part in parts for row in part]
        return [together[place] for place in order]
    return np.concatenate(parts)[order]


def _joined_run(held: list[tuple[str, Report, PartOfSample]]) -> dict[str, Any]:
    """How the parts ran: what they share, sums, and the rest part by part."""
    runs = [
        {key: value for key, value in report.run.items() if key not in ("shard", "parts")}
        for _, report, _ in held
    ]
    shared = {
        key: value for key, value in runs[0].items() if all(run.get(key) == value for run in runs)
    }
    sums = {key: round(sum(_number(run.get(key)) for run in runs), 3) for key in _SUMMED}
    parts: list[dict[str, Any]] = []
    for (_, report, whole), run in zip(held, runs, strict=True):
        own = {key: run[key] for key in run if key not in shared and key != "warnings"}
        before = report.run.get("parts")
        parts += before if isinstance(before, list) else [{"shard": whole.part.option, **own}]
    return {**shared, **sums, "warnings": _joined_warnings(held), "parts": parts}


def _number(value: Any) -> float:
    return value if type(value) in (int, float) else 0


def _joined_warnings(held: list[tuple[str, Report, PartOfSample]]) -> list[str]:
    """Warnings of all parts once, others with the part that they speak of.

    Whether accuracy is at chance is judged anew: it is another matter for a small part.
    """
    told = []
    for _, report, _ in held:
        told.append([line for line in report.run["warnings"] if not speaks_of_accuracy(line)])
    everywhere = [warning for warning in told[0] if all(warning in each for each in told)]
    warnings = list(everywhere)
    for (_, _, whole), each in zip(held, told, strict=True):
        warnings += [f"{whole.part}: {line}" for line in each if line not in everywhere]
    versions = sorted({str(report.run.get("onnxruntime")) for _, report, _ in held})
    if len(versions) > 1:
        warnings.append(f"the parts were run by different onnxruntime: {', '.join(versions)}")
    labels = np.concatenate([report.labels for _, report, _ in held])
    right = sum(int((report.predicted == report.labels).sum()) for _, report, _ in held)
    if warning := accuracy_reason(right, labels, held[0][1].data["classes"]):
        warnings.append(warning)
    return warnings
