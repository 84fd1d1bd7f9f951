"""Heads of detectors before suppression: candidates with boxes, and scores of classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import OpenError
from ..spelling import option
from .class_scores import look_like_probabilities
from .detection import SLACK, DetectionHead, are_shares, are_upright
from .grids import grid_counts
from .head_facts import HeadFacts, Outputs, UnfitError, joined, need, range_of, shape_of

# Candidates before suppression, whatever the size of the input: many rows of few numbers.
_MANY, _FEW = 100, 300
_BOX = 4
# Fewer rows of a box and one or two numbers may be points, whatever grids have as many places: at
# 32 x 32 these have 21, as a hand has joints.
_GRIDS = 84
# Centres of boxes may lie so many sides of the picture outside of it.
_OUTSIDE = 0.5
# Confidences of most candidates are below the one, and other numbers above the other.
_SMALL, _LARGE = 0.01, 0.1
# In the name of an output of boxes; of no output of landmarks or of a layer's block.
_BOXES = re.compile(r"box|anchor|detection|(^|[^a-z])(locs?|locations?|dets?)([^a-z]|$)", re.I)


def pairs_head(runs: Sequence[Outputs], facts: HeadFacts, form: str | None) -> DetectionHead:
    """Boxes (batch, n, 4), and scores of classes (batch, n, C) or (batch, C, n)."""
    floats = {name: each for name, each in runs[0].items() if each.dtype.kind == "f"}
    boxes = [name for name, each in floats.items() if each.ndim == 3 and each.shape[2] == 4]
    boxes = [name for name in boxes if len(boxes) == 1 or "box" in name.lower()]
    need(
        len(floats) == 2 and len(boxes) == 1,
        "two outputs are needed, of which one holds boxes, (images, candidates, 4)",
    )
    (other,) = set(floats) - {boxes[0]}
    count, shape = floats[boxes[0]].shape[1], floats[other].shape
    need(
        len(shape) == 3 and count in shape[1:],
        f"output '{other}' is {shape_of(shape)} for an image, not scores of {count} candidates",
    )
    transposed = shape[1] != count
    rows = [np.asarray(run[other], np.float32) for run in runs]
    scores = np.concatenate([each.swapaxes(1, 2) if transposed else each for each in rows])
    scores = scores.reshape(-1, scores.shape[2])
    need(bool(np.isfinite(scores).all()), f"output '{other}' holds numbers that are not finite")
    found = joined(runs, boxes[0])
    upright = are_upright(found)
    need(
        upright or not bool((found[:, 2:] < -SLACK).any()),
        f"output '{boxes[0]}' holds neither corners nor centre and size, but offsets from anchors, "
        "which only the file's maker knows",
    )
    why, asked = "", form
    if form in (None, "ssd", "ssd-background"):
        shares = are_shares(scores)
        if form is None and not shares:
            form, why = _of_logits(other, scores.shape[1], facts)
        elif form is None:
            form, why = _of_shares(other, scores)
        else:
            need(shares, f"output '{other}' holds no confidences ({range_of(scores)})")
    if asked is None:
        _ask_about_few(str(form), (boxes[0], other), count, scores.shape[1], facts)
    return DetectionHead(str(form), (boxes[0], other), transposed, centred=not upright, why=why)


def _ask_about_few(
    form: str, names: tuple[str, str], count: int, columns: int, facts: HeadFacts
) -> None:
    """Ask where four numbers and scores of a few rows may be anything, such as points of a hand.

    Raises
    ------
    OpenError
        Neither names, how many rows there are, nor the classes that are listed tell of boxes.
    """
    listed = columns > 1 and not facts.counts.keys().isdisjoint((columns - 1, columns))
    if count >= _MANY or listed or any(map(_BOXES.search, names)):
        return
    raise OpenError(
        f"output '{names[0]}' holds {count} rows of four numbers and '{names[1]}' {columns} for "
        f"each, and nothing says that these are boxes: give {option('head', form)} if they are, or "
        f"{option('head', 'none')}, which takes the numbers as they are, such as points with how "
        "sure they are",
        [{"head": form}, {"head": "none"}],
    )


def _of_logits(name: str, columns: int, facts: HeadFacts) -> tuple[str, str]:
    """DETR's form by its logits: with one for no object, or a sigmoid a class; and why.

    Raises
    ------
    OpenError
        Nothing tells.
    """
    operators = {each.removeprefix("QLinear") for each in facts.choices.get(name, ())}
    if operators & {"Softmax", "LogSoftmax"} and "Sigmoid" not in operators:
        return "detr", "a Softmax of the graph reads the logits"
    if operators == {"Sigmoid"}:
        return "detr-sigmoid", "a Sigmoid of the graph reads the logits"
    if columns == 1:
        return "detr-sigmoid", "there is one logit a query"
    last, all_classes = (facts.counts.get(count) for count in (columns - 1, columns))
    if last and not all_classes:
        return "detr", f"{last} lists {columns - 1} classes for {columns} logits"
    if all_classes and not last:
        return "detr-sigmoid", f"{all_classes} lists {columns} classes for {columns} logits"
    heads = ("detr", "detr-sigmoid")
    raise OpenError(
        f"output '{name}' holds {columns} logits a query beside a box, of which the last may be no "
        f"object or a class: give {option('head', 'detr')} (a softmax, the last is no object) or "
        f"{option('head', 'detr-sigmoid')} (a sigmoid a class); {option('head', 'none')} takes the "
        "numbers as they are",
        [{"head": head} for head in heads],
    )


def _of_shares(name: str, scores: NDArray[Any]) -> tuple[str, str]:
    """SSD's form by its confidences: with a background, which all candidates share, or without.

    Raises
    ------
    OpenError
        They sum to 1, and the background seems not to stand first.
    """
    sums = np.abs(scores.sum(axis=1) - 1).max() if scores.size else 1.0
    if scores.shape[1] < 2 or sums >= 1e-2:
        return "ssd", "confidences do not sum to 1"
    means = scores.mean(axis=0)
    if means[0] >= means.max():
        return "ssd-background", "confidences sum to 1"
    raise OpenError(
        f"output '{name}' holds confidences that sum to 1 beside a box, and the largest are not "
        "the first, as those of a background are: give "
        f"{option('head', 'ssd-background')} if the first is the background all the same, or "
        f"{option('head', 'none')}, which takes the numbers as they are",
        [{"head": "ssd-background"}, {"head": "none"}],
    )


def candidates_head(runs: Sequence[Outputs], facts: HeadFacts, form: str | None) -> DetectionHead:
    """One table of candidates: a box, perhaps a confidence that it is one, and one a class."""
    tables = [name for name, each in runs[0].items() if each.dtype.kind == "f" and each.ndim == 3]
    need(
        len(tables) == 1,
        f"one output (images, candidates, numbers) is needed, and there are {len(tables)}",
    )
    name = tables[0]
    first, second = runs[0][name].shape[1:]
    grids = grid_counts(facts.size) if facts.size else set()
    # Whether the numbers of a candidate stand on the first axis, the likelier way first.
    ways = sorted(
        (True, False),
        key=lambda transposed: (
            (second if transposed else first) not in grids,
            (first if transposed else second) > (second if transposed else first),
            transposed == (form == "yolo-objectness"),
        ),
    )
    faults: list[UnfitError] = []
    for transposed in ways:
        try:
            return _table_of_candidates(runs, name, facts, form, transposed=transposed)
        except UnfitError as error:
            faults.append(error)
    raise next((fault for fault in faults if fault.hint), faults[0])


def _table_of_candidates(
    runs: Sequence[Outputs], name: str, facts: HeadFacts, asked: str | None, *, transposed: bool
) -> DetectionHead:
    first, second = runs[0][name].shape[1:]
    numbers, count = (first, second) if transposed else (second, first)
    gridded = facts.size is not None and count in grid_counts(facts.size)
    where = f"output '{name}' has {count} candidates of {numbers} numbers"
    need(numbers > _BOX, f"{where}, and a box and a confidence are five")
    rows = [np.asarray(run[name], np.float32) for run in runs]
    axis = 1 if transposed else 2
    same = all(len(each) and each.ndim == 3 and each.shape[axis] == numbers for each in rows)
    need(same, f"{where}, and not for each image")
    turned = [each.swapaxes(1, 2) if transposed else each for each in rows]
    table = np.concatenate([each.reshape(-1, numbers) for each in turned])
    if asked is None:
        if facts.size is not None and not gridded:
            square = first * facts.size[1] == second * facts.size[0]
            need(not square, f"{where}, or is a map of the input's proportions")
        shared = any(look_like_probabilities(each) for run in rows for each in (run[0], run[0].T))
        need(not shared, f"{where} that sum to 1, as scores of classes do")
        form = _form_of_candidates(
            numbers, facts, transposed=transposed, beyond=not are_shares(table[:, -1])
        )
    else:
        after = numbers - _BOX - (asked != "yolo")
        more = facts.classes is not None and after > facts.classes
        form = _Form((asked,), facts.classes if more else None)
    boxes, scores = table[:, :_BOX], table[:, _BOX:]
    if form.classes is not None:
        scores = scores[:, : form.classes + (form.heads[0] != "yolo")]
    need(bool(np.isfinite(boxes).all()), f"{where}, and boxes that are not finite")
    need(
        are_shares(scores),
        f"{where}, and what follows a box are no confidences in [0, 1] ({range_of(scores)})",
    )
    need(
        not np.any(boxes[:, 2:] < -SLACK * max(1.0, float(np.abs(boxes).max(initial=0)))),
        f"{where}, and a width or height below 0 ({range_of(boxes[:, 2:])})",
    )
    if asked is None:
        need(
            bool(facts.counts) or not are_shares(boxes),
            f"{where}, none of which is in pixels: a map of shares looks like that as well",
        )
        many = count >= _MANY and numbers <= _FEW and numbers <= count
        points = count < _GRIDS and numbers <= _BOX + 2 and not facts.counts
        grids = gridded and not points and _are_inside(boxes, facts.size)
        if not many and not grids:
            raise UnfitError(where, hint=_hint(name, count, numbers, form, facts))
        if len(form.heads) == 1 and not facts.counts and _ends_in_another(scores):
            raise OpenError(
                f"{where}, of which the last is large for most candidates and the confidences "
                f"before it are not, as an angle of the box is: {option('head', 'yolo')} takes it "
                "for a class, unless a file lists the classes (labels.txt beside the model); "
                f"{option('head', 'none')} takes the numbers as they are",
                [{"head": "yolo"}, {"head": "none"}],
            )
        if len(form.heads) > 1:
            raise OpenError(
                f"{where}, a box and confidences each, and nothing says whether the first of these "
                f"is that there is an object: {option('head', 'yolo-objectness')} says that it is, "
                f"{option('head', 'yolo')} that all are of classes; {option('head', 'none')} takes "
                "the numbers as they are",
                [{"head": head} for head in form.heads],
            )
    return DetectionHead(
        form.heads[0], (name,), transposed, centred=True, classes=form.classes, why=form.why
    )


def _ends_in_another(scores: NDArray[Any]) -> bool:
    """Whether most candidates have a large last number, and small ones before: it is no confidence.

    Nearly all candidates are of nothing, so that the confidences of most are small.
    """
    if scores.shape[1] < 2 or not len(scores):
        return False
    *before, last = np.median(scores, axis=0)
    return bool(last > _LARGE > _SMALL > max(before))


def _are_inside(boxes: NDArray[Any], size: tuple[int, int] | None) -> bool:
    """Whether centres of boxes lie in the picture, in pixels or shares of it, or near it."""
    if size is None:
        return False
    sides = np.ones(2) if are_shares(boxes) else np.array([size[1], size[0]])
    centres = boxes[:, :2]
    return bool(np.all((centres >= -_OUTSIDE * sides) & (centres <= (1 + _OUTSIDE) * sides)))


def _hint(name: str, count: int, numbers: int, form: _Form, facts: HeadFacts) -> str:
    grids = "" if facts.size is None or count in grid_counts(facts.size) else (
        f", but a detector's grids for an input of {facts.size[0]} x {facts.size[1]} have other "
        "numbers of places"
    )  # fmt: skip
    return (
        f"output '{name}': {count} rows of {numbers} numbers, which may be a box and confidences "
        f"each{grids}: if this is a detector, {option('head', *form.heads)} matches its boxes"
    )


class _Form(NamedTuple):
    """Forms that a table of candidates may have by its sizes.

    Attributes
    ----------
    heads : tuple of str
    classes : int or None
        Confidences that are kept, where other numbers follow.
    why : str
        What makes it this form.
    """

    heads: tuple[str, ...]
    classes: int | None = None
    why: str = ""


_EITHER = ("yolo-objectness", "yolo")


def _form_of_candidates(numbers: int, facts: HeadFacts, *, transposed: bool, beyond: bool) -> _Form:
    """The forms of candidates of so many numbers; `beyond`: the last is no confidence."""
    classes = facts.classes
    if classes is None:
        if not transposed:
            return _Form(_EITHER if numbers > _BOX + 1 else ("yolo",))
        alone = "its numbers stand before its candidates, as where there is none of an object"
        return _Form(("yolo",), why=alone if numbers > _BOX + 1 else "")
    named = f"{facts.counts[classes]} lists {classes} classes for {numbers} numbers"
    if numbers == _BOX + 1 + classes and not (transposed and beyond):
        return _Form(_EITHER) if transposed else _Form(("yolo-objectness",), why=named)
    fits = numbers >= _BOX + classes if transposed else numbers == _BOX + classes
    need(fits, f"{named}, where 4 and one a class are needed")
    return _Form(("yolo",), classes if numbers > _BOX + classes else None, named)
