"""Edits of a copy of a graph at its ends: more outputs, rows of scores, an axis for the batch."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROWS = "iaside_rows"
_SHAPE = "iaside_row_shape"
_BLOCK = "iaside_block"
_BLOCK_SHAPE = "iaside_block_shape"


def with_output(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """A copy in which a tensor of the graph is an output too; the runtime infers its type."""
    copy = deepcopy(model)
    if name not in {value.name for value in copy.graph.output}:
        copy.graph.output.append(onnx.ValueInfoProto(name=name))
    return copy


def with_rows(model: onnx.ModelProto, name: str, classes: int) -> onnx.ModelProto:
    """A copy with the output `ROWS`: the tensor named, cut into rows of so many scores."""
    node = helper.make_node("Reshape", [name, _SHAPE], [ROWS])
    shape = numpy_helper.from_array(np.array([-1, classes], np.int64), _SHAPE)
    return _with_last(model, node, [shape])


def transposed(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """A copy with the output `ROWS`: the tensor named with its two axes exchanged."""
    return _with_last(model, helper.make_node("Transpose", [name], [ROWS], perm=[1, 0]), [])


def with_batch_axis(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """A copy whose input, one image without a batch axis, has one of length 1."""
    copy = deepcopy(model)
    graph = copy.graph
    value = next(value for value in graph.input if value.name == name)
    kind = value.type.tensor_type
    axes = list(kind.shape.dim)
    sides = [dim.dim_value if dim.dim_value > 0 else -1 for dim in axes]
    for node in graph.node:
        node.input[:] = [_BLOCK if given == name else given for given in node.input]
    shape = numpy_helper.from_array(np.array(sides, np.int64), _BLOCK_SHAPE)
    add_weights(copy, [shape])
    graph.node.insert(0, helper.make_node("Reshape", [name, _BLOCK_SHAPE], [_BLOCK]))
    batched = onnx.TensorShapeProto()
    batched.dim.add().dim_value = 1
    for axis in axes:
        batched.dim.add().CopyFrom(axis)
    kind.shape.CopyFrom(batched)
    return copy


def _with_last(
    model: onnx.ModelProto, node: onnx.NodeProto, weights: list[TensorProto]
) -> onnx.ModelProto:
    copy = deepcopy(model)
    copy.graph.node.append(node)
    add_weights(copy, weights)
    copy.graph.output.append(onnx.ValueInfoProto(name=node.output[0]))
    return copy


def add_weights(model: onnx.ModelProto, tensors: list[TensorProto]) -> None:
    """Add weights in place; they are no inputs, as up to IR 3 all have to be: it becomes IR 4."""
    graph = model.graph
    graph.initializer.extend(tensors)
    if model.ir_version >= 4:
        return
    model.ir_version = 4
    names = {tensor.name for tensor in graph.initializer}
    images = [value for value in graph.input if value.name not in names]
    del graph.input[:]
    graph.input.extend(images)
