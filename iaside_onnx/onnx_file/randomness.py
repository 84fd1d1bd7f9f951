"""Which nodes of a graph make its scores random, or dependent on the batch, without running it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import onnx

from .graph import attribute, inner_graphs, producers
from .switches import Scope, call_scope, graph_scope
from .tensors import text_of

_DRAWING = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
    | {"Multinomial", "Bernoulli"}
)
_MOST_NAMED = 4
# Calls of functions that differ in their switches, and numbers that a switch has at most.
_MOST_CALLS = 1000
_SWITCH_SIZE = 1


@dataclass(frozen=True)
class Randomness:
    """Nodes that an output depends on, in words such as "RandomNormalLike 'noise'".

    Attributes
    ----------
    drawing : tuple of str
        They draw random numbers.
    batch_statistics : tuple of str
        They normalise by the statistics of the batch at hand.
    """

    drawing: tuple[str, ...] = ()
    batch_statistics: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.drawing or self.batch_statistics)

    @property
    def named(self) -> str:
        """The nodes as one list."""
        nodes = [*self.drawing, *self.batch_statistics]
        return ", ".join(nodes[:_MOST_NAMED] + ["..."] * (len(nodes) > _MOST_NAMED))


STEADY = Randomness()


def randomness(model: onnx.ModelProto, output: str) -> Randomness:
    """What makes an output random: random operators, Dropout and BatchNormalization in training.

    Nodes inside sub-graphs and functions count; nodes that the output does not depend on do not.
    """
    functions = {(function.domain, function.name): function for function in model.functions}
    drawing: list[str] = []
    statistics: list[str] = []
    nodes = _behind(model.graph, output)
    for node, scope in _deep(nodes, graph_scope(model.graph), functions):
        if node.op_type in _DRAWING:
            drawing.append(_words(node))
        elif node.op_type == "Dropout" and _drops(node, scope):
            drawing.append(f"{_words(node)} in training mode")
        elif node.op_type == "BatchNormalization" and attribute(node, "training_mode"):
            statistics.append(f"{_words(node)} in training mode")
    return Randomness(tuple(drawing), tuple(statistics))


def _behind(graph: onnx.GraphProto, output: str) -> list[Any]:
    """Nodes of the graph that a tensor depends on."""
    makers = producers(graph)
    waiting, known = [output], {output}
    nodes: dict[int, Any] = {}
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or id(node) in nodes:
            continue
        nodes[id(node)] = node
        names = list(node.input)
        for inner in inner_graphs(node):  # they see the names around them
            names += [name for each in inner.node for name in each.input]
            names += [value.name for value in inner.output]
        waiting += [name for name in names if name not in known]
        known.update(names)
    return list(nodes.values())


def _deep(
    nodes: Iterable[Any], scope: Scope, functions: dict[tuple[str, str], Any]
) -> Iterator[tuple[Any, Scope]]:
    """Nodes, those of their sub-graphs, and those of the functions that they call.

    A function is entered once for each set of values that it is called with.
    """
    waiting = [(node, scope) for node in nodes]
    called: set[tuple[Any, ...]] = set()
    while waiting:
        node, scope = waiting.pop(0)
        yield node, scope
        for inner in inner_graphs(node):
            waiting += [(each, scope) for each in inner.node]
        key = (node.domain, node.op_type)
        if key not in functions:
            continue
        inside = call_scope(functions[key], node, scope)
        values = [
            (name, None if value is None else value.tobytes())
            for name, value in inside.known.items()
            if value is None or value.size <= _SWITCH_SIZE
        ]
        attributes = sorted(each.SerializeToString() for each in inside.attributes.values())
        call = (key, tuple(values), tuple(attributes))
        if call not in called and len(called) < _MOST_CALLS:
            called.add(call)
            waiting += [(each, inside) for each in functions[key].node]


def _drops(node: Any, scope: Scope) -> bool:
    """Whether a Dropout may drop anything: not switched off by a constant, nor with ratio 0.

    A switch that the model is given when it runs is left to be seen by running it.
    """
    if len(node.input) < 3 or not node.input[2] or scope.given(node.input[2]):
        return False
    switch = scope.value(node.input[2])
    ratio = scope.value(node.input[1]) if node.input[1] else None
    off = (switch is not None and not switch.any()) or (ratio is not None and not ratio.any())
    return not off


def _words(node: Any) -> str:
    name = node.name or next((output for output in node.output if output), "")
    return f"{node.op_type} '{text_of(name)}'"
