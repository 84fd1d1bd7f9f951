"""Shapes of tensors, and small whole values, followed through a graph node by node."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from .graph import attribute, inner_graphs

Shape = tuple[int, ...]

# Numbers in a value that is followed: those of shapes, axes and the like.
MOST_VALUES = 64
# Small inputs may make large outputs of these.
_GROWING = ("Expand", "Tile", "Range", "Pad", "Resize", "OneHot", "EyeLike")


class StuckError(Exception):
    """A node does not take the shapes that come to it."""


@dataclass
class World:
    """Types and small whole values of tensors at one batch.

    `before` is how many parts of the axis that grows with the batch stand before the images': an
    axis of 4 patches times the batch has 4.
    """

    batch: int
    opsets: dict[str, int]
    types: dict[str, onnx.TypeProto] = field(default_factory=dict)
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)

    def copy(self) -> World:
        """One to try something in."""
        return World(
            self.batch, self.opsets, dict(self.types), dict(self.values), dict(self.before)
        )

    def shape(self, name: str) -> Shape | None:
        """Of a tensor, if all its lengths are known."""
        kind = self.types.get(name)
        if kind is None or not kind.tensor_type.HasField("shape"):
            return None
        sizes = [d.dim_value if d.HasField("dim_value") else -1 for d in kind.tensor_type.shape.dim]
        return None if -1 in sizes else tuple(sizes)

    def set(self, name: str, elem_type: int, shape: Shape) -> None:
        """Settle the type of a tensor."""
        self.types[name] = helper.make_tensor_type_proto(elem_type, shape)

    def infer(self, node: onnx.NodeProto) -> None:
        """Types, and small values, of a node's outputs.

        Raises
        ------
        StuckError
            The node does not take these shapes.
        """
        self._value(node)
        if any(name and name not in self.types for name in node.input):
            return
        try:
            version = self.opsets.get(node.domain, 1)
            schema = onnx.defs.get_schema(node.op_type, version, node.domain)
        except onnx.defs.SchemaError:
            return
        data = {
            name: numpy_helper.from_array(self.values[name], name)
            for name in node.input
            if name in self.values
        }
        opsets = [helper.make_opsetid(domain, number) for domain, number in self.opsets.items()]
        types = {name: self.types[name] for name in node.input if name}
        try:
            inferred = shape_inference.infer_node_outputs(schema, node, types, data, None, opsets)
        except Exception as error:  # onnx's errors have no common base
            raise StuckError from error
        self.types.update(inferred)

    def _value(self, node: onnx.NodeProto) -> None:
        """Evaluate what computes shapes."""
        if node.op_type == "Shape":
            shape = self.shape(node.input[0])
            if shape is not None:
                end = attribute(node, "end", len(shape))
                sizes = shape[attribute(node, "start", 0) : end]
                self.values[node.output[0]] = np.array(sizes, np.int64)
            return
        if node.domain or len(node.output) != 1 or node.op_type in _GROWING or inner_graphs(node):
            return
        if any(name not in self.values for name in node.input):
            return
        given = {name: self.values[name] for name in node.input}
        if node.op_type == "ConstantOfShape" and prod(given[node.input[0]].tolist()) > MOST_VALUES:
            return
        try:
            outputs: Any = ReferenceEvaluator(node, opsets=self.opsets).run(None, given)
            value = outputs[0]
        except Exception:  # not known to it, or not computable
            return
        if isinstance(value, np.ndarray | np.generic) and np.size(value) <= MOST_VALUES:
            self.values[node.output[0]] = np.asarray(value)
