"""Small ONNX graphs beside the audited one, written node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper, numpy_helper

_OPSET = 17
_IR = 8
_TINY = np.float32(np.finfo(np.float32).tiny)
Ends = dict[str, tuple[int, list[int | str] | None]]


class SmallGraph:
    """A graph in the making.

    Parameters
    ----------
    name : str
    inputs : dict
        ONNX element type and shape of each input by its name; None leaves the shape open.
    """

    def __init__(self, name: str, inputs: Ends) -> None:
        self._name, self._inputs = name, inputs
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, operator: str, *inputs: str | np.ndarray[Any, Any] | np.generic,
            **attributes: Any) -> str:  # fmt: skip
        """Add a node with one output; arrays among its inputs become constants.

        Returns
        -------
        str
            Name of the output.
        """
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        output = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output

    def _constant(self, value: np.ndarray[Any, Any] | np.generic) -> str:
        self._constants.append(
            numpy_helper.from_array(np.asarray(value), f"c{len(self._constants)}")
        )
        return str(self._constants[-1].name)

    def serialised(self, output: str, elem_type: int, shape: list[int | str]) -> bytes:
        """The graph with the output of its last node, under the name that it is to have."""
        self._nodes[-1].output[0] = output
        ends = [
            helper.make_tensor_value_info(name, kind, size)
            for name, (kind, size) in {**self._inputs, output: (elem_type, shape)}.items()
        ]
        graph = helper.make_graph(self._nodes, self._name, ends[:-1], ends[-1:], self._constants)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR)
        return bytes(model.SerializeToString())


def normalised(graph: SmallGraph, rows: str) -> str:
    """Add what gives rows of float32 the length 1; those of zeros stay."""
    largest = graph.add("ReduceMax", graph.add("Abs", rows), axes=[1], keepdims=1)
    scaled = graph.add("Div", rows, graph.add("Max", largest, _TINY))
    length = graph.add("ReduceL2", scaled, axes=[1], keepdims=1)
    return graph.add("Div", scaled, graph.add("Max", length, _TINY))
