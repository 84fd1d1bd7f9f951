"""Heads of detectors: which outputs are boxes, confidences and classes, and the detections in them.

A head is known by the shapes of the outputs for single images, by what their numbers may be, and
by names where these leave something open. Nothing is learned from it but which number is which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..mathematics.boxes import LEAST, MOST, NUMBERS, corners, detections
from ..mathematics.one_label import answers
from ..spelling import option
from .class_scores import look_like_probabilities

Outputs = Mapping[str, NDArray[Any]]
# Candidates before suppression: many rows of few numbers.
_MANY, _FEW = 100, 300
# By rounding a probability may lie outside of [0, 1], and a box turn round.
_SLACK = 1e-3
HEADS = {
    "yolo": "candidates of boxes with a confidence of each class, before suppression (YOLO)",
    "yolo-objectness": "candidates of boxes with a confidence that there is an object and one of "
    "each class, before suppression (YOLO)",
    "detr": "queries with logits of classes, the last of them none, and boxes (DETR)",
    "detr-sigmoid": "queries with a logit of each class, and boxes (RT-DETR, deformable DETR)",
    "ssd": "anchors with boxes and a confidence of each class, before suppression (SSD)",
    "ssd-background": "anchors with boxes and probabilities of classes, the first of them the "
    "background, before suppression (SSD)",
    "rows": "detections after suppression, rows of corners, confidence and class",
    "batch-rows": "detections after suppression, rows of image, corners, class and confidence",
    "image-rows": "detections after suppression, rows of image, class, confidence and corners",
    "boxes": "detections after suppression: boxes, confidences and classes",
}
SUPPRESSED = ("rows", "batch-rows", "image-rows", "boxes")


@dataclass(frozen=True)
class DetectionHead:
    """The form of a detector's outputs.

    Attributes
    ----------
    form : str
        A key of `HEADS`.
    outputs : tuple of str
        Those that are read: of candidates their one output, else boxes, confidences or logits,
        classes, and the number of detections, as far as there are any.
    transposed : bool
        The numbers of a candidate stand on the axis before that of the candidates.
    centred : bool
        Boxes are centre, width and height; else two corners.
    classes : int or None
        Confidences of a candidate, where further numbers follow them.
    batched : bool
        The first axis of the outputs is that of the images.
    """

    form: str
    outputs: tuple[str, ...]
    transposed: bool = False
    centred: bool = False
    classes: int | None = None
    batched: bool = True

    @property
    def words(self) -> str:
        """For people."""
        return HEADS[self.form]

    @property
    def suppressed(self) -> bool:
        """Whether boxes have been suppressed already, so that their number may be any."""
        return self.form in SUPPRESSED

    def rows(self, outputs: Sequence[NDArray[Any]], fed: int) -> NDArray[np.float32]:
        """Detections of each image of a run, side by side in a row, shape (fed, MOST * NUMBERS).

        Raises
        ------
        ArtifactError
            The outputs are not those of so many images.
        """
        found = np.zeros((fed, MOST, NUMBERS), np.float32)
        for image in range(fed):
            parts = self._of_image(outputs, image, fed)
            boxes, scores, classes = (np.asarray(part, np.float32) for part in parts)
            if np.isfinite(classes).all() and not _are_whole(classes):
                raise ArtifactError(
                    f"the outputs hold a class of {classes[classes != np.rint(classes)][0]:g}, so "
                    f"they are not {self.words}, as they are for the images that were looked at; "
                    f"{option('head')} or {option('task')} says what they are"
                )
            if np.isnan(scores).any() or np.isnan(boxes).any():
                found[image] = np.nan
                continue
            boxes = corners(boxes) if self.centred else boxes
            found[image] = detections(boxes, scores, classes, suppress=not self.suppressed)
        return found.reshape(fed, -1)

    def _of_image(
        self, outputs: Sequence[NDArray[Any]], image: int, fed: int
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Boxes, confidences and classes of one image."""
        first = outputs[0]
        if self.form in ("batch-rows", "image-rows"):
            table = first.reshape(-1, 7)
            table = table[table[:, 0] == image]
            if self.form == "batch-rows":
                return table[:, 1:5], table[:, 6], table[:, 5]
            return table[:, 3:7], table[:, 2], table[:, 1]
        if not self.batched:
            if fed != 1:
                raise ArtifactError("detections of several images cannot be told apart")
            outputs = [output[None] for output in outputs]
        elif any(output.shape[:1] != (fed,) for output in outputs):
            raise ArtifactError("the outputs are not those of the images of a run")
        own = [output[image] for output in outputs]
        if self.form == "rows":
            return own[0][:, :4], own[0][:, 4], own[0][:, 5]
        if self.form == "boxes":
            boxes, scores = own[0].reshape(-1, 4), own[1].reshape(-1)
            classes = own[2].reshape(-1) if len(own) > 2 else np.zeros(len(scores))
            count = int(own[3].reshape(-1)[0]) if len(own) > 3 else len(scores)
            return boxes[:count], scores[:count], classes[:count]
        if self.form.startswith("yolo"):
            table = np.asarray(own[0].T if self.transposed else own[0], np.float32)
            boxes, scores = table[:, :4], table[:, 4:]
            if self.form == "yolo-objectness":
                scores = scores[:, 1:] * scores[:, :1] if scores.shape[1] > 1 else scores
            if self.classes is not None:
                scores = scores[:, : self.classes]
        else:
            boxes, scores = own[0], own[1].T if self.transposed else own[1]
            scores = _confidences(self.form, scores.astype(np.float32))
        return _likely(boxes, scores)


