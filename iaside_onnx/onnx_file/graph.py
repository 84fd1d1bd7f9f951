"""Walks over an ONNX graph: sub-graphs, external data, the meaning of outputs and inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from ..errors import ArtifactError
from ..file_kinds import HEAD_BYTES, kind_of_file
from ..storage.regular_file import real_path

# Nodes that hand their first input on without changing what the numbers mean.
TRANSPARENT = frozenset(
    {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Dropout"}
    | {"QuantizeLinear", "DequantizeLinear"}
)
_KINDS = {
    "Softmax": "probabilities",
    "QLinearSoftmax": "probabilities",
    "LogSoftmax": "logits",
    "Sigmoid": "sigmoid",
    "QLinearSigmoid": "sigmoid",
}
_LOGIT_TAILS = frozenset(
    {"Gemm", "MatMul", "Add", "Conv", "GlobalAveragePool", "ReduceMean", "AveragePool"}
    | {"QGemm", "QLinearMatMul", "QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool"}
    | {"MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "FusedMatMul"}
)

# Tensors that walks over a graph need the values of are shapes, scales and switches.
_LARGE_BYTES = 1 << 16
_VALUE_FIELDS = (
    *("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data"),
    "string_data",
)


def all_graphs(model: onnx.ModelProto) -> Iterator[Any]:
    """The graph, every sub-graph in attributes of its nodes, and the model's functions."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            waiting += inner_graphs(node)


def inner_graphs(node: Any) -> list[Any]:
    """Sub-graphs in the attributes of a node."""
    graphs: list[Any] = []
    for each in node.attribute:
        graphs += [each.g, *each.graphs] if each.HasField("g") else each.graphs
    return graphs


def producers(graph: Any) -> dict[str, Any]:
    """The node that makes a tensor, by the tensor's name."""
    return {output: node for node in graph.node for output in node.output if output}


def attribute(node: Any, name: str, default: int = 0) -> int:
    """A whole number among a node's attributes."""
    return next((int(each.i) for each in node.attribute if each.name == name), default)


def read_names(model: onnx.ModelProto) -> set[str]:
    """Names of the tensors that some node reads, or that the graph hands out."""
    read = {output.name for output in model.graph.output}
    for graph in all_graphs(model):
        read |= {name for node in graph.node for name in node.input}
        if isinstance(graph, onnx.GraphProto):
            read |= {output.name for output in graph.output}
    return read


def external_files(path: Path, model: onnx.ModelProto) -> tuple[Path, ...]:
    """Files beside the model that hold weights, all checked to lie inside its folder.

    Raises
    ------
    ArtifactError
        A file that is missing, cut short, or that lies elsewhere.
    """
    folder = real_path(path).parent
    files: set[Path] = set()
    for tensor in _tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        location = next((e.value for e in tensor.external_data if e.key == "location"), "")
        try:
            target = real_path(folder / location)
            there = target.is_file()
        except (OSError, ValueError):  # a name that no file can have
            target, there = folder, False
        if not location or Path(location).is_absolute() or folder not in target.parents:
            raise ArtifactError(
                f"{path}: weight '{tensor.name}' points outside the model's folder "
                f"('{location}'); refused"
            )
        if not there:
            raise ArtifactError(
                f"{path}: needs its weights in '{location}' beside it; put that file there"
            )
        _check_length(path, tensor, location, target)
        files.add(target)
    return tuple(sorted(files))


