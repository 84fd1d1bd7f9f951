"""Results of parts of one sample, joined into the result that one run would have made."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from ..errors import ReportError, UsageError
from ..plurals import plural
from ..setting_roles import settings_apart
from ..spelling import option
from ..storage import value_rules as rules
from ..storage.opening import wrong_kind
from ..storage.schema import IMAGE
from .example import row_to_show
from .part import Part, PartOfSample, part_of
from .places import joined_ways, look, reading
from .precondition import accuracy_reason, speaks_of_accuracy

R = TypeVar("R")  # of Result, which imports this
# Sums over the parts, and what they may be; what else differs is kept part by part.
_SUMMED: dict[str, rules.Rule] = {
    "forward_passes": rules.whole(0, rules.MOST_COUNT),
    "seconds": rules.is_duration,
    "resumed_after": rules.whole(0, rules.MOST_COUNT),
}

# Said of the images of a part, so of no others, even where other parts say the same.
_OF_IMAGES = ("of_clean_images",)


@dataclass(frozen=True)
class _Piece:
    """A result of a part: what messages call it, the result, and its part."""

    name: str
    result: Any
    whole: PartOfSample


def taken(values: Any, positions: Any, axis: int) -> Any:
    """Rows of an array or of a list, in the order of their positions."""
    if isinstance(values, list):
        return [values[position] for position in positions]
    return np.take(values, positions, axis=axis)


def joined(results: Sequence[tuple[str, R]], *, allow_missing: bool) -> R:
    """Join results of parts, each with what messages call it; see `merging.merge`."""
    if not results:
        raise UsageError("no reports to join")
    pieces = sorted(
        (_piece(name, result) for name, result in results),
        key=lambda piece: piece.whole.part.numbers,
    )
    for piece in pieces[1:]:
        _check_alike(pieces[0], piece)
    part = _joined_part(pieces)
    if part.missing and not allow_missing:
        lacking = ", ".join(map(str, part.missing))
        many = plural(len(part.missing), "shard")
        raise ReportError(
            f"{many} {lacking} of {part.of} missing; add "
            f"{plural(len(part.missing), 'its report', 'their reports')}, "
            f"or join what there is with {option('allow_missing', True)}"
        )
    result: R = _joined(pieces, part)
    return result


def _piece(name: str, result: Any) -> _Piece:
    whole = part_of(result)
    if whole is None:
        raise ReportError(
            f"{name}: holds a whole sample, not a part of one; parts are made with "
            f"{option('shard', like='I/N')}"
        )
    return _Piece(name, result, whole)


def _check_alike(first: _Piece, other: _Piece) -> None:
    """Refuse parts that are not of one run; the message names the first difference."""

    def check(what: str, value: Any, another: Any) -> None:
        if value != another:
            raise ReportError(
                f"{other.name}: was made with {what} {_shown(another)}, but {first.name} with "
                f"{_shown(value)}"
            )

    one, two = first.result, other.result
    if one.SCHEMA.format != two.SCHEMA.format:
        raise wrong_kind(other.name, two.SCHEMA.format, one.SCHEMA.format)
    if one.model.get("sha256") != two.model.get("sha256"):
        raise ReportError(f"{other.name}: is of another model than {first.name}")
    # The strictest level: nothing may differ, the view included.
    for each in settings_apart(one.settings, two.settings):
        check(each.setting, each.first, each.other)
    for name in one.SCHEMA.counts.values():
        check(name, getattr(one, name), getattr(two, name))
    check("provider", one.provider, two.provider)
    check("iaside", one.iaside_version, two.iaside_version)
    check("a number of shards of", first.whole.part.of, other.whole.part.of)
    if (first.whole.images, first.whole.digest) != (other.whole.images, other.whole.digest):
        raise ReportError(f"{other.name}: is of a sample of other images than {first.name}")
    check("a number of classes of", one.data.get("classes"), two.data.get("classes"))
    # Of the whole sample, so that all parts left out the same.
    left_out = [
        [entry.get("id") for entry in each.data.get("skipped") or []] for each in (one, two)
    ]
    check("pictures left out", *left_out)
    if getattr(one, "class_names", None) != getattr(two, "class_names", None):
        raise ReportError(f"{other.name}: names the classes otherwise than {first.name}")


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _joined_part(pieces: list[_Piece]) -> Part:
    """All parts as one; they must not overlap."""
    owner: dict[int, str] = {}
    for piece in pieces:
        for number in piece.whole.part.numbers:
            if number in owner:
                raise ReportError(
                    f"{piece.name}: holds shard {number} of {piece.whole.part.of}, which "
                    f"{owner[number]} holds too; give each shard once"
                )
            owner[number] = piece.name
    return Part(tuple(sorted(owner)), pieces[0].whole.part.of)


def _joined(pieces: list[_Piece], part: Part) -> Any:
    first, whole = pieces[0].result, pieces[0].whole
    places = [piece.whole.part.positions(piece.whole.images) for piece in pieces]
    order = np.argsort(np.concatenate(places))
    rows: dict[str, Any] = {}
    for each in first.own_rows():
        columns = [getattr(piece.result, each.name) for piece in pieces]
        lacking = [
            piece.name for piece, column in zip(pieces, columns, strict=True) if column is None
        ]
        if len(lacking) < len(pieces):
            if lacking:
                raise ReportError(f"{lacking[0]}: holds no {each.name}, but others do")
            axis = each.dims.index(IMAGE)
            if isinstance(columns[0], list):
                together: Any = [row for column in columns for row in column]
            else:
                together = np.concatenate(columns, axis=axis)
            rows[each.name] = taken(together, order, axis)
    run = _joined_run(pieces)
    if part.missing:
        run["shard"] = PartOfSample(part, whole.images, whole.digest).record()
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    result = replace(first, **rows, run=run, created=created)
    digest = result.computed_digest()
    if digest is None:
        raise ReportError(f"{pieces[0].name}: holds no digests of its images")
    if not part.missing and digest != whole.digest:
        raise ReportError(
            f"{pieces[0].name}: the parts together are not the images that they say they are of; "
            "one of them was altered"
        )
    shown, named = _joined_example(result, pieces)
    dropped = {} if part.missing else {e.name: None for e in first.SCHEMA.rows if e.part_only}
    data = {**first.data, **named, "digest": digest, "samples": len(order)}
    return replace(result, **shown, **dropped, data=data)


def _joined_example(joined: Any, pieces: list[_Piece]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pictures that one run would hold, and what its data says of them.

    That of the first part, where parts do not name theirs.
    """
    results = {piece.result.data.get("example"): piece.result for piece in pieces}
    if None in results:
        return {}, {}
    name = joined.image_ids[row_to_show(joined)]
    held = results.get(name)
    if held is None:  # of parts that were altered
        return {}, {}
    fields = {each.name for each in joined.SCHEMA.fields} & {"example", "example_perturbed"}
    return {field: getattr(held, field) for field in fields}, {"example": name}


