"""Detectors whose head is known: how well detections match those of the clean image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..mathematics.boxes import MOST, NUMBERS, matched
from ..spelling import option
from .task import Reference, Settled

CONFIDENCE = 0.25


@dataclass(frozen=True)
class MatchedBoxes(Settled):
    """Detections, as `DetectionHead.rows` gives them: the value is `mathematics.boxes.matched`.

    References are detections of the clean image, and readings are detections. It is computed on the
    host, where boxes of any number are.

    Attributes
    ----------
    threshold : float
        Least confidence of a detection of the clean image that is an object.
    """

    threshold: float = CONFIDENCE
    bounds = (0.0, 1.0)
    columns: ClassVar[int] = 1
    reference: ClassVar[Reference] = Reference(np.float32, (MOST * NUMBERS,), an_image=True)

    def said(self, references: Callable[[], NDArray[Any]]) -> str:
        """How many objects there are."""
        sure = references().reshape(-1, MOST, NUMBERS)[:, :, 4] >= self.threshold
        images, bare = len(sure), int((~sure.any(axis=1)).sum())
        text = (
            f"objects: {int(sure.sum())}, detections of confidence {self.threshold:g} or more, on "
            f"{images - bare} of {images} images"
        )
        if bare == images:
            lower = option("threshold", like="T")
            return f"{text}: nothing to match; check the preprocessing, or give a lower {lower}"
        return text + "; an image without one is matched while none appears" * bool(bare)

    def tail(self) -> bytes | None:
        """None: values are computed on the host."""
        return None

    def values(self, scores: NDArray[np.float32], references: NDArray[Any]) -> NDArray[np.float32]:
        """Match of each image's detections with its reference, in [0, 1]."""
        shape = (-1, MOST, NUMBERS)
        clean = np.broadcast_to(references, scores.shape).reshape(shape)
        pairs = zip(scores.reshape(shape), clean, strict=True)
        # Not-a-number is for others to report.
        return np.array(
            [
                np.nan if np.isnan(found[0, 0]) else matched(found, own, self.threshold)
                for found, own in pairs
            ],
            np.float32,
        )

    def readings(self, scores: NDArray[np.float32]) -> NDArray[Any]:
        """The detections themselves."""
        return scores

    def worth(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """The value."""
        return self.values(np.atleast_2d(readings), references).astype(np.float64)

    def answers(self, readings: NDArray[Any]) -> NDArray[np.float32]:
        """The detections, which others are matched with."""
        return np.asarray(readings, np.float32)

    def share(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """The value."""
        return self.worth(readings, references)

    def right(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.bool_]:
        """Where more than half of the boxes is matched."""
        return np.asarray(self.share(readings, references) > 0.5)

    def margins(
        self, readings: NDArray[Any], references: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The value less 1/2, and where it is not above."""
        margin = self.share(readings, references) - 0.5
        return margin, margin <= 0

    def change(self, readings: NDArray[Any], clean: NDArray[Any]) -> NDArray[np.float64]:
        """1 less the match with the clean detections, in [0, 1]."""
        return 1 - self.share(readings, clean)
