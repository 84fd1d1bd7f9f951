"""Edits of a copy of a graph at its ends: more outputs, rows of scores, a batch axis, a filter."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ..errors import ArtifactError
from .graph import all_graphs

ROWS = "iaside_rows"
_SHAPE = "iaside_row_shape"
_BLOCK = "iaside_block"
_BLOCK_SHAPE = "iaside_block_shape"
_FILTER = "iaside_filter"
_FLOAT, _UINT8 = TensorProto.FLOAT, TensorProto.UINT8
# The first version of ONNX's own operators that onnxruntime promises to run.
_OLDEST_OPSET = 7
_OWN_DOMAIN = ("", "ai.onnx")
# From these on, what was an attribute is an input.
_PADS_ARE_AN_INPUT, _BOUNDS_ARE_INPUTS, _AXES_ARE_AN_INPUT = 11, 11, 13


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


def with_filter(
    model: onnx.ModelProto,
    name: str,
    weights: NDArray[Any],
    *,
    channels: int,
    layout: str,
    block: tuple[int, ...] = (),
    lacking: int | None = None,
) -> onnx.ModelProto:
    """A copy whose nodes read an image input through a convolution, its borders reflected.

    Parameters
    ----------
    name : str
        The input; its own name, shape and type stay.
    weights : ndarray, shape (n, n)
        Of the kernel, the same for all channels.
    channels : int
    layout : str
        "nchw" or "nhwc".
    block : tuple of int
        Shape of one image in the order of `layout`, where the input has it as a row of numbers.
    lacking : int, optional
        The axis, 0 (batch) or 1 (channels), that the input lacks.

    Raises
    ------
    ArtifactError
        The graph is of a version of ONNX too old for the operators.
    """
    opset = next((each.version for each in model.opset_import if each.domain in _OWN_DOMAIN), 0)
    if opset < _OLDEST_OPSET:
        raise ArtifactError(
            f"the graph is of ONNX opset {opset}, and a filter needs {_OLDEST_OPSET} or later; "
            "export the model again"
        )
    copy = deepcopy(model)
    value = next(value for value in copy.graph.input if value.name == name)
    elem_type, chain = value.type.tensor_type.elem_type, _Chain(copy, name, opset)
    if elem_type != _FLOAT:
        chain.add("Cast", to=_FLOAT)
    if block:
        chain.add("Reshape", np.array([-1, *block], np.int64))
    if lacking is not None:
        chain.add_axis("Unsqueeze", lacking)
    if layout == "nhwc":
        chain.add("Transpose", perm=[0, 3, 1, 2])
    radius = len(weights) // 2
    pads = [0, 0, radius, radius] * 2
    if opset < _PADS_ARE_AN_INPUT:
        chain.add("Pad", mode="reflect", pads=pads)
    else:
        chain.add("Pad", np.array(pads, np.int64), mode="reflect")
    kernels = np.broadcast_to(np.float32(weights), (channels, 1, *weights.shape))
    chain.add("Conv", np.ascontiguousarray(kernels), group=channels, kernel_shape=weights.shape)
    if layout == "nhwc":
        chain.add("Transpose", perm=[0, 2, 3, 1])
    if lacking is not None:
        chain.add_axis("Squeeze", lacking)
    if block:
        chain.add("Reshape", np.array([-1, int(np.prod(block))], np.int64))
    if elem_type == _UINT8:
        chain.add("Add", np.float32(0.5))
        chain.add("Floor")
        if opset < _BOUNDS_ARE_INPUTS:
            chain.add("Clip", min=0.0, max=255.0)
        else:
            chain.add("Clip", np.float32(0), np.float32(255))
    if elem_type != _FLOAT:
        chain.add("Cast", to=elem_type)
    chain.put_before_readers()
    return copy


class _Chain:
    """Nodes, each of what the one before gives, that are put between an input and its readers."""

    def __init__(self, model: onnx.ModelProto, name: str, opset: int) -> None:
        self._model, self._input, self._opset = model, name, opset
        taken = {each for graph in all_graphs(model) for node in graph.node for each in node.output}
        taken |= {tensor.name for tensor in model.graph.initializer}
        self._prefix, number = _FILTER, 1
        while any(each.startswith(self._prefix) for each in taken):  # one is there already
            number += 1
            self._prefix = f"{_FILTER}{number}"
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[TensorProto] = []

    def add(self, operator: str, *constants: Any, **attributes: Any) -> None:
        """One node more."""
        place = f"{self._prefix}_{len(self._nodes)}"
        for value in constants:
            tensor = numpy_helper.from_array(np.asarray(value), f"{place}_{len(self._weights)}")
            self._weights.append(tensor)
        names = [each.name for each in self._weights[len(self._weights) - len(constants) :]]
        before = self._nodes[-1].output[0] if self._nodes else self._input
        node = helper.make_node(operator, [before, *names], [place], name=place, **attributes)
        self._nodes.append(node)

    def add_axis(self, operator: str, axis: int) -> None:
        """Put in, or take out, an axis of length 1."""
        if self._opset < _AXES_ARE_AN_INPUT:
            self.add(operator, axes=[axis])
        else:
            self.add(operator, np.array([axis], np.int64))

    def put_before_readers(self) -> None:
        """Have all nodes that read the input, in sub-graphs too, read what the last node gives."""
        last = self._nodes[-1].output[0]
        for graph in all_graphs(self._model):
            if not isinstance(graph, onnx.GraphProto):  # a function sees no names from outside
                continue
            for node in graph.node:
                node.input[:] = [last if each == self._input else each for each in node.input]
        for number, node in enumerate(self._nodes):
            self._model.graph.node.insert(number, node)
        add_weights(self._model, self._weights)


def with_property(model: onnx.ModelProto, key: str, text: str) -> None:
    """Set a value of the metadata in place, and leave all others as they are."""
    for each in model.metadata_props:
        if each.key == key:
            each.value = text
            return
    model.metadata_props.add(key=key, value=text)


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
