"""Make the batch of a graph free by editing a copy of it.

The one case in which other bytes than the file's are run; callers verify the copy against the
untouched file and say so in the report.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from .edits import need_no_inputs
from .graph import all_graphs, constants, tensor_values

_BATCH = "iaside_batch"
# Batches that are tried where a file that declares its batch free runs at few.
_LARGEST_BATCH = 1024
_MOST_TRIED = 8


def free_batch(model: onnx.ModelProto, input_name: str, fixed: int) -> onnx.ModelProto:
    """A copy of the model whose batch dimension is free.

    The first dimension of the image input and of every output that starts with `fixed` becomes
    symbolic, stored intermediate shapes are dropped (the runtime infers them anew), and constant
    targets of Reshape that start with `fixed` become "whatever is left" (-1), or "as the
    input" (0) where another dimension already is -1. Reshapes of weights stay as they are.

    Parameters
    ----------
    model : onnx.ModelProto
    input_name : str
        The image input.
    fixed : int
        The batch that the graph was exported with.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for value in graph.input:
        if value.name == input_name:
            value.type.tensor_type.shape.dim[0].dim_param = _BATCH
    for value in graph.output:
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].dim_value == fixed:
            dims[0].dim_param = _BATCH
    for inner in all_graphs(copy):
        del inner.value_info[:]
    weights = len(graph.initializer)
    _free_reshapes(graph, input_name, fixed)
    if len(graph.initializer) > weights:
        need_no_inputs(copy)
    return copy


def _free_reshapes(graph: onnx.GraphProto, input_name: str, fixed: int) -> None:
    moving = _depends_on(graph, input_name)
    targets = constants(graph)
    for number, node in enumerate(graph.node):
        if node.op_type != "Reshape" or node.input[0] not in moving:
            continue
        for attribute in node.attribute:
            if attribute.name == "shape":  # opset 1 to 4
                attribute.ints[:] = _freed(list(attribute.ints), fixed)
        if len(node.input) > 1 and node.input[1] in targets:
            shape = numpy_helper.to_array(targets[node.input[1]]).tolist()
            freed = _freed(shape, fixed)
            if freed != shape:
                # A tensor of its own: the old constant may serve other nodes too.
                name = f"iaside_shape_{number}"
                graph.initializer.append(numpy_helper.from_array(np.array(freed, np.int64), name))
                node.input[1] = name
                kept = [each for each in node.attribute if each.name != "allowzero"]
                del node.attribute[:]
                node.attribute.extend(kept)


def _freed(shape: list[int], fixed: int) -> list[int]:
    if not shape or shape[0] != fixed:
        return shape
    return [0 if -1 in shape[1:] else -1, *shape[1:]]


def _depends_on(graph: onnx.GraphProto, name: str) -> set[str]:
    """Names of all tensors computed from the one given (nodes stand in topological order)."""
    moving = {name}
    for node in graph.node:
        if moving.intersection(node.input):
            moving.update(node.output)
    return moving


def likely_batches(model: onnx.ModelProto | None) -> list[int]:
    """Batches above 1 that a graph may insist on: lengths that stand first in its shapes."""
    if model is None:
        return []
    found = set()
    for value in model.graph.output:
        found |= {dim.dim_value for dim in value.type.tensor_type.shape.dim[:1]}
    held = constants(model.graph)
    for node in model.graph.node:
        if node.op_type in ("Reshape", "Expand") and len(node.input) > 1 and node.input[1] in held:
            found |= set(tensor_values(held[node.input[1]])[:1].astype(int).tolist())
    return sorted(size for size in found if 1 < size <= _LARGEST_BATCH)[:_MOST_TRIED]
