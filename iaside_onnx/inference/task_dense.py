"""Dense outputs: a map of class scores, one row of scores a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from ..mathematics.dense import (
    answers,
    log_normaliser,
    log_probabilities,
    mean_counted,
    mean_margin,
    of_classes,
    pixel_counts,
    resized,
)
from .class_scores import ScoreForm
from .map_form import MapForm
from .small_graph import Ends, SmallGraph
from .task import Reference, Settled


@dataclass(frozen=True)
class Dense(Settled):
    """Maps of classes: the value is the mean log-probability of an image's mask over its pixels.

    References are masks of `size`, with the class of each pixel, and -1 where a pixel does not
    count. Where the output has another size its scores are resized to the mask, bilinearly:
    logits, or probabilities as they are. Readings are the scores themselves, classes first: maps
    are large, and are never copied whole.

    Attributes
    ----------
    scores : ScoreForm
        Of each pixel; binary: one score, of class 1 against class 0.
    form : MapForm
        How one image's map lies.
    size : (height, width)
        Of the masks.
    """

    scores: ScoreForm
    form: MapForm
    size: tuple[int, int]
    bounds = (-np.inf, 0.0)
    columns = 1

    @property
    def classes(self) -> int:
        """Classes of a pixel."""
        return 2 if self.scores.binary else self.form.channels

    @property
    def reference(self) -> Reference:
        """A mask."""
        return Reference(np.int16, self.size)

    def tail(self) -> bytes:
        """Scores and a mask in, the mean log-probability of the mask's counted pixels out.

        Of the scores no more than one copy is made, and that only where they are resized: the score
        of a pixel's class is picked first, and all that follows has one number a pixel. An image
        none of whose pixels counts is worth 0.
        """
        scores, float32 = self.scores, TensorProto.FLOAT
        ends: Ends = {
            "scores": (scores.elem_type, None),
            "reference": (TensorProto.INT16, ["batch", *self.size]),
        }
        graph = SmallGraph("tail", ends)
        last = graph.add("Reshape", "scores", np.array([0, *self.form.shape], np.int64))
        axis = 3 if self.form.channels_last else 1
        if self.form.size != self.size:
            if self.form.channels_last:
                last, axis = graph.add("Transpose", last, perm=[0, 3, 1, 2]), 1
            if scores.elem_type != float32:
                last = graph.add("Cast", last, to=float32)
            last = self._resized(graph, last)
        one = np.array([axis], np.int64)
        mask = graph.add("Unsqueeze", graph.add("Cast", "reference", to=TensorProto.INT32), one)
        counts = graph.add("Not", graph.add("Less", mask, np.int32(0)))
        floor = np.float32(scores.floor) if scores.kind == "probabilities" else None
        if scores.binary:
            yes = graph.add("Equal", mask, np.int32(1))
            last = graph.add("Cast", last, to=float32)
            if floor is None:
                against = graph.add("Where", yes, graph.add("Neg", last), last)
                of_pixel = graph.add("Neg", graph.add("Softplus", against))
            else:
                rest = graph.add("Sub", np.float32(1), last)
                of_pixel = graph.add("Max", graph.add("Where", yes, last, rest), floor)
                of_pixel = graph.add("Log", of_pixel)
        else:
            index = graph.add("Max", mask, np.int32(0))
            own = graph.add("GatherElements", last, index, axis=axis)
            own = graph.add("Cast", own, to=float32)
            if floor is not None:
                of_pixel = graph.add("Log", graph.add("Max", own, floor))
            else:
                if scores.elem_type == TensorProto.FLOAT16 and self.form.size == self.size:
                    last = graph.add("Cast", last, to=float32)
                total = graph.add("ReduceLogSumExp", last, axes=[axis])
                of_pixel = graph.add("Sub", own, graph.add("Cast", total, to=float32))
        kept = graph.add("Where", counts, of_pixel, np.float32(0))
        axes = np.array([1, 2, 3], np.int64)
        number = graph.add("ReduceSum", graph.add("Cast", counts, to=float32), axes, keepdims=0)
        total = graph.add("ReduceSum", kept, axes, keepdims=0)
        mean = graph.add("Div", total, graph.add("Max", number, np.float32(1)))
        mean = graph.add("Min", mean, np.float32(0))  # rounding goes beyond
        graph.add("Unsqueeze", mean, np.array([1], np.int64))
        return graph.serialised("value", float32, ["batch", 1])

    def _resized(self, graph: SmallGraph, name: str) -> str:
        """A map of shape (batch, channels, h, w) at the size of the mask."""
        ends = [np.array([place], np.int64) for place in (0, 2)]
        leading = graph.add("Slice", graph.add("Shape", name), *ends)
        size = graph.add("Concat", leading, np.array(self.size, np.int64), axis=0)
        return graph.add(
            "Resize", name, "", "", size, mode="linear", coordinate_transformation_mode="half_pixel"
        )

    def _at_mask(self, reading: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores of an image at the size of the masks, shape (channels, height, width)."""
        return resized(np.asarray(reading, np.float32), *self.size)

    def _log_probabilities(self, reading: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of the classes at each pixel of the mask, shape (classes, height, width)."""
        at_mask = self._at_mask(reading)
        flat = at_mask.reshape(self.form.channels, -1).T
        logits = self.scores.logits(flat).T.reshape(self.classes, *self.size)
        # Probabilities stand for themselves.
        return logits if self.scores.kind == "probabilities" else log_probabilities(logits)

    def _answer(self, reading: NDArray[np.float32]) -> NDArray[np.int16]:
        """The class of each pixel of the mask by the model itself."""
        at_mask = self._at_mask(reading)
        if not self.scores.binary:
            return answers(at_mask)
        half = 0.5 if self.scores.kind == "probabilities" else 0.0
        return np.asarray(at_mask[0] > half, np.int16)

    def _value(self, reading: NDArray[np.float32], mask: NDArray[np.int16]) -> float:
        """Mean log-probability of a mask, without those of other classes."""
        at_mask = self._at_mask(reading)
        if self.scores.kind == "probabilities":
            if self.scores.binary:
                at_mask = np.concatenate([1 - at_mask, at_mask])
            own = np.log(np.maximum(of_classes(at_mask, mask), np.float32(self.scores.floor)))
        elif self.scores.binary:
            own = -np.logaddexp(np.float32(0), np.where(mask == 1, -at_mask[0], at_mask[0]))
        else:
            own = of_classes(at_mask, mask) - log_normaliser(at_mask)
        return min(0.0, mean_counted(own, mask))

    def values(self, scores: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float32]:
        """Mean log-probability of each image's mask."""
        return self.worth(self.readings(scores), references).astype(np.float32)

    def readings(self, scores: NDArray[np.float32]) -> NDArray[Any]:
        """The scores as maps with the classes first, shape (n, channels, h, w): no copy."""
        return self.form.maps(scores)

    def worth(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """Value of each image from readings, shape (n,)."""
        pairs = zip(readings, references, strict=True)
        return np.array([self._value(*pair) for pair in pairs])

    def answers(self, readings: NDArray[Any]) -> NDArray[np.int16]:
        """The class of each pixel by the model itself, at the size of the masks."""
        return np.stack([self._answer(reading) for reading in readings])

    def share(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """Share of the counted pixels that are right, shape (n,)."""
        pairs = zip(self.answers(readings), references, strict=True)
        return np.array([mean_counted(given == mask, mask) for given, mask in pairs])

    def right(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.bool_]:
        """Where more than half of the counted pixels are right."""
        return np.asarray(self.share(readings, references) > 0.5)

    def margins(
        self, readings: NDArray[Any], references: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Mean of log-probability of the class less the highest other one, and what is wrong."""
        pairs = zip(map(self._log_probabilities, readings), references, strict=True)
        margin = np.array([mean_margin(*pair) for pair in pairs])
        return margin, ~self.right(readings, references)

    def change(self, readings: NDArray[Any], clean: NDArray[Any]) -> NDArray[np.float64]:
        """Mean over pixels of how far the probabilities of classes moved, in [0, 2], shape (n,)."""
        clean = np.broadcast_to(clean, readings.shape)
        pairs = zip(readings, clean, strict=True)
        return np.array([self._moved(*pair) for pair in pairs])

    def _moved(self, reading: NDArray[np.float32], clean: NDArray[np.float32]) -> float:
        ours, theirs = (np.exp(self._log_probabilities(each)) for each in (reading, clean))
        return float(np.abs(ours - theirs).sum(axis=0).mean(dtype=np.float64))

    def tally(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels of each class where answer and mask meet, of one, of the other: (n, 3, C)."""
        given = self.answers(readings)
        pairs = zip(given, references, strict=True)
        counts = [pixel_counts(answer, mask, self.classes) for answer, mask in pairs]
        return np.stack(counts).astype(np.float32)
