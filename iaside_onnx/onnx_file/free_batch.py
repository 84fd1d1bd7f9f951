"""Make the batch of a graph free by editing a copy of it.

One of the cases in which other bytes than the file's are run; callers verify the copy against the
original file and say so in the report.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .batch_walk import BatchWalk, Edit, edit_node, plain_reshape
from .edits import add_weights
from .graph import all_graphs, constants, tensor_values
from .shapes import StuckError

_BATCH, _FIRST, _SHAPE = "iaside_batch", "iaside_first", "iaside_shape"
# Batches that are tried where a file that declares its batch free runs at few.
_LARGEST_BATCH = 1024
_MOST_TRIED = 8


def free_batch(
    model: onnx.ModelProto, input_name: str, fixed: int, shape: tuple[int, ...] | None = None
) -> onnx.ModelProto:
    """A copy of the model whose batch dimension is free.

    The first dimension of the image input becomes symbolic, and stored shapes of all that follows
    are dropped (the runtime infers them again). Nodes that insist on the batch are edited:
    constant shapes of Reshape and Expand, a Squeeze or Gather that drops the batch of 1, and
    constants that hold one part an image where parts are joined.

    Parameters
    ----------
    model : onnx.ModelProto
    input_name : str
        The image input.
    fixed : int
        The batch that the graph was exported with.
    shape : tuple of int, optional
        Of one image, as it will be fed; None takes the graph's.
    """
    copy = deepcopy(model)
    graph = copy.graph
    image = next(value for value in graph.input if value.name == input_name)
    dims = image.type.tensor_type.shape.dim
    if shape is None:
        shape = tuple(dim.dim_value for dim in dims[1:])
    edits = _edits(copy, input_name, shape, fixed)
    if dims:
        dims[0].dim_param = _BATCH
    for value in graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    for inner in all_graphs(copy):
        del inner.value_info[:]
    _apply(copy, input_name, edits)
    return copy


def _edits(
    model: onnx.ModelProto, input_name: str, shape: tuple[int, ...], fixed: int
) -> list[Edit]:
    """What the walk finds; where it finds no way, Reshapes whose first number is the batch."""
    if shape and all(shape):
        try:
            return BatchWalk(model, input_name, shape, fixed).edits()
        except StuckError:
            pass
    moving, edits = {input_name}, []
    values = {name: tensor_values(each) for name, each in constants(model.graph).items()}
    sizes = {name: value.astype(int) for name, value in values.items() if value.ndim == 1}
    for number, node in enumerate(model.graph.node):
        if moving.intersection(node.input):
            moving.update(node.output)
            if node.op_type == "Reshape" and node.input[0] in moving:
                edits += plain_reshape(number, node, fixed, sizes)
    return edits


def _apply(model: onnx.ModelProto, input_name: str, edits: list[Edit]) -> None:
    """Edit the nodes in place; what they need stands before them."""
    graph = model.graph
    opset = next((each.version for each in model.opset_import if each.domain == ""), 1)
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, NDArray[np.int64]] = {}

    def add(operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))

    if any(edit.kind == "tile" for edit in edits):
        weights[_FIRST] = np.array([0], np.int64)
        add("Shape", [input_name], _SHAPE)
        add("Gather", [_SHAPE, _FIRST], _BATCH, axis=0)
    for number, node in enumerate(graph.node):
        for edit in [each for each in edits if each.node == number]:
            name = f"iaside_{number}_{edit.place}"
            if edit.kind not in ("one", "tile"):
                edit_node(node, edit, name, opset)
                if edit.kind != "keep":
                    weights[name] = np.array(edit.numbers, np.int64)
                continue
            axis, rank = edit.numbers
            weights[f"{name}_number"] = np.array([0], np.int64)
            picked = [node.input[edit.place], f"{name}_number"]
            add("Gather", picked, f"{name}_one", axis=axis)
            node.input[edit.place] = f"{name}_one"
            if edit.kind == "tile":
                weights[f"{name}_ones"] = np.ones(rank - axis - 1, np.int64)
                add("Concat", [_BATCH, f"{name}_ones"], f"{name}_shape", axis=0)
                add("Expand", [f"{name}_one", f"{name}_shape"], f"{name}_all")
                node.input[edit.place] = f"{name}_all"
        nodes.append(node)
    nodes = deepcopy(nodes)  # the graph's own would go with its list
    del graph.node[:]
    graph.node.extend(nodes)
    if weights:
        add_weights(model, [numpy_helper.from_array(v, name) for name, v in weights.items()])


def likely_batches(model: onnx.ModelProto | None) -> list[int]:
    """Batches above 1 that a graph may insist on: lengths that stand first in its shapes."""
    if model is None:
        return []
    lengths: set[int] = set()
    for value in model.graph.output:
        lengths |= {dim.dim_value for dim in value.type.tensor_type.shape.dim[:1]}
    stored = constants(model.graph)
    for node in model.graph.node:
        if (
            node.op_type in ("Reshape", "Expand")
            and len(node.input) > 1
            and node.input[1] in stored
        ):
            lengths.update(tensor_values(stored[node.input[1]])[:1].astype(int).tolist())
    return sorted(size for size in lengths if 1 < size <= _LARGEST_BATCH)[:_MOST_TRIED]