def _likely(
    boxes: NDArray[Any], scores: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Boxes, confidences and classes of the candidates that may count, of many that do not.

    Not-a-number stays, wherever it is.
    """
    highest = scores.max(axis=1)
    places = np.flatnonzero(~(highest < LEAST) | np.isnan(boxes).any(axis=1))
    return boxes[places], highest[places], answers(scores[places])


def _confidences(form: str, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Confidences of the classes of objects, shape (n, classes)."""
    if form == "detr":
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray((powers / powers.sum(axis=1, keepdims=True))[:, :-1])
    if form == "detr-sigmoid":
        return np.asarray(1 / (1 + np.exp(-scores.clip(-60, 60))))
    return scores[:, 1:] if form == "ssd-background" else scores


def known_head(
    runs: Sequence[Outputs],
    classes: int | None = None,
    form: str | None = None,
    *,
    suppresses: bool = False,
) -> DetectionHead | None:
    """The form of a detector's head, or None where it is not known.

    One row for every image, and rows that sum to 1, are scores of classes whatever their numbers
    look like: a Softmax that saturates gives whole numbers, shares and corners. A node that
    suppresses boxes, or the user, makes a detector of the first; of the second only the user.

    Parameters
    ----------
    runs : sequence of mappings
        All outputs for one image each, by name, as the graph gives them.
    classes : int, optional
        How many the file declares.
    form : str, optional
        The form that is asked for, where numbers leave it open: a key of `HEADS`.
    suppresses : bool
        The graph has a node that suppresses boxes.
    """
    if form is None and not suppresses and runs and all(map(_is_one_row, runs)):
        return None
    for find in (_rows, _boxes, _pairs, _candidates):
        head = find(runs, classes, form)
        if head is not None and form in (None, head.form):
            return head
    return None


def _is_one_row(run: Outputs) -> bool:
    """Whether the largest output has one row of its last axis."""
    largest = max(run.values(), key=lambda output: output.size)
    return largest.size > 0 and (not largest.shape or largest.size == largest.shape[-1])


def _joined(runs: Sequence[Outputs], name: str) -> NDArray[Any]:
    """Outputs for all images, one below another, rows of the last axis."""
    width = runs[0][name].shape[-1]
    rows = [np.asarray(run[name], np.float32).reshape(-1, width) for run in runs]
    return np.concatenate(rows) if rows else np.empty((0, width))


def _are_whole(numbers: NDArray[Any]) -> bool:
    return bool(np.isfinite(numbers).all() and np.all(numbers == np.rint(numbers))
                and np.all(numbers >= -1))  # fmt: skip


def _are_shares(numbers: NDArray[Any]) -> bool:
    return bool(np.all((numbers >= -_SLACK) & (numbers <= 1 + _SLACK)))


def _are_corners(boxes: NDArray[Any]) -> bool:
    """Whether no box turns round; its size may be in pixels or shares of the picture."""
    scale = max(1.0, float(np.abs(boxes).max())) if boxes.size else 1.0
    return bool(np.isfinite(boxes).all()) and bool(
        np.all(boxes[:, 2:] - boxes[:, :2] >= -_SLACK * scale)
    )


def _rows(runs: Sequence[Outputs], classes: int | None, form: str | None) -> DetectionHead | None:
    """One table of detections: (n, 7), (1, 1, n, 7) or (batch, n, 6)."""
    del classes
    floats = [name for name, output in runs[0].items() if output.dtype.kind == "f"]
    if len(floats) != 1 or len(runs[0]) > 1:
        return None
    (name,) = floats
    shape = runs[0][name].shape
    table = _joined(runs, name) if shape else np.empty((0, 0), np.float32)
    if form is None and look_like_probabilities(table):
        return None
    if shape[-1:] == (7,) and (len(shape) == 2 or shape[:2] == (1, 1)):
        whole, corner = _are_whole(table[:, 0]), _are_corners(table[:, 1:5])
        empty = not len(table) and len(shape) > 2  # on four axes images and classes come first
        if not empty and whole and corner and _are_whole(table[:, 5]) and _are_shares(table[:, 6]):
            return DetectionHead("batch-rows", (name,))
        if whole and _are_whole(table[:, 1]) and _are_shares(table[:, 2]):
            return DetectionHead("image-rows", (name,)) if _are_corners(table[:, 3:]) else None
        return None
    if shape[-1:] == (6,) and len(shape) in (2, 3):
        fits = _are_corners(table[:, :4]) and _are_shares(table[:, 4])
        if fits and _are_whole(table[:, 5]):
            return DetectionHead("rows", (name,), batched=len(shape) == 3)
    return None


def _boxes(runs: Sequence[Outputs], classes: int | None, form: str | None) -> DetectionHead | None:
    """Boxes, confidences and classes after suppression, a number of each for every detection."""
    del classes
    first = runs[0]
    boxes = [
        name for name, each in first.items() if each.shape[-1:] == (4,) and each.ndim in (2, 3)
    ]
    if len(boxes) != 1 or not _are_corners(_joined(runs, boxes[0])):
        return None
    batched = first[boxes[0]].ndim == 3
    if not batched and form is None and all(len(run[boxes[0]]) == 1 for run in runs):
        return None  # four numbers an image, whatever they are
    found: dict[str, str] = {}
    for name, each in first.items():
        if name == boxes[0]:
            continue
        numbers = np.concatenate([np.asarray(run[name], np.float64).ravel() for run in runs])
        # A number for each detection of each image; one an image counts them.
        alike = all(run[name].size == run[boxes[0]].size // 4 for run in runs)
        whole = each.dtype.kind in "iu" or (
            bool(numbers.size) and _are_whole(numbers) and "score" not in name.lower()
        )
        if alike and each.ndim <= 2 + batched and each.dtype.kind == "f" and not whole:
            kind = "scores" if _are_shares(numbers) else ""
        elif alike and whole and not (each.size == 1 and "num" in name.lower()):
            kind = "classes"
        else:
            kind = "count" if whole and each.size == 1 else ""
        if not kind or kind in found:
            return None
        found[kind] = name
    if "scores" not in found or ("count" in found and "classes" not in found):
        return None
    names = [boxes[0], *(found[kind] for kind in ("scores", "classes", "count") if kind in found)]
    if "classes" not in found and first[found["scores"]].ndim > 1 + batched:
        return None  # (batch, n, 1): one class, before suppression
    return DetectionHead("boxes", tuple(names), batched=batched)


def _pairs(runs: Sequence[Outputs], classes: int | None, form: str | None) -> DetectionHead | None:
    """Boxes (batch, n, 4), and scores of classes (batch, n, C) or (batch, C, n)."""
    floats = {name: each for name, each in runs[0].items() if each.dtype.kind == "f"}
    boxes = [name for name, each in floats.items() if each.ndim == 3 and each.shape[2] == 4]
    boxes = [name for name in boxes if len(boxes) == 1 or "box" in name.lower()]
    if len(floats) != 2 or len(boxes) != 1:
        return None
    (other,) = set(floats) - {boxes[0]}
    count, shape = floats[boxes[0]].shape[1], floats[other].shape
    if len(shape) != 3 or count not in shape[1:]:
        return None
    transposed = shape[1] != count
    rows = [np.asarray(run[other], np.float32) for run in runs]
    scores = np.concatenate([each.swapaxes(1, 2) if transposed else each for each in rows])
    scores = scores.reshape(-1, scores.shape[2])
    if not np.isfinite(scores).all():
        return None
    if form is None:
        sums = np.abs(scores.sum(axis=1) - 1).max() if scores.size else 0.0
        if not _are_shares(scores):
            last = float((answers(scores) == scores.shape[1] - 1).mean())
            none = classes + 1 == scores.shape[1] if classes else last > 0.5
            form = "detr" if none and scores.shape[1] > 1 else "detr-sigmoid"
        else:
            form = "ssd-background" if scores.shape[1] > 1 and sums < 1e-2 else "ssd"
    corner = _are_corners(_joined(runs, boxes[0]))
    if not corner and bool((_joined(runs, boxes[0])[:, 2:] < -_SLACK).any()):
        return None  # offsets from anchors, which only the file's maker knows
    return DetectionHead(form, (boxes[0], other), transposed, centred=not corner)


def _candidates(
    runs: Sequence[Outputs], classes: int | None, form: str | None
) -> DetectionHead | None:
    """One table of candidates: a box, perhaps a confidence that it is one, and one a class."""
    tables = [name for name, each in runs[0].items() if each.dtype.kind == "f" and each.ndim == 3]
    if len(tables) != 1:
        return None
    shape = runs[0][tables[0]].shape
    few, many = sorted(shape[1:])
    asked = form
    if not 5 <= few <= _FEW or many < _MANY:
        return None
    transposed = shape[1] == few
    rows = [np.asarray(run[tables[0]], np.float32) for run in runs]
    table = np.concatenate([each.swapaxes(1, 2) if transposed else each for each in rows])
    table = table.reshape(-1, few)
    kept = None
    if form is None:
        # Where candidates stand first, a confidence of there being an object comes before classes.
        objectness = not transposed and few > 5
        if classes is not None and transposed and few >= 4 + classes:
            kept = classes if few > 4 + classes else None
        elif classes is not None and few in (4 + classes, 5 + classes):
            objectness = few == 5 + classes
        elif classes is not None:
            return None
        if any(look_like_probabilities(each) for run in rows for each in (run[0], run[0].T)):
            return None
        form = "yolo-objectness" if objectness else "yolo"
    scores = table[:, 4:] if kept is None else table[:, 4 : 4 + kept]
    if not np.isfinite(table[:, :4]).all() or not _are_shares(scores):
        return None
    if asked is None and classes is None and _are_shares(table[:, :4]):
        return None  # no number is in pixels: a map or a table of shares looks like that as well
    if np.any(table[:, 2:4] < -_SLACK * max(1.0, float(np.abs(table[:, :4]).max()))):
        return None
    return DetectionHead(form, (tables[0],), transposed, centred=True, classes=kept)