# Number types that weights have; Constant nodes of other types hold shapes and axes.
_WEIGHT_TYPES = frozenset(
    {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
    | {TensorProto.INT8, TensorProto.UINT8, TensorProto.INT4, TensorProto.UINT4}
)


def weight_tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """All initialisers of the graph, and what some exporters write as Constant nodes instead."""
    yield from model.graph.initializer
    for node in model.graph.node:
        if node.op_type == "Constant":
            tensors = (each.t for each in node.attribute if each.HasField("t"))
            yield from (tensor for tensor in tensors if tensor.data_type in _WEIGHT_TYPES)


def _check_length(path: Path, tensor: TensorProto, location: str, target: Path) -> None:
    """Refuse a file of weights that ends before a tensor does, as after a broken copy."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    try:
        end = int(entries.get("offset") or 0) + int(entries.get("length") or 0)
    except ValueError:
        return  # damaged numbers: the runtime refuses them
    size = target.stat().st_size
    if size >= end:
        return
    with target.open("rb") as stream:
        kind = kind_of_file(stream.read(HEAD_BYTES))
    why = f"is {kind}" if kind else f"is cut short ({size:,} of at least {end:,} bytes)"
    raise ArtifactError(f"{path}: its file of weights {location} {why}; copy {location} again")


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every tensor stored anywhere in the model."""
    for graph in all_graphs(model):
        sparse_tensors: list[Any] = []
        if isinstance(graph, onnx.GraphProto):
            yield from graph.initializer
            sparse_tensors += graph.sparse_initializer
        for each in (each for node in graph.node for each in node.attribute):
            if each.HasField("t"):
                yield each.t
            yield from each.tensors
            if each.HasField("sparse_tensor"):
                sparse_tensors.append(each.sparse_tensor)
            sparse_tensors += each.sparse_tensors
        for sparse in sparse_tensors:
            yield from (sparse.values, sparse.indices)


def without_large_weights(model: onnx.ModelProto) -> None:
    """Empty the large tensors of a model in place: what is left is enough to walk over."""
    for tensor in _tensors(model):
        if tensor.ByteSize() > _LARGE_BYTES:
            for field in _VALUE_FIELDS:
                tensor.ClearField(field)


def constants(graph: onnx.GraphProto) -> dict[str, TensorProto]:
    """Initialisers and the values of Constant nodes, by name."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            tensors[node.output[0]] = node.attribute[0].t
    return tensors


def output_kind(graph: onnx.GraphProto, name: str) -> tuple[str, float]:
    """What the nodes before an output say about it.

    Returns
    -------
    kind : str
        "logits", "probabilities", "sigmoid" or "unknown".
    step : float
        Distance between neighbouring values where the output was quantised to 8 bits, else 0.
    """
    makers, stored = producers(graph), constants(graph)
    step = 0.0
    node = makers.get(name)
    while node is not None and node.op_type in TRANSPARENT and node.input:
        if node.op_type == "DequantizeLinear" and len(node.input) > 1 and node.input[1] in stored:
            step = max(step, float(tensor_values(stored[node.input[1]]).max(initial=0.0)))
        node = makers.pop(node.input[0], None)
    if node is None:
        return "unknown", step
    if node.op_type in _LOGIT_TAILS:
        return "logits", step
    return _KINDS.get(node.op_type, "unknown"), step


def quantises_on_the_fly(model: onnx.ModelProto) -> bool:
    """Whether the steps of quantised activations follow from a whole batch at a time."""
    return any(
        node.op_type.startswith("DynamicQuantize")
        for graph in all_graphs(model)
        for node in graph.node
    )


def in_float32(model: onnx.ModelProto) -> bool:
    """Whether no number of a graph is rounded more coarsely than float32 on its way."""
    return coarsest_numbers(model) == "float32"


def coarsest_numbers(model: onnx.ModelProto) -> Literal["float32", "float16", "coarse"]:
    """What numbers of a graph are rounded to on their way: "coarse" is less than float16."""
    coarse = {TensorProto.BFLOAT16, TensorProto.INT8, TensorProto.UINT8}
    types = {tensor.data_type for tensor in _tensors(model)}
    for graph in all_graphs(model):
        for node in graph.node:
            if any(word in node.op_type for word in ("Quantize", "QLinear", "Integer", "NBits")):
                return "coarse"
            if node.op_type == "Cast":
                types.add(attribute(node, "to"))
    if types & coarse:
        return "coarse"
    return "float16" if TensorProto.FLOAT16 in types else "float32"


def tensor_values(tensor: TensorProto) -> NDArray[np.float64]:
    """A small stored tensor as numbers; empty where it lies in another file or is damaged."""
    if tensor.data_location == TensorProto.EXTERNAL:
        return np.zeros(0)
    try:
        return np.asarray(numpy_helper.to_array(tensor), dtype=np.float64)
    except (ValueError, TypeError, KeyError):
        return np.zeros(0)
