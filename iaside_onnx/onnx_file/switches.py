"""Values of the small tensors that switch nodes on and off, where a graph fixes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from .graph import attribute, inner_graphs, tensor_values

Values = NDArray[np.float64]

# Nodes between a constant and the switch that it sets.
_LONGEST = 32
_BOOL = onnx.TensorProto.BOOL
_SAME = frozenset({"Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten"})


@dataclass
class Scope:
    """The names that nodes of one graph, or of one call of a function, can read.

    Attributes
    ----------
    known : dict
        Values of tensors, by name; None where only running the model shows it.
    producers : dict
        The node that makes a tensor, by its name.
    attributes : dict
        Attributes of the call, which a function's nodes may refer to.
    """

    known: dict[str, Values | None] = field(default_factory=dict)
    producers: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)

    def add(self, nodes: Iterable[Any]) -> None:
        """Nodes, and those of their sub-graphs."""
        for node in nodes:
            self.producers |= {name: node for name in node.output if name}
            for inner in inner_graphs(node):
                self.add_graph(inner)

    def add_graph(self, graph: onnx.GraphProto) -> None:
        """What a graph stores, and its nodes; what lies in another file is not read."""
        for tensor in graph.initializer:
            value = tensor_values(tensor)
            self.known[tensor.name] = value if value.size else None
        self.add(graph.node)

    def given(self, name: str) -> bool:
        """Whether a tensor is what the model is given when it runs, or what another file holds."""
        return any(self.known.get(each, self) is None for each in self._back(name))

    def value(self, name: str) -> Values | None:
        """The value of a tensor that the graph fixes; None where it does not."""
        path = list(self._back(name))
        value = self.known.get(path[-1])
        if value is None and path[-1] in self.producers:
            value = self._constant(self.producers[path[-1]])
        if value is None or not value.size:
            return None
        for each in reversed(path[:-1]):
            operator = self.producers[each].op_type
            if operator == "Not":
                value = np.asarray(value == 0, np.float64)
            elif operator == "Cast" and attribute(self.producers[each], "to") == _BOOL:
                value = np.asarray(value != 0, np.float64)
        return value

    def _back(self, name: str) -> Iterator[str]:
        """A tensor, then those that it was made of by one node each."""
        for _ in range(_LONGEST):
            yield name
            node = self.producers.get(name)
            if name in self.known or node is None or not node.input:
                return
            if node.op_type not in _SAME and node.op_type not in ("Not", "Cast"):
                return
            name = node.input[0]
        yield ""  # too long, or a circle

    def _constant(self, node: Any) -> Values | None:
        """What a Constant node holds."""
        if node.op_type != "Constant" or not node.attribute:
            return None
        setting = node.attribute[0]
        if setting.ref_attr_name:
            setting = self.attributes.get(setting.ref_attr_name)
        if setting is None:
            return None
        if setting.HasField("t"):
            return tensor_values(setting.t)
        if setting.type == onnx.AttributeProto.FLOAT:
            return np.array([setting.f], float)
        if setting.type == onnx.AttributeProto.INT:
            return np.array([setting.i], float)
        return np.array([*setting.floats, *setting.ints], float)


def graph_scope(graph: onnx.GraphProto) -> Scope:
    """Names of a model's main graph."""
    scope = Scope(known={value.name: None for value in graph.input})
    scope.add_graph(graph)
    return scope


def call_scope(function: Any, call: Any, around: Scope) -> Scope:
    """Names inside one call of a function."""
    scope = Scope()
    for name, outer in zip(function.input, call.input, strict=False):
        if outer and ((value := around.value(outer)) is not None or around.given(outer)):
            scope.known[name] = value
    scope.attributes = {each.name: each for each in (*function.attribute_proto, *call.attribute)}
    scope.add(function.node)
    return scope
