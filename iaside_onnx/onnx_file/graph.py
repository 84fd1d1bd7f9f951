"""Walks over an ONNX graph: sub-graphs, external data, the meaning of outputs and inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from ..errors import ArtifactError

# Nodes that hand their first input on without changing what the numbers mean.
_TRANSPARENT = frozenset(
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


def all_graphs(model: onnx.ModelProto) -> Iterator[Any]:
    """The graph, every sub-graph held in attributes of its nodes, and the model's functions."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def external_files(path: Path, model: onnx.ModelProto) -> tuple[Path, ...]:
    """Files beside the model that hold weights, all checked to lie inside its folder.

    Raises
    ------
    ArtifactError
        A file that is missing, or that lies elsewhere.
    """
    folder = path.resolve().parent
    found: set[Path] = set()
    for tensor in _tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        location = next((e.value for e in tensor.external_data if e.key == "location"), "")
        try:
            target = (folder / location).resolve()
            inside = bool(location) and not Path(location).is_absolute()
            inside = inside and folder in target.parents
            there = inside and target.is_file()
        except (OSError, ValueError):  # a name that no file can have
            inside = there = False
        if not inside:
            raise ArtifactError(
                f"{path}: weight '{tensor.name}' points outside the model's folder "
                f"('{location}'); refused"
            )
        if not there:
            raise ArtifactError(
                f"{path}: needs its weights in '{location}' beside it; put that file there"
            )
        found.add(target)
    return tuple(sorted(found))


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every tensor stored anywhere in the model."""
    for graph in all_graphs(model):
        if isinstance(graph, onnx.GraphProto):
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                sparse_tensors = list(attribute.sparse_tensors)
                if attribute.HasField("sparse_tensor"):
                    sparse_tensors.append(attribute.sparse_tensor)
                for sparse in sparse_tensors:
                    yield from (sparse.values, sparse.indices)


def constants(graph: onnx.GraphProto) -> dict[str, TensorProto]:
    """Initialisers and the values of Constant nodes, by name."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            found[node.output[0]] = node.attribute[0].t
    return found


def output_kind(graph: onnx.GraphProto, name: str) -> tuple[str, float]:
    """What the nodes before an output say about it.

    Returns
    -------
    kind : str
        "logits", "probabilities", "sigmoid" or "unknown".
    step : float
        Distance between neighbouring values where the output was quantised to 8 bits, else 0.
    """
    producers = {output: node for node in graph.node for output in node.output}
    held = constants(graph)
    step = 0.0
    node = producers.get(name)
    while node is not None and node.op_type in _TRANSPARENT and node.input:
        if node.op_type == "DequantizeLinear" and len(node.input) > 1 and node.input[1] in held:
            step = max(step, float(tensor_values(held[node.input[1]]).max(initial=0.0)))
        node = producers.pop(node.input[0], None)
    if node is None:
        return "unknown", step
    if node.op_type in _LOGIT_TAILS:
        return "logits", step
    return _KINDS.get(node.op_type, "unknown"), step


def tensor_values(tensor: TensorProto) -> NDArray[np.float64]:
    """A small stored tensor as numbers; empty where it lies in another file or is damaged."""
    if tensor.data_location == TensorProto.EXTERNAL:
        return np.zeros(0)
    try:
        return np.asarray(numpy_helper.to_array(tensor), dtype=np.float64)
    except (ValueError, TypeError, KeyError):
        return np.zeros(0)