def _joined_run(pieces: list[_Piece]) -> dict[str, Any]:
    """How the parts ran: what they share, sums, and the rest part by part."""
    runs = [
        {key: value for key, value in piece.result.run.items() if key not in ("shard", "parts")}
        for piece in pieces
    ]
    shared = {
        key: value
        for key, value in runs[0].items()
        if key not in _OF_IMAGES and all(run.get(key) == value for run in runs)
    }
    summed = [key for key in _SUMMED if any(key in run for run in runs)]
    sums = {key: _sum(key, pieces) for key in summed}
    parts: list[dict[str, Any]] = []
    for piece, run in zip(pieces, runs, strict=True):
        own = {key: run[key] for key in run if key not in shared and key != "warnings"}
        before = piece.result.run.get("parts")
        alone = [{"shard": piece.whole.part.option, **own}]
        parts += before if isinstance(before, list) else alone
    ways = joined_ways([piece.result for piece in pieces])
    known = {"paths": ways} if ways else {}
    warnings = _joined_warnings(pieces, ways)
    return {**shared, **known, **sums, "warnings": warnings, "parts": parts}


def _sum(key: str, pieces: list[_Piece]) -> float:
    """A number of the runs, over all parts; one that no file can hold is refused."""
    rule = _SUMMED[key]
    total: float = 0
    for piece in pieces:
        value = piece.result.run.get(key)
        total += value if type(value) in (int, float) else 0
        if not rule(total):
            raise ReportError(f"{piece.name}: its '{key}' is no number that a run can come to")
    return round(total, 3)


def _joined_warnings(pieces: list[_Piece], ways: dict[str, Any]) -> list[str]:
    """Warnings of all parts once, others with the part that they speak of.

    `ways` are those to images and labels that hold for all. Whether accuracy is at chance is judged
    again: it is another matter for a small part.
    """
    lines = [
        [line for line in piece.result.run["warnings"] if not speaks_of_accuracy(line)]
        for piece in pieces
    ]
    everywhere = [warning for warning in lines[0] if all(warning in each for each in lines)]
    warnings = list(everywhere)
    for piece, each in zip(pieces, lines, strict=True):
        warnings += [f"{piece.whole.part}: {line}" for line in each if line not in everywhere]
    versions = sorted({str(piece.result.run.get("onnxruntime")) for piece in pieces})
    if len(versions) > 1:
        warnings.append(f"the parts were run by different onnxruntime: {', '.join(versions)}")
    results = [piece.result for piece in pieces]
    if "predicted" not in results[0].own_fields():  # no model answered
        return warnings
    if results[0].accuracy is None:  # of which accuracy says nothing
        return warnings
    labels = np.concatenate([result.labels for result in results])
    right = sum(int((result.predicted == result.labels).sum()) for result in results)
    command = look(reading(results[0].data, {"paths": ways}))
    if warning := accuracy_reason(right, labels, results[0].data["classes"], command):
        warnings.append(warning)
    return warnings
