"""Which nodes of a graph make its scores random, or dependent on the batch, without running it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import numpy_helper

from .graph import all_graphs, constants, inner_graphs

_DRAWING = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
    | {"Multinomial", "Bernoulli"}
)
_MOST_NAMED = 4


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
        found = [*self.drawing, *self.batch_statistics]
        return ", ".join(found[:_MOST_NAMED] + ["..."] * (len(found) > _MOST_NAMED))


STEADY = Randomness()


def randomness(model: onnx.ModelProto, output: str) -> Randomness:
    """What makes an output random: random operators, Dropout and BatchNormalization in training.

    Nodes inside sub-graphs and functions count; nodes that the output does not depend on do not.
    """
    held: dict[str, Any] = {}
    for graph in all_graphs(model):
        if isinstance(graph, onnx.GraphProto):
            held |= constants(graph)
    functions = {(function.domain, function.name): function for function in model.functions}
    drawing: list[str] = []
    statistics: list[str] = []
    for node in _deep(_behind(model.graph, output), functions):
        if node.op_type in _DRAWING:
            drawing.append(_words(node))
        elif node.op_type == "Dropout" and _drops(node, held):
            drawing.append(f"{_words(node)} in training mode")
        elif node.op_type == "BatchNormalization" and _attribute(node, "training_mode"):
            statistics.append(f"{_words(node)} in training mode")
    return Randomness(tuple(drawing), tuple(statistics))


def _behind(graph: onnx.GraphProto, output: str) -> list[Any]:
    """Nodes of the graph that a tensor depends on."""
    producers = {name: node for node in graph.node for name in node.output if name}
    waiting, seen, found = [output], {output}, []
    taken = set()
    while waiting:
        node = producers.get(waiting.pop())
        if node is None or id(node) in taken:
            continue
        taken.add(id(node))
        found.append(node)
        names = list(node.input)
        for inner in inner_graphs(node):  # they see the names around them
            names += [name for each in inner.node for name in each.input]
            names += [value.name for value in inner.output]
        waiting += [name for name in names if name not in seen]
        seen.update(names)
    return found


def _deep(nodes: Iterable[Any], functions: dict[tuple[str, str], Any]) -> Iterator[Any]:
    """Nodes, those of their sub-graphs, and those of the functions that they call."""
    waiting, called = list(nodes), set()
    while waiting:
        node = waiting.pop(0)
        yield node
        for inner in inner_graphs(node):
            waiting += inner.node
        key = (node.domain, node.op_type)
        if key in functions and key not in called:
            called.add(key)
            waiting += functions[key].node


def _drops(node: Any, held: dict[str, Any]) -> bool:
    """Whether a Dropout drops anything: switched on by a constant, and not with ratio 0."""
    if len(node.input) < 3 or node.input[2] not in held:
        return False
    ratio = held.get(node.input[1])
    return _truth(held[node.input[2]]) and (ratio is None or _truth(ratio))


def _truth(tensor: Any) -> bool:
    try:
        return bool(numpy_helper.to_array(tensor).any())
    except (ValueError, TypeError, KeyError):  # damaged, or in another file
        return False


def _attribute(node: Any, name: str) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), 0)


def _words(node: Any) -> str:
    name = node.name or next((output for output in node.output if output), "")
    text = name if isinstance(name, str) else name.decode("utf-8", "replace")
    return f"{node.op_type} '{text}'"
