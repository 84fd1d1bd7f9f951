"""Variants of a pretrained network, as ONNX files: each differs from its parent in one way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, version_converter

_OPSET = 17
_ROUNDING = ("QuantizeLinear", "DequantizeLinear")
_KIND = "iaside.output_kind"
_WEIGHTED = ("Conv", "Gemm", "MatMul")


def float_parent(source: Path, target: Path) -> None:
    """Write a network that takes and gives float32, and has no Softmax at its end.

    Its batch is free, and its constants are no inputs. Files of float16 are widened, which changes
    no weight. Of probabilities INT8 would leave steps of 1/255, in which most of 1000 classes are
    0. What calculates in integers goes on doing so.
    """
    proto = onnx.load(source)
    graph = proto.graph
    _without_softmax(graph)
    for entry in proto.metadata_props:
        if entry.key == _KIND:
            entry.value = "logits"
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [each for each in graph.input if each.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)
    del graph.value_info[:]
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT16:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for end in (*graph.input, *graph.output):
        if end.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16:
            end.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        end.type.tensor_type.shape.dim[0].dim_param = "batch"
    if next(each.version for each in proto.opset_import if not each.domain) < _OPSET:
        proto.ir_version = max(proto.ir_version, 8)
        proto = version_converter.convert_version(proto, _OPSET)
    onnx.checker.check_model(proto)
    onnx.save(proto, target)


def _without_softmax(graph: onnx.GraphProto) -> None:
    """End a graph at what its last Softmax takes; rounding of probabilities goes with it."""
    kept = list(graph.node)
    while kept[-1].op_type in _ROUNDING:
        kept.pop()
    if kept[-1].op_type != "Softmax":
        return
    scores, end = kept.pop().input[0], graph.output[0].name
    for node in kept:
        names = [end if each == scores else each for each in node.output]
        del node.output[:]
        node.output.extend(names)
    del graph.node[:]
    graph.node.extend(kept)


def is_deployed(file: Path) -> bool:
    """Whether a network calculates in integers."""
    return any(node.op_type == "QuantizeLinear" for node in onnx.load(file).graph.node)


def weights_of(proto: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    """The weights of convolutions and products, without biases, by name."""
    names = [node.input[1] for node in proto.graph.node if node.op_type in _WEIGHTED]
    held = {tensor.name: tensor for tensor in proto.graph.initializer}
    return {name: numpy_helper.to_array(held[name]) for name in names if name in held}


def with_weights(proto: onnx.ModelProto, weights: dict[str, NDArray[np.float32]]) -> None:
    """Put weights in the place of those of the same names."""
    for tensor in proto.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))


def pruned(source: Path, target: Path, share: float) -> None:
    """Write a network without the smallest weights, `share` of them in each layer.

    Layers of few weights (a thousand at most: depthwise filters, mostly) stay whole.
    """
    proto = onnx.load(source)
    kept = {}
    for name, values in weights_of(proto).items():
        if values.size <= 1000 or _depthwise(values):
            continue
        least = np.quantile(np.abs(values), share)
        kept[name] = np.where(np.abs(values) < least, np.float32(0), values)
    with_weights(proto, kept)
    onnx.save(proto, target)


def _depthwise(values: NDArray[np.float32]) -> bool:
    return values.ndim == 4 and values.shape[1] == 1
