"""A graph that is written node by node, and the network that it makes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_OPSET = 17


class Graph:
    """Nodes and weights; each is called by its kind or name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, kind: str, *fed: str, **options: object) -> str:
        """Add a node and return the name of what it gives."""
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(fed), [name], **options))
        return name

    def hold(self, name: str, values: NDArray[np.generic]) -> str:
        """Add a weight and return its name."""
        self.weights.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def linear_head(self, fed: str, weight: str, bias: str) -> None:
        """Add the layer that gives the scores."""
        self.nodes.append(helper.make_node("Gemm", [fed, weight, bias], ["scores"]))


def model(
    name: str,
    side: int,
    classes: int,
    nodes: Sequence[onnx.NodeProto],
    weights: Sequence[onnx.TensorProto],
) -> onnx.ModelProto:
    """The network from "data", colour images `side` pixels wide and high, to "scores"."""
    proto = helper.make_model(
        helper.make_graph(
            nodes, name,
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["batch", 3, side, side])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", classes])],
            weights,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8,
    )  # fmt: skip
    onnx.checker.check_model(proto, full_check=True)
    return proto
