"""Embeddings: an image is worth the cosine of its embedding with that of the clean image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from ..mathematics.embedding import cosines, directions, nearest_other
from .small_graph import SmallGraph, normalised
from .task import Reference


def _nothing() -> NDArray[np.float32]:
    return np.empty((0, 0), np.float32)


def rows_of(graph: SmallGraph, elem_type: int) -> str:
    """Add what makes rows of float32 of the scores."""
    rows = graph.add("Reshape", "scores", np.array([0, -1], np.int64))
    return rows if elem_type == TensorProto.FLOAT else graph.add("Cast", rows, to=TensorProto.FLOAT)


@dataclass(frozen=True)
class Embedding:
    """An embedding of an image: its direction is what counts.

    References are directions of clean embeddings; readings are directions. An answer is right if
    of all clean images of the sample its own is the nearest.

    Attributes
    ----------
    elem_type : int
        ONNX element type of the model's output.
    width : int
        Numbers D in an embedding.
    bank : ndarray of float32, shape (K, D)
        Directions of the clean images of the whole sample.
    """

    elem_type: int
    width: int
    bank: NDArray[np.float32] = field(default_factory=_nothing, repr=False)
    bounds = (-1.0, 1.0)
    learns: ClassVar[bool] = True
    columns: ClassVar[int] = 1

    @property
    def reference(self) -> Reference:
        """The direction of the clean embedding."""
        return Reference(np.float32, (self.width,))

    def seen(self, scores: NDArray[np.float32]) -> Self:
        """With the embeddings of further clean images in the bank."""
        new = self.answers(self.readings(scores))
        return replace(self, bank=np.concatenate([self.bank, new]) if len(self.bank) else new)

    def learned(self) -> Self:
        """The same: the bank is what is needed."""
        return self

    def said(self, references: Callable[[], NDArray[Any]]) -> str:  # noqa: ARG002
        """Nothing."""
        return ""

    def tail(self) -> bytes:
        """Embeddings and directions in, cosines out."""
        float32 = TensorProto.FLOAT
        graph = SmallGraph(
            "tail",
            {"scores": (self.elem_type, None), "reference": (float32, ["batch", self.width])},
        )
        unit = normalised(graph, rows_of(graph, self.elem_type))
        rows = graph.add(
            "ReduceSum", graph.add("Mul", unit, "reference"), np.array([1]), keepdims=1
        )
        graph.add("Clip", rows, np.float32(-1), np.float32(1))
        return graph.serialised("value", float32, ["batch", 1])

    def values(
        self, scores: NDArray[np.float32], references: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Cosine of each embedding with its reference."""
        return cosines(directions(scores), references).astype(np.float32)

    def readings(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Directions of embeddings, shape (n, D)."""
        return directions(scores)

    def worth(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """Cosine of each direction with its reference."""
        return cosines(readings, references)

    def answers(self, readings: NDArray[Any]) -> NDArray[np.float32]:
        """The direction itself."""
        return np.asarray(readings, np.float32)

    def right(self, readings: NDArray[Any], references: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Where of all clean images its own is the nearest."""
        return self.margins(readings, references)[0] >= 0

    def share(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """1 where its own image is the nearest, else 0."""
        return self.right(readings, references).astype(np.float64)

    def margins(
        self, readings: NDArray[np.float64], references: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Cosine with its own clean image less the highest with another; where that is higher."""
        own = np.broadcast_to(references, readings.shape)
        margin = cosines(readings, own) - nearest_other(readings, own, self.bank)
        return margin, margin < 0

    def change(
        self, readings: NDArray[np.float64], clean: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """1 less the cosine with the clean embedding, in [0, 2]."""
        return np.clip(1 - cosines(readings, clean), 0, 2)
