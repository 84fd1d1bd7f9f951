"""Nodes at the ends of a graph: a final Sigmoid or Softmax, decisions, decoders of pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from .graph import TRANSPARENT, attribute, constants, producers, tensor_values

# Nodes whose result is an answer, or its rank, and no longer a score for each class.
_DECISIONS = {
    "TopK": "the best few scores in order of rank, whose classes stand elsewhere",
    "ArgMax": "the number of the best class",
    "ArgMin": "the number of a class",
    "ReduceMax": "the best score alone",
    "Hardmax": "1 for the best class and 0 for all others",
}
# NonMaxSuppression, those of other makers such as EfficientNMS_TRT and DetectionOutput, and what
# keeps rows by a condition.
_SUPPRESSION = re.compile(r"nms|non_?max|detection|^compress$", re.IGNORECASE)
# Nodes that take numbers along an axis for scores of classes, with the axis where none is given.
_CHOICES = {
    "Softmax": -1, "LogSoftmax": -1, "QLinearSoftmax": -1, "Hardmax": -1, "ArgMax": 0,
    "Sigmoid": -1, "QLinearSigmoid": -1,
}  # fmt: skip
# Nodes that hand numbers on without exchanging axes.
_AS_THEY_ARE = {
    "Identity", "Cast", "Dropout", "QuantizeLinear", "DequantizeLinear", "Resize", "Upsample",
}  # fmt: skip
_ZIPMAP = "dictionaries of scores"


@dataclass(frozen=True)
class Head:
    """A final operator that makes probabilities of logits.

    Attributes
    ----------
    operator : str
        "Sigmoid", "Softmax", or "Exp" of log-probabilities.
    logits : str
        The tensor that it is applied to.
    """

    operator: str
    logits: str

    def probabilities(self, logits: np.ndarray[Any, Any], columns: int) -> np.ndarray[Any, Any]:
        """What rows of logits come to, in float64, as an output of so many columns has them."""
        exact = logits.astype(np.float64)
        if self.operator == "Softmax":
            powers = np.exp(exact - exact.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        if self.operator == "Exp":
            return np.asarray(np.exp(exact))
        one = np.exp(-np.logaddexp(0.0, -exact))
        return np.hstack([1 - one, one]) if columns == 2 * exact.shape[1] else one


@dataclass(frozen=True)
class Decision:
    """An output that is a decision.

    Attributes
    ----------
    operator, meaning : str
        What makes it, and what it is in words.
    scores : str
        The tensor that was decided on.
    """

    operator: str
    meaning: str
    scores: str

    @property
    def always(self) -> bool:
        """Whatever the output's shape; the largest over places is a score of each class."""
        return self.operator != "ReduceMax"


def head_of(graph: onnx.GraphProto, name: str) -> Head | None:
    """The final Sigmoid or Softmax of an output, if its logits are a tensor of the graph.

    A Sigmoid may stand as [1 - p, p] of two classes.
    """
    makers = producers(graph)
    node = _behind(makers, name)
    if node is None:
        return None
    if node.op_type == "Concat" and len(node.input) == 2:
        first, second = makers.get(node.input[0]), node.input[1]
        if first is None or first.op_type != "Sub" or first.input[1] != second:
            return None
        one = constants(graph).get(first.input[0])
        if one is None or not np.array_equal(tensor_values(one).ravel(), [1.0]):
            return None
        node = _behind(makers, second)
        return Head("Sigmoid", node.input[0]) if node and node.op_type == "Sigmoid" else None
    if node.op_type in ("Sigmoid", "Softmax", "Exp"):
        return Head(node.op_type, node.input[0])
    return _spelt_out(makers, node)


def _spelt_out(makers: dict[str, Any], node: Any) -> Head | None:
    """exp(z) / sum(exp(z)), and 1 / (1 + exp(-z)), written as single nodes."""
    if node.op_type == "Div" and len(node.input) == 2:
        above, below = (makers.get(name) for name in node.input)
        if above is not None and above.op_type == "Exp":
            sums = below is not None and below.op_type in ("ReduceSum", "ReduceL1")
            return Head("Softmax", above.input[0]) if sums else None
    elif node.op_type == "Reciprocal":
        below = makers.get(node.input[0])
    else:
        return None
    if below is None or below.op_type != "Add":
        return None
    for power in (makers.get(name) for name in below.input):
        if power is not None and power.op_type == "Exp":
            minus = makers.get(power.input[0])
            if minus is not None and minus.op_type == "Neg":
                return Head("Sigmoid", minus.input[0])
    return None


