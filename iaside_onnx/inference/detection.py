"""Heads of detectors: which outputs are boxes, confidences and classes, and the detections in them.

Which form of head a file has is found in `head_search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..mathematics.boxes import LEAST, MOST, NUMBERS, corners, detections
from ..mathematics.one_label import answers
from ..spelling import option

# By rounding a probability may lie outside of [0, 1], and a box turn round.
SLACK = 1e-3
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
    why : str
        What beside the numbers made it this form and no other.
    """

    form: str
    outputs: tuple[str, ...]
    transposed: bool = False
    centred: bool = False
    classes: int | None = None
    batched: bool = True
    why: str = field(default="", compare=False)

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
            if np.isfinite(classes).all() and not are_whole(classes):
                raise self._contradicted(f"a class of {classes[classes != np.rint(classes)][0]:g}")
            if np.isnan(scores).any() or np.isnan(boxes).any():
                found[image] = np.nan
                continue
            boxes = corners(boxes) if self.centred else boxes
            found[image] = detections(boxes, scores, classes, suppress=not self.suppressed)
        return found.reshape(fed, -1)

    def confirm(self, found: NDArray[np.float32]) -> None:
        """Compare detections of clean images, as `rows` gives them, with the form.

        Raises
        ------
        ArtifactError
            Those of an image are none of it, as they are for the images that it was told by.
        """
        table = found.reshape(-1, NUMBERS)
        sure = table[:, 4] > 1 + SLACK
        if sure.any():
            raise self._contradicted(f"a confidence of {table[sure, 4][0]:g}")
        for boxes in found.reshape(-1, MOST, NUMBERS)[..., :4]:
            if np.isfinite(boxes).all() and not are_upright(boxes):
                turned = boxes[np.argmin((boxes[:, 2:] - boxes[:, :2]).min(axis=1))]
                numbers = ", ".join(f"{number:g}" for number in turned)
                raise self._contradicted(f"a box whose corners are turned round ({numbers})")

    def _contradicted(self, what: str) -> ArtifactError:
        return ArtifactError(
            f"the outputs hold {what}, so they are not {self.words}, as they are for the images "
            f"that were looked at; {option('head')} or {option('task')} says what they are"
        )

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


def are_whole(numbers: NDArray[Any]) -> bool:
    """Whether numbers are those of images or classes, -1 for none."""
    return bool(np.isfinite(numbers).all() and np.all(numbers == np.rint(numbers))
                and np.all(numbers >= -1))  # fmt: skip


def are_shares(numbers: NDArray[Any]) -> bool:
    """Whether all numbers lie in [0, 1], but for rounding."""
    return bool(np.all((numbers >= -SLACK) & (numbers <= 1 + SLACK)))


def are_upright(boxes: NDArray[Any]) -> bool:
    """Whether no box of two corners turns round; its size may be in pixels or shares."""
    scale = max(1.0, float(np.abs(boxes).max())) if boxes.size else 1.0
    return bool(np.isfinite(boxes).all()) and bool(
        np.all(boxes[:, 2:] - boxes[:, :2] >= -SLACK * scale)
    )
