"""Outputs that are no classes: how far they agree with those of the clean image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ..errors import ArtifactError
from ..mathematics.agreement import Block, Spread, disagreement, shares_of_outputs
from ..spelling import option
from .map_form import channels_of
from .model import Model
from .small_graph import SmallGraph
from .task import Reference


@dataclass(frozen=True, eq=False)
class Agreement:
    """Depth maps, regressions, several heads: the value is 1 less the disagreement of outputs.

    References are the model's outputs for the clean image, one after another in a row, and
    readings are outputs as they are.

    Attributes
    ----------
    blocks : tuple of Block
        The outputs, in order.
    elem_types : tuple of int
        ONNX element type of each.
    names : tuple of str
        What each is called.
    spread : Spread or None
        Of the clean images seen so far; None when all of the sample has been seen.
    known : ndarray, shape (channels,)
        Mean squared distance D_c between images of the whole sample, once that has been seen.
    """

    blocks: tuple[Block, ...]
    elem_types: tuple[int, ...]
    names: tuple[str, ...]
    spread: Spread | None = None
    known: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    bounds = (-np.inf, 1.0)
    learns: ClassVar[bool] = True

    @property
    def distances(self) -> NDArray[np.float64]:
        """D_c of every channel; all 0 before any image has been seen."""
        if len(self.known):
            return self.known
        return (self.spread or Spread(self.blocks)).distances

    def seen(self, scores: NDArray[np.float32]) -> Agreement:
        """The task that has seen outputs of further clean images of the sample too.

        The spread is added to where it is: it may be large.
        """
        spread = self.spread or Spread(self.blocks)
        spread.add(scores)
        return replace(self, spread=spread)

    def learned(self) -> Agreement:
        """The task that has seen all of the sample.

        Raises
        ------
        ArtifactError
            No channel of the outputs differs between images.
        """
        known = self.distances
        if self.spread is not None and self.spread.count == 1:
            raise ArtifactError(
                "agreement is measured by how far outputs of different images are apart, and one "
                "image has none to differ from; take more images"
            )
        if not known.any():
            what = " and ".join(f"'{name}'" for name in self.names)
            raise ArtifactError(
                f"output {what} is the same for all images of the sample, so nothing can be "
                f"measured by it; take more images, or another output ({option('output')})"
            )
        return replace(self, spread=None, known=known)

    @property
    def columns(self) -> int:
        """The agreement, and the disagreement of each output where there are several."""
        return 1 if len(self.blocks) == 1 else 1 + len(self.blocks)

    def said(self, references: Callable[[], NDArray[Any]]) -> str:  # noqa: ARG002
        """How many channels are left out."""
        left, count = int((self.distances == 0).sum()), len(self.distances)
        return f"{left} of {count} channels are the same for all images and left out" * bool(left)

    @property
    def reference(self) -> Reference:
        """One row an image, whatever the number of passes."""
        width = sum(block.size for block in self.blocks)
        return Reference(np.float32, (width,), an_image=True)

    def tail(self) -> bytes:
        """Outputs and a reference an image in, one row of numbers a pass out.

        Passes of one image follow each other. The difference of an output from its reference is
        the only tensor of its size.
        """
        float32 = TensorProto.FLOAT
        names = ["scores", *(f"scores_{number}" for number in range(1, len(self.blocks)))]
        ends: dict[str, Any] = dict(zip(names, ((kind, None) for kind in self.elem_types),
                                        strict=True))  # fmt: skip
        width = self.reference.shape[0]
        graph = SmallGraph("tail", {**ends, "reference": (float32, ["images", width])})
        images = graph.add("Shape", "reference", start=0, end=1)
        columns, start, first = [], 0, 0
        distances = self.distances
        shares = shares_of_outputs(self.blocks, distances)
        for name, kind, block in zip(names, self.elem_types, self.blocks, strict=True):
            apart = distances[first : first + block.channels]
            kept = np.flatnonzero(apart > 0)
            # Differences are brought near 1 before they are squared, which single precision could
            # not hold; powers of 2 round nothing.
            sizes = np.exp2(np.round(np.log2(np.where(apart > 0, apart, 1.0)) / 2).clip(-126, 126))
            weights = sizes[kept] ** 2 / apart[kept] / max(1, len(kept))
            size = np.array([-1, *block.shape], np.int64)
            shape = graph.add("Concat", images, size, axis=0)
            scores = name if kind == float32 else graph.add("Cast", name, to=float32)
            scores = graph.add("Reshape", scores, shape)
            reference = "reference"
            if len(self.blocks) > 1:
                ends_at = [np.array([number], np.int64) for number in (start, start + block.size)]
                reference = graph.add("Slice", "reference", *ends_at, np.array([1], np.int64))
            one = np.array([0, 1, *block.shape], np.int64)
            gap = graph.add("Sub", scores, graph.add("Reshape", reference, one))
            gap = graph.add("Mul", gap, (1 / sizes).astype(np.float32)[:, None])
            squares = graph.add("ReduceSumSquare", gap, axes=[2, 4], keepdims=0)
            rows = graph.add("Reshape", squares, np.array([-1, block.channels], np.int64))
            if len(kept) < block.channels:  # what is left out may be anything
                rows = graph.add("Gather", rows, kept.astype(np.int64), axis=1)
            columns.append(graph.add("MatMul", rows, weights.astype(np.float32)[:, None]))
            start, first = start + block.size, first + block.channels
        last = columns[0]
        if len(columns) > 1:
            last = graph.add("Concat", *columns, axis=1)
            last = graph.add("MatMul", last, shares.astype(np.float32)[:, None])
        value = graph.add("Sub", np.float32(1), last)
        if len(columns) > 1:
            graph.add("Concat", value, *columns, axis=1)
        return graph.serialised("value", float32, ["batch", self.columns])

    def numbers(self, scores: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """What the tail finds, on the host, shape (n, columns)."""
        distances, scores = self.distances, np.atleast_2d(scores)
        references = np.broadcast_to(references, scores.shape)
        each = disagreement(self.blocks, distances, scores, references)
        value = 1 - each @ shares_of_outputs(self.blocks, distances)
        return value[:, None] if self.columns == 1 else np.column_stack([value, each])

    def values(self, scores: NDArray[np.float32], references: NDArray[Any]) -> NDArray[np.float32]:
        """Agreement of each image's outputs with its reference."""
        return self.numbers(scores, references)[:, 0].astype(np.float32)

    def readings(self, scores: NDArray[np.float32]) -> NDArray[Any]:
        """The outputs themselves, not copied: they may be large."""
        return scores

    def worth(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """The agreement."""
        return self.numbers(readings, references)[:, 0]

    def answers(self, readings: NDArray[Any]) -> NDArray[np.float32]:
        """The outputs, which other outputs are compared with."""
        return np.asarray(readings, np.float32)

    def right(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.bool_]:
        """Where the agreement is above 1/2, which the mean output of the sample has."""
        return np.asarray(self.numbers(readings, references)[:, 0] > 0.5)

    def share(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """The agreement, cut to [0, 1]."""
        return self.worth(readings, references).clip(0, 1)

    def margins(
        self, readings: NDArray[Any], references: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The agreement less 1/2, and where it is not above."""
        margin = self.worth(readings, references) - 0.5
        return margin, margin <= 0

    def change(self, readings: NDArray[Any], clean: NDArray[Any]) -> NDArray[np.float64]:
        """Disagreement with the clean image's outputs, 0 or more."""
        return 1 - self.worth(readings, clean)


def agreement_of(model: Model) -> Agreement:
    """The task of a model that has run, with the channels of its outputs."""
    types = tuple(helper.np_dtype_to_tensor_dtype(np.dtype(each)) for each in model.score_dtypes)
    blocks = tuple(channels_of(shape, model.form) for shape in model.score_shapes)
    return Agreement(blocks, types, model.outputs)