def decision_of(graph: onnx.GraphProto, name: str) -> Decision | None:
    """What was decided on, where an output is a decision and no score for each class."""
    makers, stored = producers(graph), constants(graph)
    node = _behind(makers, name)
    for _ in range(len(makers)):
        before = _rescaled(node, stored)
        if before is None:
            break
        node = _behind(makers, before)
    if node is not None and node.op_type == "ZipMap":
        return Decision("ZipMap", _ZIPMAP, node.input[0])
    if node is None or node.op_type not in _DECISIONS or not node.input:
        return None
    return Decision(node.op_type, _DECISIONS[node.op_type], node.input[0])


def _rescaled(node: Any, stored: dict[str, Any]) -> str | None:
    """What a node at the tail rescales by constants, or squashes: the order of scores stays."""
    if node is None:
        return None
    if node.op_type in ("Softmax", "Sigmoid", "LogSoftmax", "Neg"):
        return str(node.input[0])
    if node.op_type not in ("Add", "Sub", "Mul", "Div") or len(node.input) != 2:
        return None
    others = [str(name) for name in node.input if name not in stored]
    return others[0] if len(others) == 1 else None


def choices_of(graph: onnx.GraphProto, name: str, rank: int) -> set[tuple[str, int]]:
    """Nodes that take a tensor of so many axes for scores of classes: operator, axis of classes.

    They may be anywhere in the graph, behind nodes that leave the axes as they are or exchange
    them.
    """
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for read in node.input[:1]:
            readers.setdefault(read, []).append(node)
    found: set[tuple[str, int]] = set()
    ends, seen = [(name, tuple(range(rank)))], {name}
    while ends:
        tensor, axes = ends.pop()
        for node in readers.get(tensor, ()):
            if node.op_type in _CHOICES:
                place = attribute(node, "axis", _CHOICES[node.op_type])
                if -rank <= place < rank:
                    found.add((node.op_type, axes[place]))
                continue
            after = axes
            if node.op_type == "Transpose":
                order = next((tuple(e.ints) for e in node.attribute if e.name == "perm"), ())
                if sorted(order) != list(range(rank)):
                    continue
                after = tuple(axes[place] for place in order)
            elif node.op_type not in _AS_THEY_ARE:
                continue
            new = [output for output in node.output if output and output not in seen]
            seen.update(new)
            ends += [(output, after) for output in new]
    return found


def computed(graph: onnx.GraphProto, name: str) -> bool:
    """Whether a tensor of this name is computed by a node of the graph."""
    return name in producers(graph)


def suppresses_boxes(graph: onnx.GraphProto) -> bool:
    """Whether a node leaves rows out by what they hold, as of boxes that overlap surer ones."""
    return any(_SUPPRESSION.search(node.op_type) for node in graph.node)


def class_labels(graph: onnx.GraphProto) -> list[str]:
    """What a classifier of ai.onnx.ml, or a ZipMap, calls its columns; empty where there is none.

    Numbers that count the columns from 0 are no names.
    """
    for node in reversed(graph.node):
        for each in node.attribute:
            if each.name == "classlabels_strings" and each.strings:
                return [text.decode("utf-8", "replace") for text in each.strings]
            if each.name in ("classlabels_int64s", "classlabels_ints") and each.ints:
                numbers = list(each.ints)
                return [] if numbers == list(range(len(numbers))) else [str(n) for n in numbers]
    return []


def unrounded(graph: onnx.GraphProto, name: str) -> str | None:
    """The tensor that a quantised output was made of."""
    node = producers(graph).get(name)
    return str(node.input[0]) if node is not None and node.op_type == "QuantizeLinear" else None


def decoder_of(graph: onnx.GraphProto) -> str | None:
    """The pixels that a node makes of an encoded picture, if the graph has such a node."""
    for node in graph.node:
        if "decode" in node.op_type.lower() and node.output:
            return str(node.output[0])
    return None


def _behind(makers: dict[str, Any], name: str) -> Any:
    """The node that makes a tensor, past those that hand numbers on without changing them."""
    node = makers.get(name)
    for _ in range(len(makers)):
        if node is None or node.op_type not in TRANSPARENT or not node.input:
            break
        node = makers.get(node.input[0])
    return node if node is None or node.input else None
