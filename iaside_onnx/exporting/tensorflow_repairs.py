"""What tf2onnx leaves undone in a graph and can be put right.

Operators that have no ONNX counterpart of the same name stay in the graph under their TensorFlow
names, which makes it invalid. Those that are compositions of ONNX operators are given their
definition here, as functions that are then inlined.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, inliner, numpy_helper, parser

_DOMAIN = "repair"
_HEAD = f'<domain: "{_DOMAIN}", opset_import: ["" : 17]>'
# erfc(x) = 1 - erf(x); gelu(x) = x (1 + erf(x / sqrt 2)) / 2, or with tanh in its place
# (Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv 1606.08415).
_DEFINITIONS = {
    "Erfc": "Erfc (x) => (y) { e = Erf(x) one = Constant<value_float = 1.0>() "
    "unit = CastLike(one, x) y = Sub(unit, e) }",
    "TFL_GELU": "TFL_GELU (x) => (y) { r = Constant<value_float = 0.70710678>() "
    "h = Constant<value_float = 0.5>() scale = CastLike(r, x) half = CastLike(h, x) "
    "s = Mul(x, scale) e = Erf(s) a = Mul(x, half) b = Mul(a, e) y = Add(a, b) }",
    "TFL_GELU_tanh": "TFL_GELU_tanh (x) => (y) { r = Constant<value_float = 0.79788456>() "
    "c = Constant<value_float = 0.044715>() h = Constant<value_float = 0.5>() "
    "scale = CastLike(r, x) cubic = CastLike(c, x) half = CastLike(h, x) "
    "x2 = Mul(x, x) x3 = Mul(x2, x) w = Mul(x3, cubic) u = Add(x, w) s = Mul(u, scale) "
    "e = Tanh(s) a = Mul(x, half) b = Mul(a, e) y = Add(a, b) }",
}


def repair(model: onnx.ModelProto) -> list[str]:
    """Define the operators that can be defined, in place.

    Returns
    -------
    list of str
        Operators that the graph uses and ONNX does not know, sorted.
    """
    used, left = set(), set()
    versions = {entry.domain: entry.version for entry in model.opset_import}
    for node in _nodes(model.graph):
        name = node.op_type
        if name == "TFL_GELU" and any(a.name == "approximate" and a.i for a in node.attribute):
            name = "TFL_GELU_tanh"
        if name in _DEFINITIONS and not node.domain:
            node.op_type, node.domain = name, _DOMAIN
            del node.attribute[:]
            used.add(name)
        elif not onnx.defs.has(node.op_type, versions.get(node.domain, 1), node.domain):
            left.add(node.op_type)
    if used:
        functions = [parser.parse_function(f"{_HEAD} {_DEFINITIONS[name]}") for name in used]
        model.functions.extend(functions)
        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
        model.CopyFrom(inliner.inline_local_functions(model))
        kept = [entry for entry in model.opset_import if entry.domain != _DOMAIN]
        del model.opset_import[:]
        model.opset_import.extend(kept)
    return sorted(left)


def free_batch(model: onnx.ModelProto) -> bool:
    """Free a batch that is fixed at 1, in place; the gate judges whether that was enough.

    Returns
    -------
    bool
        Whether the batch was fixed. Targets of Reshape that begin with 1 begin with the batch then.
    """
    graph = model.graph
    batch = graph.input[0].type.tensor_type.shape.dim[0]
    if batch.dim_value != 1:
        return False
    for value in (*graph.input, *graph.output):
        for first in value.type.tensor_type.shape.dim[:1]:
            first.dim_param = "batch"
    targets = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for tensor in graph.initializer:
        if tensor.name in targets:
            shape = numpy_helper.to_array(tensor).copy()
            if shape.size and shape[0] == 1:
                shape[0] = 0 if -1 in shape else -1  # 0: as in the value that is reshaped
                tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    graph.ClearField("value_info")
    return True


def float_ends(model: onnx.ModelProto, entry: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Let a graph with quantised input or output take and give the floats they stand for.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed in place.
    entry, result : mapping
        TFLite's details of the one input and the one output: "quantization" is (scale, zero
        point), the scale 0 where the tensor is float; "dtype" its numpy type.
    """
    graph = model.graph
    for value, detail, start in ((graph.input[0], entry, True), (graph.output[0], result, False)):
        scale, zero = detail["quantization"]
        if not scale or value.type.tensor_type.elem_type == TensorProto.FLOAT:
            continue
        inner, outer = f"{value.name}_quantised", value.name
        for node in graph.node:
            names = node.input if start else node.output
            names[:] = [inner if name == outer else name for name in names]
            if not start:  # a value that leaves the graph may be used inside it too
                node.input[:] = [inner if name == outer else name for name in node.input]
        parameters = [f"{outer}_scale", f"{outer}_zero"]
        graph.initializer.extend(
            [
                numpy_helper.from_array(np.array(scale, np.float32), parameters[0]),
                numpy_helper.from_array(np.array(zero, detail["dtype"]), parameters[1]),
            ]
        )
        if start:
            graph.node.insert(0, helper.make_node("QuantizeLinear", [outer, *parameters], [inner]))
        else:
            graph.node.append(helper.make_node("DequantizeLinear", [inner, *parameters], [outer]))
        value.type.tensor_type.elem_type = TensorProto.FLOAT


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    found = list(graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                found += _nodes(inner)
    return found
