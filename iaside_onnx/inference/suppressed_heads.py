"""Heads of detectors after suppression: rows of detections, or boxes, confidences and classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..spelling import option
from .class_scores import look_like_probabilities
from .detection import DetectionHead, are_shares, are_upright, are_whole
from .head_facts import HeadFacts, Outputs, UnfitError, joined, need, range_of, shape_of


def rows_head(runs: Sequence[Outputs], facts: HeadFacts, form: str | None) -> DetectionHead:
    """One table of detections: (n, 7), (1, 1, n, 7) or (batch, n, 6)."""
    floats = [name for name, output in runs[0].items() if output.dtype.kind == "f"]
    need(len(floats) == 1 == len(runs[0]), f"one table is needed, and there are {len(runs[0])}")
    (name,) = floats
    shape = runs[0][name].shape
    table = joined(runs, name) if shape else np.empty((0, 0), np.float32)
    need(
        form is not None or not look_like_probabilities(table),
        "its rows sum to 1, as scores of classes do",
    )
    where = f"output '{name}' is {shape_of(shape)} for an image"
    nothing = not table.any()
    if form is None and nothing and len(table) and not facts.suppresses and _fits(shape):
        why = f"{where}, and all zeros for the images that were looked at"
        hint = option("head", *(("batch-rows", "image-rows") if shape[-1] == 7 else ("rows",)))
        raise UnfitError(
            why, f"{why}: if these are rows for detections, {hint} matches their boxes"
        )
    if shape[-1:] == (7,) and (len(shape) == 2 or shape[:2] == (1, 1)):
        image = are_whole(table[:, 0])
        need(image, f"{where}, and the first number of a row is no number of an image")
        empty = nothing and len(shape) > 2  # on four axes images and classes come first
        batch_rows = (
            are_upright(table[:, 1:5]) and are_whole(table[:, 5]) and are_shares(table[:, 6])
        )
        if not empty and form != "image-rows" and batch_rows:
            return DetectionHead("batch-rows", (name,))
        fits = are_whole(table[:, 1]) and are_shares(table[:, 2]) and are_upright(table[:, 3:])
        need(
            fits, f"{where}, and its numbers are neither corners, class, confidence nor class, "
            "confidence, corners",
        )  # fmt: skip
        return DetectionHead("image-rows", (name,))
    need(shape[-1:] == (6,) and len(shape) in (2, 3), f"{where}: rows of 6 or 7 are needed")
    need(are_upright(table[:, :4]), f"{where}, and the first four numbers of a row no corners")
    need(
        are_shares(table[:, 4]),
        f"{where}, and the fifth number of a row no confidence ({range_of(table[:, 4])})",
    )
    need(are_whole(table[:, 5]), f"{where}, and the last number of a row no class")
    return DetectionHead("rows", (name,), batched=len(shape) == 3)


def _fits(shape: Sequence[int]) -> bool:
    """Whether rows may be of detections by their shape."""
    six = shape[-1:] == (6,) and len(shape) in (2, 3)
    return six or (shape[-1:] == (7,) and (len(shape) == 2 or tuple(shape[:2]) == (1, 1)))


def boxes_head(runs: Sequence[Outputs], facts: HeadFacts, form: str | None) -> DetectionHead:
    """Boxes, confidences and classes after suppression, a number of each for every detection."""
    del facts
    first = runs[0]
    boxes = [
        name for name, each in first.items() if each.shape[-1:] == (4,) and each.ndim in (2, 3)
    ]
    need(len(boxes) == 1, f"one output of rows of four is needed, and there are {len(boxes)}")
    need(are_upright(joined(runs, boxes[0])), f"output '{boxes[0]}' holds no corners")
    batched = first[boxes[0]].ndim == 3
    one = not batched and all(len(run[boxes[0]]) == 1 for run in runs)
    need(form is not None or not one, "four numbers an image, whatever they are")
    found: dict[str, str] = {}
    for name, each in first.items():
        if name == boxes[0]:
            continue
        numbers = np.concatenate([np.asarray(run[name], np.float64).ravel() for run in runs])
        # A number for each detection of each image; one an image counts them.
        per_box = all(run[name].size == run[boxes[0]].size // 4 for run in runs)
        whole = each.dtype.kind in "iu" or (
            bool(numbers.size) and are_whole(numbers) and "score" not in name.lower()
        )
        if per_box and each.ndim <= 2 + batched and each.dtype.kind == "f" and not whole:
            kind = "scores" if are_shares(numbers) else ""
        elif per_box and whole and not (each.size == 1 and "num" in name.lower()):
            kind = "classes"
        else:
            kind = "count" if whole and each.size == 1 else ""
        need(bool(kind), f"output '{name}' is neither confidences, classes nor their number")
        need(kind not in found, f"'{name}' and '{found.get(kind)}' may both be {kind}")
        found[kind] = name
    need("scores" in found, "no output holds a confidence for each box")
    need("count" not in found or "classes" in found, "no output holds a class for each box")
    names = [boxes[0], *(found[kind] for kind in ("scores", "classes", "count") if kind in found)]
    need(
        "classes" in found or first[found["scores"]].ndim <= 1 + batched,
        "confidences of one class, before suppression",
    )
    return DetectionHead("boxes", tuple(names), batched=batched)
